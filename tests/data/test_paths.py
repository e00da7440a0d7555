"""Tables that name files instead of bringing sounds. The paths of a folder's metadata are in test_datasets.py."""

import re
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from datasets import Audio, Dataset, Features, Image, Value

from fastast_hf.data.paths import check_brought, check_card
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
try:
    load_audio_dataset(dataset_name="you/pictures")
except ValueError as error:
    print(error)
"""


def write_as_it_is(dataset, path):
    """Write Parquet as `Dataset.to_parquet` does not: it would bring the pictures."""
    path.parent.mkdir(exist_ok=True)
    pq.write_table(dataset.data.table.cast(dataset.features.arrow_schema), path)


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
        pictures = part_of((data, "a.wav")).add_column("label", [{"bytes": None, "path": str(secret)}])
        pictures = pictures.cast_column("label", Image())
        for part in ("train", "test"):
            write_as_it_is(pictures, tmp_path / "pictures" / f"{part}-00000-of-00001.parquet")
        hub.publish(tmp_path / "pictures", "you/pictures", "dataset")
        environment = hub.environment(tmp_path / "home")
        run = subprocess.run(
            [sys.executable, "-c", DOORS], env=environment, capture_output=True, text=True, check=False
        )
    assert run.returncode == 0, run.stderr
    parts, count, *refused = run.stdout.splitlines()
    assert (parts, count) == ("{'train': 2, 'eval': 2}", "2")
    words = f"`dataset_name` must be a data set that brings its sounds, got 'you/evil', which names the file '{secret}' of this"
    assert len(refused) == 3
    assert all(line.startswith(words) for line in refused[:2])
    assert refused[2].startswith(
        "`label` must hold strings, numbers, classes or lists of them in the data set, got the type Image."
    )


# Cards of data sets on disk


def write_card(folder, path, name="README.md", key="data_files"):
    text = f"configs:\n- config_name: default\n  {key}: {path}\n"
    (folder / name).write_text(f"---\n{text}---\nA set.\n" if name == "README.md" else text)


@pytest.mark.parametrize("name", ["README.md", ".huggingface.yaml"])
@pytest.mark.parametrize(
    "path",
    [
        "/somewhere/secret.txt",
        "../secret.txt",
        "sounds/../../secret.txt",
        "file:///somewhere/secret.txt",
        "file:secret.txt",
        "http://127.0.0.1:9/secret.txt",
        "hf://datasets/you/sounds/a.csv",
        "zip://a.csv::/somewhere/secret.zip",
        "data/secret.zip::a.csv",
        "[a.csv, /somewhere/secret.txt]",
        "[{split: train, path: a.csv}, {split: test, path: [b.csv, /somewhere/secret.txt]}]",
        "{train: a.csv, test: [/somewhere/secret.txt]}",
    ],
)
def test_a_card_that_takes_its_data_from_elsewhere(tmp_path, path, name):
    write_card(tmp_path, path, name)
    message = r"`dataset_name` must be a folder with the data in it, got '.*(secret|sounds).*' in '.*(README.md|yaml)'\. Write"
    with pytest.raises(ValueError, match=message):
        check_card(tmp_path)


def test_a_configuration_in_another_folder(tmp_path):
    write_card(tmp_path, "/somewhere", key="data_dir")
    with pytest.raises(ValueError, match=r"`dataset_name` must be a folder with the data in it, got '/somewhere' in"):
        check_card(tmp_path)


@pytest.mark.parametrize(
    "path", ["a.csv", "data/train-*", "'**/*.parquet'", "[{split: train, path: 'a/b*.csv'}]", "null"]
)
def test_a_card_with_the_data_beside_it(tmp_path, path):
    check_card(tmp_path)
    (tmp_path / "README.md").write_text("No settings.")
    check_card(tmp_path)
    write_card(tmp_path, path)
    (tmp_path / ".huggingface.yaml").touch()
    check_card(tmp_path)


SAME_LISTS = "".join(f"x{i + 1}: &x{i + 1} [{', '.join(9 * [f'*x{i}'])}]\n" for i in range(20))


@pytest.mark.parametrize("text", ["configs: 5", "configs: [5]", "configs: [", "- a", "configs: " + 400 * "["])
def test_a_card_that_cannot_be_read(tmp_path, text):
    (tmp_path / ".huggingface.yaml").write_text(text)
    message = r"`dataset_name` must be a data set whose configurations can be read, got those of '.*yaml' \(.*Mend or"
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        check_card(tmp_path)


def test_a_card_whose_lists_are_in_many_others_is_read_once(tmp_path):
    (tmp_path / ".huggingface.yaml").write_text(
        f"x0: &x0 [/secret]\n{SAME_LISTS}configs:\n- data_files: [*x20]\n  config_name: a\n"
    )
    with pytest.raises(ValueError, match=r"got '/secret' in"):
        check_card(tmp_path)
