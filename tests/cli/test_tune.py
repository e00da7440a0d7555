"""`fastast tune` as a user calls it: what is printed, what is written, and what is refused before the search."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from transformers import AutoConfig

from fastast_hf import FastASTForAudioClassification
from fastast_hf.hub.results import load_results
from tests.conftest import full_file, requires_full

FEW = ("--trials", 2, "--device", "cpu", "--batch-size", 4)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    for number in range(7):
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, 8_000 + 2_000 * number)
        soundfile.write(folder / f"{number}.wav", samples, 16_000)
    return folder


@pytest.fixture
def mine(fastast_folder, tmp_path):
    return shutil.copytree(fastast_folder, tmp_path / "mine")


def test_the_winner_is_written_into_the_model_s_own_config(fastast, mine, sounds):
    before = json.loads((mine / "config.json").read_text())
    result = fastast("tune", mine, "--data-dir", sounds, "--speedup", 1.2, *FEW)
    assert result.exit_code == 0, result.output
    assert "| tuned 1.2x |" in result.stdout
    assert "Merge ratio of each layer:" in result.stdout
    assert "Written: The schedule is in" in result.stderr
    after = json.loads((mine / "config.json").read_text())
    assert len(after["merge_ratio"]) == 2
    changed = {"merge_ratio": after["merge_ratio"], "tokens_merged_per_layer": None}
    assert before | changed == after | {"tokens_merged_per_layer": None}
    assert FastASTForAudioClassification.from_pretrained(mine).config.merge_ratio == after["merge_ratio"]


def test_a_count_gives_way_to_the_winner(fastast, mine, sounds):
    path = mine / "config.json"
    fields = json.loads(path.read_text()) | {"merge_ratio": 0.0, "tokens_merged_per_layer": 3}
    path.write_text(json.dumps(fields))
    assert fastast("tune", mine, "--data-dir", sounds, "--speedup", 1.2, *FEW).exit_code == 0
    assert "tokens_merged_per_layer" not in json.loads(path.read_text())


def test_an_ast_becomes_a_fastast_folder_of_its_own(fastast, ast_folder, sounds, tmp_path):
    results, picture, output = tmp_path / "tuning.json", tmp_path / "tuning.png", tmp_path / "tuned"
    result = fastast(
        *("tune", ast_folder, "--data-dir", sounds, "--speedup", 1.2, "--output", output, *FEW),
        *("--results", results, "--plot", picture, "--json"),
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert load_results(results) == found
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "Writing model shards" not in result.stderr
    config = AutoConfig.from_pretrained(output)
    chosen = next(row for row in found["tuning"]["rows"] if row["name"] == found["tuning"]["chosen"])
    assert config.merge_ratio == chosen["merging"]["merge_ratio"]
    assert fastast("classify", sounds / "0.wav", "--model", output, "--device", "cpu").exit_code == 0


def test_the_sounds_of_another_folder_judge(fastast, mine, sounds, tmp_path):
    others = tmp_path / "others"
    others.mkdir()
    shutil.copy(sounds / "0.wav", others / "copy.wav")
    result = fastast("tune", mine, "--data-dir", sounds, "--check-dir", others, "--speedup", 1.2, *FEW, "--json")
    tuning = json.loads(result.stdout)["tuning"]
    assert (tuning["num_clips_searched"], tuning["num_clips_checked"]) == (7, 1)


def test_sounds_that_would_judge_themselves_are_refused(fastast, mine, sounds, tmp_path):
    (tmp_path / "link.wav").symlink_to(sounds / "3.wav")
    result = fastast("tune", mine, "--data-dir", sounds, "--check-dir", tmp_path, "--speedup", 1.2, *FEW)
    assert result.exit_code == 1
    message = "`check_dir` must hold other sounds than `data_dir`, got 1 that are in both, such as 3.wav."
    assert message in result.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "`speedup` or `max_drop` must be given, and not both, got None and None"),
        (("--speedup", 2, "--max-drop", 1), "must be given, and not both, got 2.0 and 1.0"),
        (("--speedup", 2), "`output` must be given for what is no FastAST in a folder, got none for"),
    ],
)
def test_what_contradicts_itself_is_told_before_anything_is_loaded(
    fastast, ast_folder, sounds, options, message, monkeypatch
):
    monkeypatch.setattr(FastASTForAudioClassification, "from_pretrained", None)
    result = fastast("tune", ast_folder, "--data-dir", sounds, *options, *FEW)
    assert result.exit_code == 1
    assert message in result.stderr.replace("\n", " ")


def test_places_that_cannot_be_written_are_told_before_the_search(fastast, mine, sounds, tmp_path):
    (tmp_path / "file").write_text("")
    for options, message in (
        (("--output", tmp_path / "file"), "`output` must be a new or empty folder, got"),
        (("--output", mine), "`output` must be a new or empty folder, got"),
        (("--output", tmp_path / "file" / "new"), "`output` must be where a file can be written, got"),
        (("--results", tmp_path), "`results` must be a file, got the folder"),
        (("--plot", "picture.doc"), "A picture's name must end in .png, .pdf or .svg"),
        (("--plot", tmp_path / "file" / "picture.png"), "`plot` must be where a file can be written, got"),
    ):
        result = fastast("tune", mine, "--data-dir", sounds, "--speedup", 1.2, *options, *FEW)
        assert result.exit_code == 1
        assert message in result.stderr


def test_a_model_whose_folder_takes_no_file_is_told_before_it_is_loaded(fastast, mine, sounds, monkeypatch):
    def refuse(*, dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(
        "fastast_hf.experiment.files.tempfile.TemporaryFile", refuse
    )  # the superuser may write anywhere
    monkeypatch.setattr(FastASTForAudioClassification, "from_pretrained", None)
    result = fastast("tune", mine, "--data-dir", sounds, "--speedup", 1.2, *FEW)
    assert result.exit_code == 1
    message = f"`output` must be where a file can be written, got {mine / 'config.json'} (Permission denied: {mine})"
    assert message in result.stderr


@requires_full
def test_a_picture_that_fails_takes_no_schedule_with_it(fastast, mine, sounds, tmp_path):
    picture = full_file(tmp_path / "tuning.png")
    result = fastast("tune", mine, "--data-dir", sounds, "--speedup", 1.2, *FEW, "--plot", picture)
    assert result.exit_code == 1
    assert f"Error: No space left on device: {picture}" in result.stderr
    assert "| tuned 1.2x |" in result.stdout
    assert len(AutoConfig.from_pretrained(mine).merge_ratio) == 2
