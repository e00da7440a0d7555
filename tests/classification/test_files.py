"""What is found in a folder."""

import os
from pathlib import Path

import pytest

from fastast_hf.classification import find_sound_files


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b.wav",
        "a.FLAC",
        "a/z.ogg",
        "a/notes.txt",
        ".hidden.wav",
        ".git/x.wav",
        "c/d/e.mp3",
        "none/read.me",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "c" / "again").symlink_to(tmp_path, target_is_directory=True)
    return tmp_path


def test_a_folder_with_all_below_it_in_order(folder):
    found = [path.relative_to(folder).as_posix() for path in find_sound_files(folder)]
    assert found == ["a/z.ogg", "a.FLAC", "b.wav", "c/d/e.mp3"]


def test_a_named_file_may_have_any_name_and_need_not_exist(folder):
    names = [folder / "a" / "notes.txt", "not/there.wav", folder / "c"]
    assert list(find_sound_files(names)) == [names[0], Path("not/there.wav"), folder / "c" / "d" / "e.mp3"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_what_may_never_end_is_left_out_and_what_is_gone_is_not(tmp_path):
    """Whoever searches a folder does not mean a pipe that nobody writes into."""
    os.mkfifo(tmp_path / "pipe.wav")
    for name, target in (("zeros.wav", os.devnull), ("gone.wav", "nothing"), ("loop.wav", "loop.wav")):
        (tmp_path / name).symlink_to(target)
    assert [path.name for path in find_sound_files(tmp_path)] == ["gone.wav", "loop.wav"]
    assert list(find_sound_files(tmp_path / "pipe.wav")) == [tmp_path / "pipe.wav"]


def test_a_name_that_the_system_refuses_comes_as_it_is(tmp_path):
    """Whoever opens it is told why."""
    too_long = Path("x" * 300 + ".wav")
    (tmp_path / "link.wav").symlink_to(too_long)
    (tmp_path / "sound.wav").touch()
    assert list(find_sound_files([too_long, tmp_path])) == [too_long, tmp_path / "link.wav", tmp_path / "sound.wav"]


def test_a_place_where_nobody_may_look_comes_as_it_is(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuse)  # the superuser may look anywhere
    assert list(find_sound_files(tmp_path / "locked" / "a.wav")) == [tmp_path / "locked" / "a.wav"]


def test_one_path_is_not_a_list_of_letters():
    assert list(find_sound_files("a.wav")) == [Path("a.wav")]


def test_a_folder_without_sounds_comes_as_itself(folder):
    assert list(find_sound_files([folder / "none"])) == [folder / "none"]


def test_a_folder_that_cannot_be_listed_comes_as_itself(folder, monkeypatch):
    listed = Path.iterdir

    def iterdir(path):
        if path.name == "a":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert next(find_sound_files(folder)) == folder / "a"
