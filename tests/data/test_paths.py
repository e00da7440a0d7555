"""Tables that name files instead of bringing sounds. The paths of a folder's metadata are in test_datasets.py."""

import re

import pytest
from datasets import Audio, Dataset, Features, Value

from fastast_hf.data.paths import check_brought

NAME = "you/sounds"


def part_of(*sounds):
    rows = {"audio": [dict(zip(("bytes", "path"), sound, strict=True)) for sound in sounds]}
    features = Features({"audio": {"bytes": Value("binary"), "path": Value("string")}})
    return Dataset.from_dict(rows, features).cast_column("audio", Audio(decode=False))


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """Where the sounds of a data set on the Hub are put."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub" / "datasets--you--sounds" / "snapshots" / "0"


def test_sounds_that_are_brought_may_have_any_name(downloads):
    check_brought(part_of((b"RIFF", "/somewhere/a.wav"), (b"RIFF", "../b.wav"), (b"RIFF", None), (None, None)), NAME)


def test_files_of_what_was_downloaded_are_taken(downloads, tmp_path):
    unpacked = tmp_path / "cache" / "downloads" / "extracted" / "0"
    check_brought(
        part_of((None, f"{downloads}/a.wav"), (None, f"{unpacked}/b.wav")), NAME, cache_dir=tmp_path / "cache"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/somewhere/secret.wav",
        "secret.wav",
        "../secret.wav",
        "~/secret.wav",
        "file:///somewhere/secret.wav",
        "{downloads}/../../../secret.wav",
        "{downloads}/../../../datasets--you--others/a.wav",
    ],
)
def test_a_file_of_this_machine_is_refused(path, downloads):
    path = path.format(downloads=downloads)
    message = (
        rf"`dataset_name` must be a data set that brings its sounds, got 'you/sounds', which names the file '{re.escape(path)}' "
        r"of this machine in row 1\. Do not use it"
    )
    with pytest.raises(ValueError, match=message):
        check_brought(part_of((b"RIFF", path), (None, path)), NAME)
