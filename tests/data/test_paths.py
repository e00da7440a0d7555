"""Tables that name files instead of bringing sounds. The paths of a folder's metadata are in test_datasets.py."""

import re
import subprocess
import sys

import pytest
from datasets import Audio, Dataset, Features, Value

from fastast_hf.data.paths import check_brought
from tests.data.sounds import encode, tone
from tests.loopback_hub import LoopbackHub

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


DOORS = """
import sys
from fastast_hf.classification.archive_sounds import open_archive
from fastast_hf.data import load_audio_dataset

print({name: len(part) for name, part in load_audio_dataset(dataset_name="you/sounds").items()})
print(len(open_archive(dataset_name="you/sounds")))
for door in (load_audio_dataset, open_archive):
    try:
        door(dataset_name="you/evil")
    except ValueError as error:
        print(error)
"""


def test_no_door_opens_what_a_table_on_the_hub_names(tmp_path):
    """By the real client, which asks a Hub on this machine."""
    secret = tmp_path / "secret.wav"
    data = encode(tone(440, 16_000))
    secret.write_bytes(data)
    with LoopbackHub() as hub:
        for name, sound in {"sounds": (data, "a.wav"), "evil": (None, str(secret))}.items():
            for part in ("train", "test"):
                rows = part_of(sound, sound).add_column("label", ["dog", "owl"])
                rows.to_parquet(tmp_path / name / f"{part}-00000-of-00001.parquet")
            hub.publish(tmp_path / name, f"you/{name}", "dataset")
        environment = hub.environment(tmp_path / "home")
        run = subprocess.run(
            [sys.executable, "-c", DOORS], env=environment, capture_output=True, text=True, check=False
        )
    assert run.returncode == 0, run.stderr
    parts, count, *refused = run.stdout.splitlines()
    assert (parts, count) == ("{'train': 2, 'eval': 2}", "2")
    words = f"`dataset_name` must be a data set that brings its sounds, got 'you/evil', which names the file '{secret}' of this"
    assert len(refused) == 2
    assert all(line.startswith(words) for line in refused)
