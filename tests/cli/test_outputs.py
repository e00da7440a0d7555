"""Places to write that take nothing, of every command: refused before a model is opened, as the value of their option."""

import os
import re
from pathlib import Path
from typing import get_type_hints

import pytest

from fastast_hf.classification import loading
from fastast_hf.cli.app import app
from fastast_hf.experiment import converting, files
from fastast_hf.hub import checkpoints

FILES = {
    "benchmark --output": (("benchmark", "model", "-o"), "--output", "results.json"),
    "classify --output": (("classify", "sounds", "--model", "model", "-o"), "--output", "labels.csv"),
    "export OUTPUT": (("export", "model"), "OUTPUT", "model.onnx"),
    "tune --results": (("tune", "model", "--data-dir", "sounds", "--speedup", 2, "--results"), "--results", "a.json"),
}
PICTURES = {
    "benchmark --plot": (("benchmark", "model", "--plot"), "--plot", "speed.png"),
    "trace --output": (("trace", "a.wav", "--model", "model", "-o"), "--output", "map.png"),
    "tune --plot": (("tune", "model", "--data-dir", "sounds", "--speedup", 2, "--plot"), "--plot", "tuning.png"),
}
FOLDERS = {
    "convert OUTPUT": (("convert", "model"), "OUTPUT", "fast"),
    "tune --output": (("tune", "model", "--data-dir", "sounds", "--speedup", 2, "--output"), "--output", "tuned"),
}
ALL = FILES | PICTURES | FOLDERS


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder with what the commands name, and no model that could be opened."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sounds").mkdir()
    (tmp_path / "file").touch()
    for module, name in (
        (loading, "load_classifier"),
        (converting, "checkpoint_config"),
        (checkpoints, "checkpoint_config"),
    ):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("it came too late"))
    return tmp_path


def refused(fastast, command, option, path):
    """Run a command that must refuse; give its message in one line, and what is there behind it."""
    before = sorted(Path().rglob("*"))
    result = fastast(*command, path)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert sorted(Path().rglob("*")) == before, "nothing is made"
    words = " ".join(result.stderr.replace("│", " ").split())
    assert re.search(f"Invalid value for '?{option}'?: ", words)
    return words.replace(f"'{option}'", option).split(f"Invalid value for {option}: ")[1]


def test_every_option_that_says_where_to_write_is_among_them():
    """Those whose value is a path, but for what is read and for `card`, which opens no model."""
    read = {"data_dir", "check_dir", "file", "files"}
    paths = {
        (command.callback.__name__, name)
        for command in app.registered_commands
        for name, kind in get_type_hints(command.callback).items()
        if kind in (Path, Path | None) and name not in read and command.callback.__name__ != "card"
    }
    assert paths == {tuple(name.lower().replace("--", "").split()) for name in ALL}


@pytest.mark.parametrize("name", ALL)
def test_a_place_below_a_file_is_refused(fastast, name):
    command, option, path = ALL[name]
    assert refused(fastast, command, option, f"file/new/{path}").startswith(
        "must be where a file can be written, got "
    )


@pytest.mark.parametrize("name", ALL)
def test_a_folder_that_takes_no_file_is_refused(fastast, name, monkeypatch):
    def refuse(*, dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)  # the superuser may write anywhere
    command, option, path = ALL[name]
    for place in (path, f"new/{path}"):
        words = refused(fastast, command, option, place)
        assert words.startswith("must be where a file can be written, got ")
        assert "(Permission denied: " in words


@pytest.mark.parametrize("name", FILES | PICTURES)
def test_a_folder_in_place_of_a_file_is_refused(fastast, name):
    command, option, path = (FILES | PICTURES)[name]
    Path(path).mkdir()
    assert f"must be a file, got the folder {path}. Give the name of a file" in refused(fastast, command, option, path)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("path", ["map.txt", "map", "new/map.json"])
def test_a_picture_is_refused_whose_name_is_that_of_none(fastast, name, path):
    command, option, _ = PICTURES[name]
    words = refused(fastast, command, option, path)
    assert words.startswith(f"A picture's name must end in .png, .pdf or .svg, or as another format that matplotlib writes, got {Path(path).name}. Name it map.png.")  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_in_which_something_is_or_a_file_is_refused(fastast, name):
    command, option, _ = FOLDERS[name]
    Path("full").mkdir()
    Path("full", "config.json").touch()
    for path in ("file", "full"):
        assert f"must be a new or empty folder, got {path}, where something is. Name another" in refused(
            fastast, command, option, path
        )


@pytest.mark.parametrize("name", ["classify --output", "trace --output"])
def test_a_file_that_may_not_be_written_is_refused(fastast, name, monkeypatch):
    command, option, path = ALL[name]
    Path(path).write_text("old")
    monkeypatch.setattr(files.os, "access", lambda _, mode: mode != os.W_OK)  # the superuser may write into any
    assert f"got {path} (Permission denied: {path})" in refused(fastast, command, option, path)
    assert Path(path).read_text() == "old"


def test_a_name_that_a_terminal_would_obey_is_told_as_escapes(fastast):
    words = refused(fastast, *PICTURES["trace --output"][:2], "\x1b[2J[red]map.txt")
    assert r"got \x1b[2J[red]map.txt." in words


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="/dev/stdout is not there")  # noqa: PTH110
def test_a_device_that_is_opened_itself_is_a_place_though_its_folder_takes_no_file(monkeypatch):
    def refuse(*, dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)
    files.check_output_path(Path("/dev/null"), in_place=True)


@pytest.mark.parametrize("name", ["classify --output", "trace --output"])
def test_a_new_folder_is_a_place(fastast, name, monkeypatch):
    def opened(*_, **__):
        raise ValueError("opened")

    command, _, path = ALL[name]
    monkeypatch.setattr(f"fastast_hf.cli.{command[0]}.open_classifier", opened)
    result = fastast(*command, f"new/folder/{path}")
    assert (result.exit_code, result.stderr) == (1, "Error: opened\n")
    assert not Path("new").exists()
