"""The run's small files: never half written, and a folder belongs to one run."""

from pathlib import Path

import pytest

from fastast_hf.experiment import files
from fastast_hf.experiment.files import check_output_path, claim_folder, read_json, write_json


def test_json_comes_back(tmp_path):
    write_json(tmp_path / "new" / "a.json", {"Geräusch": [1, 2.5, None]})
    assert read_json(tmp_path / "new" / "a.json") == {"Geräusch": [1, 2.5, None]}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.json"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"new": object()})
    assert read_json(tmp_path / "a.json") == {"old": 1}


def test_a_write_that_fails_leaves_nothing_aside(tmp_path, monkeypatch):
    with pytest.raises(UnicodeEncodeError):
        write_json(tmp_path / "a.json", {"path": "\udcff"})
    assert list(tmp_path.iterdir()) == []

    def full(self, target):
        assert [path.name for path in tmp_path.iterdir()] == [self.name]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_json(tmp_path / "a.json", {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [check_output_path, lambda path: write_json(path, {})])
def test_a_folder_is_refused_by_the_name_that_was_given(tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    with pytest.raises(ValueError, match=r"`output` must be a file, got the folder results\. Give the name of a file"):
        write(Path("results"))
    assert list(tmp_path.iterdir()) == [tmp_path / "results"]


def test_a_place_to_write_is_found_before_the_work_and_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("old.json").write_text("old")
    for path in (Path("new.json"), Path("old.json"), tmp_path / "new" / "folder" / "new.json"):
        check_output_path(path)
    assert list(tmp_path.iterdir()) == [tmp_path / "old.json"]
    assert Path("old.json").read_text() == "old"


def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    message = r"`output` must be where a file can be written, got .*a\.json \(Not a directory: .*file\)\. Give another"
    with pytest.raises(NotADirectoryError, match=message):
        check_output_path(tmp_path / "file" / "new" / "a.json")

    def refuse(*, dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)  # the superuser may write anywhere
    with pytest.raises(PermissionError, match=r"got .*a\.json \(Permission denied: .*\)\. Give another place"):
        check_output_path(tmp_path / "new" / "a.json")


def test_the_same_run_goes_on_and_another_is_refused(tmp_path):
    claim_folder(tmp_path / "run", {"learning_rate": 0.1, "seed": 0})
    claim_folder(tmp_path / "run", {"learning_rate": 0.1, "seed": 0})
    with pytest.raises(
        ValueError, match=r"`output_dir` must be new or hold the same run, got .*learning_rate: 0.1 there"
    ):
        claim_folder(tmp_path / "run", {"learning_rate": 0.2, "seed": 0})
