"""`fastast tune` on folders with sounds that cannot be read: left out and listed, with exit code 3, as far as enough are left."""

import json
import shutil

import pytest
from transformers import AutoConfig

from fastast_hf.hub.results import load_results
from tests.cli.tuning import FEW, write_sounds


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    return write_sounds(tmp_path_factory.mktemp("sounds"))


@pytest.fixture
def mine(fastast_folder, tmp_path):
    return shutil.copytree(fastast_folder, tmp_path / "mine")


def with_broken(sounds, folder, names):
    """Copy sounds, and put files beside them that are none."""
    shutil.copytree(sounds, folder)
    for name in names:
        (folder / name).write_bytes((sounds / "6.wav").read_bytes()[:999])
    return folder


def test_sounds_that_cannot_be_read_are_left_out_and_listed(fastast, mine, sounds, tmp_path):
    folder = with_broken(sounds, tmp_path / "sounds", ["2b.wav", "9.wav"])
    results = tmp_path / "tuning.json"
    told = ("--speedup", 1.2, *FEW, "--json", "--results", results)
    result = fastast("tune", mine, "--data-dir", folder, *told)
    assert result.exit_code == 3
    heading, *lines = result.stderr.splitlines()[:3]
    assert heading == "Left out: could not be read: 2 of 9 files"
    assert "Error" not in result.stderr
    for line, name in zip(lines, ("2b.wav", "9.wav"), strict=True):
        assert line.startswith(f"  {folder / name}: `source` must be a complete sound file, got")
    tuning = json.loads(result.stdout)["tuning"]
    assert list(tuning["unreadable"]) == [str(folder / name) for name in ("2b.wav", "9.wav")]
    assert load_results(results)["tuning"] == tuning
    written = AutoConfig.from_pretrained(mine).merge_ratio
    assert fastast("tune", mine, "--data-dir", sounds, *told).exit_code == 0
    whole = json.loads(results.read_text())["tuning"]
    assert (tuning["rows"], written) == (whole["rows"], AutoConfig.from_pretrained(mine).merge_ratio)
    assert whole["unreadable"] == {}


def test_sounds_that_cannot_be_read_are_left_out_of_those_that_judge_too(fastast, mine, sounds, tmp_path):
    folder = tmp_path / "others"
    folder.mkdir()
    shutil.copy(sounds / "0.wav", folder / "copy.wav")
    (folder / "empty.wav").write_bytes(b"")
    result = fastast("tune", mine, "--data-dir", sounds, "--check-dir", folder, "--speedup", 1.2, *FEW)
    assert result.exit_code == 3
    assert "Left out: could not be read: 1 of 9 files" in result.stderr
    assert "of 1 clips that the search did not see" in result.stdout
    assert "Left out because they cannot be read: 1." in result.stdout


def test_a_link_to_nothing_is_listed_as_classify_lists_it(fastast, mine, sounds, tmp_path):
    folder = with_broken(sounds, tmp_path / "sounds", ["9.wav"])
    (folder / "8.wav").symlink_to(tmp_path / "gone.wav")
    (folder / "7.wav").symlink_to(folder / "7.wav")
    others = tmp_path / "others"
    others.mkdir()
    shutil.copy(sounds / "0.wav", others / "a.wav")
    (others / "b.wav").symlink_to(others / "b.wav")
    result = fastast("tune", mine, "--data-dir", folder, "--check-dir", others, "--speedup", 1.2, *FEW)
    labels = fastast("classify", folder, others, "--model", mine, "--device", "cpu")
    assert (result.exit_code, labels.exit_code) == (3, 3)
    listed = [line for line in result.stderr.splitlines() if line.startswith("  ")]
    assert "Left out: could not be read: 4 of 12 files" in result.stderr
    assert "Error: could not be read: 4 of 12 files" in labels.stderr
    assert listed == [line for line in labels.stderr.splitlines() if line.startswith("  ")]
    assert [line.split(".wav")[0][-1] for line in listed] == ["7", "8", "9", "b"]


def test_folders_without_enough_that_can_be_read_are_errors_and_change_nothing(fastast, mine, sounds, tmp_path):
    before = (mine / "config.json").read_bytes()
    broken, few, fewer = (tmp_path / name for name in ("broken", "few", "fewer"))
    broken.mkdir()
    for name in range(6):
        (broken / f"{name}.wav").write_bytes(b"")
    with_broken(sounds, few, ["9.wav"])
    for number in (0, 1):
        (few / f"{number}.wav").unlink()
    shutil.copytree(few, fewer)
    (fewer / "9.wav").unlink()
    for folders, message in (
        (("--data-dir", broken), "`data_dir` must hold a sound that can be read, got 6 of 6 that cannot, first "),
        (
            ("--data-dir", sounds, "--check-dir", broken),
            "`check_dir` must hold a sound that can be read, got 6 of 6 that cannot, first ",
        ),
        (("--data-dir", few), "Left out: could not be read: 1 of 6 files"),
        (("--data-dir", few), "`data_dir` must hold at least 6 sounds that can be read, got 5 of 6. A hundred"),
        (("--data-dir", fewer), f"`data_dir` must hold at least 6 sound files, got 5 in {fewer}. A hundred"),
    ):
        result = fastast("tune", mine, *folders, "--speedup", 1.2, *FEW)
        assert result.exit_code == 1
        assert message in result.stderr
        assert (mine / "config.json").read_bytes() == before
