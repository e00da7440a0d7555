"""The sounds of an archive: by folder, by list and by data set, the same ones in the same order."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from datasets import Audio, Dataset
from safetensors.torch import save_file

from fastast_hf.classification.archive_sounds import DatasetSounds, ListedSounds, digest_of_names, open_archive


@pytest.fixture
def folder(tmp_path):
    """Three sounds, and what is none."""
    for number, name in enumerate(("b.wav", "a.wav", "deep/c.flac")):
        (tmp_path / "sounds" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "sounds" / name, np.full(800, number / 10), 16_000)
    (tmp_path / "sounds" / "notes.txt").write_text("none")
    return tmp_path / "sounds"


def test_a_folder_comes_in_the_order_of_names(folder):
    found = open_archive(folder)
    assert [Path(name).name for name in found.names()] == ["a.wav", "b.wav", "c.flac"]
    with found.opened(range(1, 3)) as (paths, names):
        assert [Path(path).name for path in paths] == ["b.wav", "c.flac"]
        assert names == {}


def test_a_list_comes_as_it_is_as_often_as_it_is_there(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    (tmp_path / "list").write_bytes(b"b.wav\r\n\n./a.wav\nb.wav\ndeep\n\xff.wav\n gone.wav")
    found = open_archive(tmp_path / "list")
    assert list(found.names()) == ["b.wav", "a.wav", "b.wav", "deep/c.flac", "\udcff.wav", " gone.wav"]
    assert len(found) == 6


def test_one_sound(folder):
    assert list(open_archive(folder / "a.wav").names()) == [str(folder / "a.wav")]


def test_digests_tell_other_names_and_another_order():
    lists = [["a.wav", "b.wav"], ["b.wav", "a.wav"], ["a.wav"], ["a.wav", "b.wav", "b.wav"], ["a.wavb.wav"]]
    digests = {digest_of_names(ListedSounds(names)) for names in lists}
    assert len(digests) == len(lists)
    assert digest_of_names(ListedSounds(lists[0])) in digests
    assert len(digest_of_names(ListedSounds(["\udcff.wav"]))) == 16


@pytest.fixture
def embedded(folder, tmp_path):
    """A data set on disk that holds bytes, one path alone, and nothing at all."""
    rows = [
        {"bytes": (folder / "a.wav").read_bytes(), "path": "../x/one.WAV"},
        {"bytes": (folder / "b.wav").read_bytes(), "path": None},
        {"bytes": None, "path": str(folder / "b.wav")},
        None,
    ]
    dataset = Dataset.from_dict({"sound": rows, "label": [0] * 4}).cast_column("sound", Audio(decode=False))
    (tmp_path / "data").mkdir()
    dataset.to_parquet(tmp_path / "data" / "train.parquet")
    return tmp_path / "data"


def test_the_sounds_of_a_data_set_become_files_for_a_while(embedded, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    found = open_archive(dataset_name=str(embedded), audio_column_name="sound")
    names = ["../x/one.WAV", "row 1", str(folder / "b.wav"), "row 3"]
    assert list(found.names()) == names
    with found.opened(range(4)) as (paths, names_of):
        paths = list(map(Path, paths))
        assert [names_of.get(str(path), str(path)) for path in paths] == names
        assert paths[0].suffix == ".wav"
        assert [path.is_file() for path in paths] == [True, True, True, False]
        assert paths[0].read_bytes() == (folder / "a.wav").read_bytes()
        assert paths[2] == folder / "b.wav"
    assert [path.is_file() for path in paths] == [False, False, True, False]
    with found.opened(range(2, 3)) as (paths, _):
        assert list(paths) == [str(folder / "b.wav")]


def test_a_column_that_is_not_there_is_told():
    with pytest.raises(
        ValueError, match=r"`audio_column_name` must be a column .*, got 'audio' of \['sound'\]\. Name"
    ):
        DatasetSounds(Dataset.from_dict({"sound": [None]}))


@pytest.mark.parametrize("arguments", [{}, {"sounds": "a", "dataset_name": "b"}])
def test_one_source_must_be_given(arguments):
    with pytest.raises(
        ValueError, match=r"Exactly one of `sounds` and `dataset_name` must be given, got .* Give a folder"
    ):
        open_archive(**arguments)


def test_an_archive_without_sounds_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list").write_text("\n\n")
    for nothing in ("empty", "list"):
        with pytest.raises(ValueError, match=r"`sounds` must have at least one sound, got none in .* Give a folder"):
            open_archive(tmp_path / nothing)
    with pytest.raises(FileNotFoundError, match=r"got .*gone, which is not there\. Look for the right path"):
        open_archive(tmp_path / "gone")


@pytest.mark.parametrize("long", ["", "long " * 3000], ids=["short", "long"])
def test_a_text_that_names_nothing_is_no_list(folder, tmp_path, monkeypatch, long):
    monkeypatch.chdir(folder)
    (tmp_path / "README.md").write_text(f"\n# About these sounds{long}\n\nThey were recorded in spring.\n")
    message = (
        r"`sounds` must be a folder, a sound file, or a text file with a path a line, got .*README\.md, of whose lines none is a "
        rf"path that is there; the first one is '# About these sounds{'.{60}[.]{3}' if long else ''}'\. Look from which folder"
    )
    with pytest.raises(ValueError, match=message):
        open_archive(tmp_path / "README.md")
    with (tmp_path / "README.md").open("a") as file:
        file.write("a.wav")
    assert len(open_archive(tmp_path / "README.md")) == 3


def test_what_is_no_text_is_no_list(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "model.safetensors")
    (tmp_path / "list").write_text("a.wav\nb.wav\n", encoding="utf-16")
    message = r"`sounds` must be a folder, a sound file, or a text file with a path a line, got .*{}, which has bytes that no"
    for name in ("model.safetensors", "list"):
        with pytest.raises(ValueError, match=message.format(name)):
            open_archive(tmp_path / name)


def test_a_data_set_on_disk_cannot_take_data_from_elsewhere(tmp_path):
    (tmp_path / "README.md").write_text("---\nconfigs:\n- config_name: default\n  data_files: /etc/passwd\n---\n")
    with pytest.raises(ValueError, match="/etc/passwd"):
        open_archive(dataset_name=str(tmp_path))
