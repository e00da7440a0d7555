"""What is cut short in the cache is noticed, told and made again; what is whole is read back."""

import os
from pathlib import Path

import pytest
from datasets import Dataset, Features, Value
from datasets.arrow_writer import ArrowWriter

from fastast_hf.data.caches import cast_or_recast, drop_broken_cache, load_or_reload
from fastast_hf.data.features import extract_features


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("name", ["csv-train.arrow", "dataset_info.json"])
def test_a_copy_of_the_metadata_that_is_cut_is_made_again(load, tmp_path, caplog, name, share):
    expected = load(eval_fold=2)["train"]["file_name"][:]
    (copy,) = (tmp_path / "cache").rglob(name)
    os.truncate(copy, int(share * copy.stat().st_size))
    assert load(eval_fold=2)["train"]["file_name"][:] == expected
    assert "metadata.csv in the cache could not be read, and was made again" in caplog.text
    caplog.clear()
    assert load(eval_fold=2)["train"]["file_name"][:] == expected
    assert caplog.text == ""


def empty_end(data):
    """What a crash of the machine leaves of what it had not yet written."""
    return data[: 9 * len(data) // 10] + bytes(len(data) - 9 * len(data) // 10)


def flip(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x40]) + data[middle + 1 :]


def alter(path, damage):
    """Put other bytes in the place of a file; this process still looks at the old one."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(damage(data))


@pytest.mark.parametrize("damage", [empty_end, flip])
def test_a_copy_of_the_metadata_with_other_bytes_is_made_again(load, tmp_path, caplog, damage):
    expected = load(eval_fold=2)["train"]["file_name"][:]
    (copy,) = (tmp_path / "cache").rglob("csv-train.arrow")
    alter(copy, damage)
    assert load(eval_fold=2)["train"]["file_name"][:] == expected
    assert "metadata.csv in the cache could not be read, and was made again" in caplog.text
    caplog.clear()
    assert load(eval_fold=2)["train"]["file_name"][:] == expected
    assert caplog.text == ""


@pytest.mark.parametrize("num_proc", [None, 2])
@pytest.mark.parametrize("damage", [empty_end, flip])
def test_features_with_other_bytes_are_computed_again(load, feature_extractor, caplog, damage, num_proc):
    features = extract_features(load(eval_fold=2)["train"], feature_extractor, batch_size=2, num_proc=num_proc)
    expected = features["input_values"][:].clone()
    for file in features.cache_files:
        alter(Path(file["filename"]), damage)
    for is_told in (True, False):
        caplog.clear()
        part = load(eval_fold=2)["train"]
        found = extract_features(part, feature_extractor, batch_size=2, num_proc=num_proc)["input_values"][:]
        assert found.equal(expected)
        assert ("in the cache cannot be read, and is computed again" in caplog.text) == is_told


def test_what_else_lies_in_the_cache_is_left_alone(load, feature_extractor):
    part = load(eval_fold=2)["train"]
    features = extract_features(part, feature_extractor)
    path = Path(features.cache_files[0]["filename"])
    other = path.with_name(f"{path.stem}-copy.arrow")
    other.write_bytes(b"")
    drop_broken_cache(part, features._fingerprint)
    assert other.exists()
    assert path.exists()


def test_a_cache_of_somebody_else_is_read(load, feature_extractor, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("fastast_hf.data.caches.Path.write_text", refuse)  # the superuser may write anywhere
    features = extract_features(load(eval_fold=2)["train"], feature_extractor)
    assert len(features) == 3
    assert not list(Path(features.cache_files[0]["filename"]).parent.glob("*.sha256*"))


def test_metadata_that_cannot_be_read_is_the_source_s_fault(tmp_path, caplog):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Exception, match="generating the dataset"):
        load_or_reload("csv", data_files=str(tmp_path / "a.csv"), split="train", cache_dir=tmp_path / "cache")
    assert "made again" not in caplog.text


@pytest.mark.parametrize("num_proc", [None, 2])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_features_that_are_cut_are_computed_again(load, feature_extractor, caplog, share, num_proc):
    features = extract_features(load(eval_fold=2)["train"], feature_extractor, batch_size=2, num_proc=num_proc)
    expected = features["input_values"][:].clone()
    for file in features.cache_files:
        data = Path(file["filename"]).read_bytes()
        Path(file["filename"]).unlink()  # this process still looks at the old one
        Path(file["filename"]).write_bytes(data[: int(share * len(data))])
    part = load(eval_fold=2)["train"]
    found = extract_features(part, feature_extractor, batch_size=2, num_proc=num_proc)["input_values"][:]
    assert found.equal(expected)
    assert "in the cache cannot be read, and is computed again" in caplog.text


def test_a_cache_that_ends_between_two_batches_lacks_rows(load, feature_extractor):
    part = load(eval_fold=2)["train"]
    features = extract_features(part, feature_extractor, batch_size=1)
    path = Path(features.cache_files[0]["filename"])
    two = features.select([0, 1])
    path.unlink()
    with ArrowWriter(path=str(path), features=features.features) as writer:  # as `datasets` writes
        for row in two.with_format(None):
            writer.write(row)
        writer.finalize()
    assert len(Dataset.from_file(str(path))) == 2
    assert len(extract_features(part, feature_extractor, batch_size=1)) == 3


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_columns_that_were_cast_and_cut_are_cast_again(load, tmp_path, caplog, share):
    def cast():
        table = load(eval_fold=2)["train"].with_format(None)
        return cast_or_recast(table, Features(table.features.copy() | {"file_name": Value("large_string")}))

    first = cast()
    expected = first.to_dict()
    (file,) = first.cache_files
    data = Path(file["filename"]).read_bytes()
    Path(file["filename"]).unlink()  # this process still looks at the old one
    Path(file["filename"]).write_bytes(data[: int(share * len(data))])
    assert cast().to_dict() == expected
    assert "Columns in the cache cannot be read, and are cast again" in caplog.text
    caplog.clear()
    assert cast().to_dict() == expected
    assert caplog.text == ""


def test_a_whole_cache_stays(load, tmp_path, feature_extractor, caplog):
    part = load(eval_fold=2)["train"]
    fingerprint = extract_features(part, feature_extractor)._fingerprint
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "cache").rglob("cache-*.arrow"))
    drop_broken_cache(part, fingerprint)
    assert sorted((path, path.stat().st_mtime_ns) for path, _ in before) == before
    assert caplog.text == ""
