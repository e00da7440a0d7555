"""Shards: what was written comes back, half a shard is none, and other settings are refused."""

import os
import socket

import datasets
import pytest

from fastast_hf.classification import Classification, LabelScore, shards
from fastast_hf.classification.shards import Shards, count_truncated, unreadable_files
from tests.conftest import full_file, requires_full

RESULTS = [
    Classification("a.wav", 0.0, 5.0, (LabelScore("dog", 0.75), LabelScore("rain", 0.25)), is_truncated=True),
    Classification("\udcff.wav", 0.0, 0.0, (), error="broken \udcff.wav"),
    Classification("Geräusch.wav", 1.5, 2.0, (LabelScore("rain", 0.5),)),
]
SETTINGS = {"model": "mine", "window": None, "merge_ratio": 0.25}


def make(folder, settings=SETTINGS, num_files=5, shard_size=2):
    return Shards(folder, settings, num_files=num_files, shard_size=shard_size)


@pytest.mark.parametrize(("num_files", "shard_size"), [(1, 1), (5, 2), (6, 2), (3, 10), (0, 1)])
def test_each_file_is_in_one_shard_and_in_order(tmp_path, num_files, shard_size):
    found = make(tmp_path, num_files=num_files, shard_size=shard_size)
    parts = [list(found.files_of(number)) for number in range(len(found))]
    assert [file for part in parts for file in part] == list(range(num_files))
    assert all(1 <= len(part) <= shard_size for part in parts)


def test_results_come_back(tmp_path):
    made = make(tmp_path / "new" / "labels")
    made.write(2, RESULTS[2:])
    made.write(0, RESULTS[:2])
    assert [path.name for path in sorted(made.folder.iterdir())] == [
        *("shard-00000-of-00003.parquet", "shard-00002-of-00003.parquet")
    ]
    cache = str(tmp_path / "cache")
    rows = datasets.load_dataset("parquet", data_files=str(made.folder / "*.parquet"), split="train", cache_dir=cache)
    assert rows["path"][:] == ["a.wav", r"\xff.wav", "Geräusch.wav"]
    assert rows["labels"][:] == [["dog", "rain"], [], ["rain"]]
    assert rows["scores"][:] == [[0.75, 0.25], [], [0.5]]
    assert rows["start"][:] == [0.0, 0.0, 1.5]
    assert rows["end"][:] == [5.0, 0.0, 2.0]
    assert rows["error"][:] == [None, r"broken \xff.wav", None]
    assert list(unreadable_files(made.folder)) == [(r"\xff.wav", r"broken \xff.wav")]
    assert count_truncated(made.folder) == 1


def test_what_is_finished_is_seen_by_others(tmp_path):
    first, second = make(tmp_path), make(tmp_path)
    assert second.finished() == set()
    first.write(2, RESULTS)
    first.write(0, RESULTS)
    assert second.num_files_finished == 0
    assert second.finished() == {0, 2}
    assert second.num_files_finished == first.num_files_finished == 3, "the last shard has one file"


def test_half_a_shard_is_none(tmp_path):
    made = make(tmp_path)
    made.write(0, RESULTS)
    whole = made.path(0).read_bytes()
    for size in (0, 3, len(whole) // 2, len(whole) - 1):
        made.path(0).write_bytes(whole[:size])
        assert make(tmp_path).finished() == set()
        make(tmp_path).check_folder()


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    made = make(tmp_path)

    def full(table, path, **options):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shards.pq, "write_table", full)
        with pytest.raises(OSError, match="No space left"):
            made.write(0, RESULTS)
    assert made.finished() == set()
    assert list(tmp_path.iterdir()) == []
    made.write(0, RESULTS)
    assert list(tmp_path.iterdir()) == [made.path(0)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"merge_ratio": 0.3},
            r"differs in merge_ratio \(merge_ratio: 0\.25 there, 0\.3 now\)\. Choose another folder",
        ),
        ({"top_k": 1, "window": 2.0}, r"differs in window, top_k \(window: None there, 2\.0 now\)"),
        ({"new": 1}, r"differs in new \(new: None there, 1 now\)"),
    ],
)
def test_another_run_is_refused_by_the_name_of_the_setting(tmp_path, settings, words):
    make(tmp_path).write(0, RESULTS)
    with pytest.raises(ValueError, match=rf"`output_dir` must be new or hold the same run, got .*{words}"):
        make(tmp_path, SETTINGS | settings, num_files=9).check_folder()


def test_a_folder_that_takes_no_shard_is_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    message = r"`output_dir` must be where files can be written, got .*file.*\({}\)\. Give another folder"
    for folder, error, why in (
        (tmp_path / "file", FileExistsError, "File exists"),
        (tmp_path / "file" / "new", NotADirectoryError, "Not a directory"),
    ):
        with pytest.raises(error, match=message.format(why)):
            make(folder).check_folder()

    def refuse(*, dir):
        raise PermissionError(13, "Permission denied", str(dir))

    make(tmp_path, num_files=2).write(0, RESULTS)
    monkeypatch.setattr(shards.tempfile, "TemporaryFile", refuse)  # the superuser may write anywhere
    make(tmp_path, num_files=2).check_folder()  # nothing is left to write
    with pytest.raises(PermissionError, match=r"`output_dir` must be .*, got .* \(Permission denied\)\. Give another"):
        make(tmp_path / "new").check_folder()


def test_the_folder_is_made_and_nothing_in_it(tmp_path):
    make(tmp_path / "new" / "labels").check_folder()
    assert list((tmp_path / "new" / "labels").iterdir()) == []


def test_another_name_of_the_model_is_no_other_run(tmp_path):
    make(tmp_path).write(0, RESULTS)
    assert make(tmp_path, SETTINGS | {"model": "b"}).finished() == {0}


def test_a_shard_that_was_altered_is_none_and_told_once(tmp_path, caplog):
    made = make(tmp_path)
    made.write(0, RESULTS)
    assert make(tmp_path).finished() == {0}
    data = bytearray(made.path(0).read_bytes())
    data[60] ^= 0xFF
    made.path(0).write_bytes(data)
    again = make(tmp_path)
    assert again.finished() == again.finished() == set()
    assert caplog.text.count("shard-00000-of-00003.parquet is not whole, and is made again: ") == 1
    again.write(0, RESULTS)
    assert make(tmp_path).finished() == {0}


@requires_full
def test_a_full_disk_names_the_shard(tmp_path):
    shards = make(tmp_path)
    path = shards.path(0)
    full_file(path.with_name(f"_{path.name}.{socket.gethostname()}.{os.getpid()}"))
    with pytest.raises(OSError, match="No space left on device") as caught:
        shards.write(0, [Classification("a.wav", 0, 1, ())])
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []
