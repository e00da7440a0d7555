"""A folder with a metadata file. What `load_audio_dataset` makes of its rows is in test_datasets.py."""

import gzip
import re
from pathlib import Path

import pyarrow as pa
import pytest
from datasets.exceptions import DatasetGenerationError

from fastast_hf.data.datasets import load_audio_dataset
from fastast_hf.data.metadata_limits import MAX_COLUMNS
from tests.data.conftest import write_folder

CSV_ADVICE = "Save it in UTF-8, with a row for each file below"


def write_metadata(folder, text):
    (folder / "metadata.csv").write_text(text)


def names(part):
    return [Path(sound["path"]).name for sound in part["audio"]]


def test_folder_whose_name_looks_like_a_pattern(tmp_path):
    folder = write_folder(tmp_path / "sounds [v2]*")
    assert names(load_audio_dataset(folder, eval_fold=3, cache_dir=tmp_path / "cache")["eval"]) == ["e.wav"]


def test_missing_folder_and_metadata(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`data_dir` must be an existing folder, got '.*nowhere'. Check"):
        load_audio_dataset(tmp_path / "nowhere", eval_fold=1)
    with pytest.raises(FileNotFoundError, match=r"`data_dir` must hold a metadata file, got .* Write a metadata.csv"):
        load_audio_dataset(tmp_path, eval_fold=1)


def test_metadata_without_file_names(load, folder):
    write_folder(folder, header="path,label,fold,split\n")
    with pytest.raises(
        ValueError, match=r"`file_name` must be a column of '?.*metadata.csv'?, got the columns \['path'"
    ):
        load(eval_fold=1)


def test_metadata_with_the_column_of_full_paths(load, folder):
    write_folder(folder, ["a.wav,dog,1,x", "b.wav,cat,2,y"], header="file_name,label,fold,_path\n")
    message = r"`_path` must be no column of '.*metadata.csv', got the columns \['file_name', .*'_path'\]\. Rename it"
    with pytest.raises(ValueError, match=message):
        load(eval_fold=1)


def test_metadata_without_rows(load, folder):
    write_folder(folder, rows=[])
    with pytest.raises(ValueError, match=r"`data_dir` must hold at least one clip, got .*metadata.csv' without rows"):
        load(eval_fold=1)


@pytest.mark.parametrize(
    ("name", "content", "reason", "advice"),
    [
        ("metadata.csv", b"", "No columns to parse", CSV_ADVICE),
        ("metadata.csv", bytes(range(128, 256)) * 9, "utf-8", CSV_ADVICE),
        ("metadata.csv", "file_name,label,fold\na.wav,\u00e9,1\n".encode("latin-1"), "utf-8", CSV_ADVICE),
        ("metadata.csv", b"file_name,label,fold\na.wav,x,1\nb.wav,y,2,3,4\n", "Error tokenizing", CSV_ADVICE),
        (
            "metadata.jsonl",
            b'{"file_name": "a.wav", "lab',
            "JSON parse error",
            "Save it in UTF-8, with one JSON object",
        ),
        ("metadata.parquet", b"PAR1", "Parquet", "Copy it again if it was cut short, or write it with"),
    ],
)
def test_metadata_that_cannot_be_read(load, folder, name, content, reason, advice):
    (folder / "metadata.csv").unlink()
    (folder / name).write_bytes(content)
    message = rf"`data_dir` must hold a metadata file that can be read, got '.*{name}' \(.*{reason}.*\)\. {advice}"
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        load(eval_fold=1)


def test_empty_metadata(load, folder):
    (folder / "metadata.csv").unlink()
    (folder / "metadata.jsonl").touch()
    with pytest.raises(
        ValueError, match=r"`data_dir` must hold at least one clip, got '.*metadata.jsonl' without rows"
    ):
        load(eval_fold=1)


def test_row_without_a_file_name(load, folder):
    write_metadata(folder, "file_name,label,fold\na.wav,dog,1\n,cat,2\n")
    with pytest.raises(
        ValueError, match=r"`file_name` must be set for every clip, got none in row 1 of '.*csv'. Fill"
    ):
        load(eval_fold=1)


def test_folder_in_place_of_a_clip(load, folder):
    write_metadata(folder, "file_name,label,fold\na.wav,dog,1\ntrain,cat,2\n")
    with pytest.raises(FileNotFoundError, match=r"`file_name` must name files in .*, got 1 of 2 .* first '.*train'"):
        load(eval_fold=1)


def test_missing_clip(load, folder):
    (folder / "b.wav").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"got 1 of 5 that do not exist, first '.*b.wav'. Copy .* metadata.csv"
    ):
        load(eval_fold=1)


@pytest.mark.parametrize("name", ["../sounds/a.wav", "train/../../outside.wav", "train/../a.wav", "{folder}/a.wav"])
def test_a_path_that_leaves_the_folder_is_refused(load, folder, name):
    (folder.parent / "outside.wav").write_bytes((folder / "a.wav").read_bytes())
    name = name.format(folder=folder)
    write_metadata(folder, f"file_name,label,fold\nb.wav,cat,1\n{name},dog,2\n")
    message = (
        rf"`file_name` must stay in the data folder, got '{re.escape(name)}' in row 1 of .*metadata\.csv'\. Write"
    )
    with pytest.raises(ValueError, match=message):
        load(eval_fold=1)


def test_a_link_in_the_folder_is_followed(load, folder):
    outside = folder.parent / "outside.wav"
    (folder / "a.wav").rename(outside)
    (folder / "a.wav").symlink_to(outside)  # as the Hub's cache has them
    assert names(load(eval_fold=2)["train"]) == ["a.wav", "b.wav", "e.wav"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "metadata.csv",
            gzip.compress(b"file_name,label,fold\na.wav,dog,1\nb.wav,cat,2\n", mtime=0),
            "it is packed with gzip",
        ),
        ("metadata.csv", b"file_name,label,fold\na.wav,dog\0,1\nb.wav,cat,2\n", "line 2 has a NUL byte"),
        ("metadata.jsonl", b'{"label": ' + 5_000 * b"[" + 5_000 * b"]" + b"}", "line 1 is nested more than 16 deep"),
        ("metadata.parquet", gzip.compress(b"", mtime=0), "it does not begin as Parquet does, with PAR1"),
    ],
)
def test_a_file_that_is_refused_before_a_reader_gets_it(load, folder, name, content, reason):
    (folder / "metadata.csv").unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"`data_dir` must hold a metadata file that can be read.* \({reason}"):
        load(eval_fold=1)


def test_a_disk_that_fails_is_not_the_file_s_fault(load, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fastast_hf.data.metadata.load_or_reload", fail)
    with pytest.raises(OSError, match="No space left on device"):
        load(eval_fold=1)


@pytest.mark.parametrize("error", [MemoryError(), pa.ArrowMemoryError("malloc failed")])
@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_file_that_the_memory_does_not_hold_is_told_in_words(load, monkeypatch, error, is_wrapped):
    def fail(*_, **__):
        if is_wrapped:
            raise DatasetGenerationError("An error occurred") from error
        raise error

    monkeypatch.setattr("fastast_hf.data.metadata.load_or_reload", fail)
    with pytest.raises(
        ValueError, match=rf"got '.*csv' \(too little memory: {error}\)\. Leave out what is no file name"
    ):
        load(eval_fold=1)


def test_a_file_that_pyarrow_does_not_know_is_told_in_words(load, monkeypatch):
    def fail(*_):
        raise pa.ArrowNotImplementedError("Integers with less than 8 bits not implemented")

    monkeypatch.setattr("fastast_hf.data.metadata.check_metadata", fail)
    with pytest.raises(ValueError, match=r"got '.*csv' \(Integers with less than 8 bits not implemented\)\. Save it"):
        load(eval_fold=1)


def test_a_file_that_is_too_much_is_told_what_to_leave_out(load, folder):
    with (folder / "metadata.csv").open("a") as file:
        file.write("," * MAX_COLUMNS)
    with pytest.raises(ValueError, match=rf"4097 columns, more than {MAX_COLUMNS}\)\. Leave out what is no file name"):
        load(eval_fold=1)


def test_a_reader_that_ends_its_stack_is_told_in_words(load, folder, monkeypatch):
    monkeypatch.setattr("fastast_hf.data.metadata.check_metadata", lambda *_: None)  # which lets no such file through
    (folder / "metadata.csv").unlink()
    (folder / "metadata.jsonl").write_text('{"label": ' + 1_000 * "[" + 1_000 * "]" + "}\n")
    with pytest.raises(ValueError, match=r"`data_dir` must hold a metadata file that can be read.* \(.*recursion"):
        load(eval_fold=1)
