"""The run's small files: never half written, and a folder belongs to one run."""

import os
from pathlib import Path

import pytest

from fastast_hf.experiment import files
from fastast_hf.experiment.files import (
    check_output_path,
    claim_folder,
    read_json,
    telling_what_stays,
    write_bytes,
    write_json,
)
from tests.conftest import full_file, requires_full


def test_json_comes_back(tmp_path):
    write_json(tmp_path / "new" / "a.json", {"Geräusch": [1, 2.5, None]})
    assert read_json(tmp_path / "new" / "a.json") == {"Geräusch": [1, 2.5, None]}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.json"]


def test_bytes_come_back(tmp_path):
    write_bytes(tmp_path / "README.md", b"a\r\n\xff")
    assert (tmp_path / "README.md").read_bytes() == b"a\r\n\xff"


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


@requires_full
def test_a_full_disk_names_the_file_that_was_asked_for(tmp_path):
    full_file(tmp_path / f"_a.json.{os.getpid()}")
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_json(tmp_path / "a.json", {"a": 1})
    assert caught.value.filename == str(tmp_path / "a.json")
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


def test_a_file_that_is_opened_itself_needs_no_folder_that_takes_another(tmp_path, monkeypatch):
    def refuse(*, dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)
    (tmp_path / "a.csv").write_text("old")
    check_output_path(tmp_path / "a.csv", in_place=True)
    assert (tmp_path / "a.csv").read_text() == "old"
    with pytest.raises(PermissionError, match=r"got .*a\.csv"):
        check_output_path(tmp_path / "a.csv")
    with pytest.raises(PermissionError, match=r"got .*b\.csv"):
        check_output_path(tmp_path / "b.csv", in_place=True)
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)  # the superuser may write into any
    message = (
        r"`output` must be where a file can be written, got .*a\.csv \(Permission denied: .*a\.csv\)\. Give another"
    )
    with pytest.raises(PermissionError, match=message):
        check_output_path(tmp_path / "a.csv", in_place=True)


@pytest.mark.parametrize("in_place", [False, True])
def test_a_name_that_is_too_long_is_refused_before_the_work(tmp_path, in_place):
    with pytest.raises(OSError, match=r"`output` must be where a file can be written, got .* \(File name too long: "):
        check_output_path(tmp_path / f"{'a' * 300}.png", in_place=in_place)


def test_a_place_where_nobody_may_look_is_refused_before_the_work(tmp_path, monkeypatch):
    real = files.Path.exists

    def closed(self):
        if self.parent == tmp_path:
            raise PermissionError(13, "Permission denied", str(self))
        return real(self)

    def refuse(*, dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(files.Path, "exists", closed)  # the superuser may look anywhere
    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)
    with pytest.raises(PermissionError, match=r"`output` must be where a file can be written, got .*\. Give another"):
        check_output_path(tmp_path / "a.png", in_place=True)


def test_a_place_is_refused_by_the_name_of_its_option(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"`plot` must be where a file can be written, got .*a\.png"):
        check_output_path(tmp_path / "file" / "a.png", option="plot")
    with pytest.raises(ValueError, match=r"`plot` must be a file, got the folder"):
        check_output_path(tmp_path, option="plot")


def test_the_same_run_goes_on_and_another_is_refused(tmp_path):
    claim_folder(tmp_path / "run", {"learning_rate": 0.1, "seed": 0})
    claim_folder(tmp_path / "run", {"learning_rate": 0.1, "seed": 0})
    with pytest.raises(
        ValueError, match=r"`output_dir` must be new or hold the same run, got .*learning_rate: 0.1 there"
    ):
        claim_folder(tmp_path / "run", {"learning_rate": 0.2, "seed": 0})


@pytest.mark.parametrize("half", ["", '{"seed": 4', "\x00\x00"])
def test_settings_that_cannot_be_read_are_told(tmp_path, half):
    claim_folder(tmp_path, {"seed": 42})
    (tmp_path / "_settings.json").write_text(half)
    message = (
        r"`output_dir` must be new or hold the same run, got .*, whose _settings\.json cannot be read\. If it is this very "
        r"run, remove that file and start again; else choose another folder"
    )
    with pytest.raises(ValueError, match=message):
        claim_folder(tmp_path, {"seed": 42})


def test_an_error_of_the_system_is_told_with_what_stays(tmp_path):
    with pytest.raises(OSError, match="No space left") as caught, telling_what_stays(tmp_path / "run"):
        raise OSError(28, "No space left on device")
    (note,) = caught.value.__notes__
    assert note.startswith(
        f"The run in {tmp_path / 'run'} stopped, and what was saved before is still there. Mend what"
    )
    assert list(tmp_path.iterdir()) == []


def test_why_a_folder_takes_no_file_is_told(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", full)
    with pytest.raises(RuntimeError) as caught, telling_what_stays(tmp_path):
        raise RuntimeError("unexpected pos 64 vs 0")  # torch's words for it
    assert f"because {tmp_path} cannot be written (No space left on device)" in caught.value.__notes__[0]


def test_an_error_with_words_of_its_own_gets_no_others(tmp_path):
    with pytest.raises(ValueError, match="mine") as caught, telling_what_stays(tmp_path):
        raise ValueError("mine")
    assert not hasattr(caught.value, "__notes__")
    told = ConnectionError("no Hub")
    told.add_note("nothing is lost")
    with pytest.raises(ConnectionError) as caught, telling_what_stays(tmp_path):
        raise told
    assert caught.value.__notes__ == ["nothing is lost"]
