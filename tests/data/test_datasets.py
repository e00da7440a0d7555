import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Audio, ClassLabel, Dataset, DatasetDict, Features, List, Value

from fastast_hf.data.audio import load_audio
from fastast_hf.data.datasets import load_audio_dataset
from tests.conftest import ESC10, SHARED, requires_shared
from tests.data.conftest import write_folder

SPEECH_COMMANDS = SHARED / "data" / "speech_commands12" / "audio"


def write_metadata(folder, text):
    (folder / "metadata.csv").write_text(text)


def names(part):
    return [Path(sound["path"]).name for sound in part["audio"]]


def texts(part):
    feature = part.features["label"]
    decode = feature.int2str if isinstance(feature, ClassLabel) else feature.feature.int2str
    return [decode(label) for label in part["label"]]


# Parts


def test_eval_fold(load):
    parts = load(eval_fold=2)
    assert isinstance(parts, DatasetDict)
    assert set(parts) == {"train", "eval"}
    assert names(parts["train"]) == ["a.wav", "b.wav", "e.wav"]
    assert names(parts["eval"]) == ["c.wav", "d.wav"]
    assert texts(parts["train"]) == ["dog", "cat", "cat"]
    assert texts(parts["eval"]) == ["dog", "null"]


def test_eval_fold_by_string_and_another_column(load):
    assert names(load(eval_fold="3")["eval"]) == ["e.wav"]
    assert names(load(eval_fold="test", fold_column_name="split")["eval"]) == ["d.wav", "e.wav"]


def test_split_column(load):
    parts = load(split_column="split")
    assert names(parts["train"]) == ["a.wav", "b.wav", "c.wav"]
    assert names(parts["eval"]) == ["d.wav", "e.wav"]


def test_split_column_with_named_parts(load):
    parts = load(split_column="fold", train_split_name="3", eval_split_name="1")
    assert names(parts["train"]) == ["e.wav"]
    assert names(parts["eval"]) == ["a.wav", "b.wav"]


def test_both_parts_share_sorted_classes_and_undecoded_audio(load):
    for part in load(eval_fold=2).values():
        assert part.features == Features(
            audio=Audio(decode=False), label=ClassLabel(names=["cat", "dog", "null"]), file_name=Value("string")
        )
        assert Path(part[0]["audio"]["path"]).is_absolute()


def test_clips_keep_the_names_of_their_metadata(load, folder):
    parts = load(split_column="split")
    assert parts["train"]["file_name"][:] == ["a.wav", "b.wav", "c.wav"]
    assert parts["eval"]["file_name"][:] == ["d.wav", "train/e.wav"]
    write_folder(folder, ["7.wav,dog,1,train", "12.wav,cat,2,train"])
    for number in ("7", "12"):
        (folder / f"{number}.wav").rename(folder / number)
    write_metadata(folder, "file_name,label,fold\n7,dog,1\n12,cat,2\n")
    assert load(eval_fold=1)["train"]["file_name"][:] == ["12"]  # though the reader takes them for numbers


def test_the_folder_is_only_read(load, folder):
    before = sorted(folder.rglob("*"))
    load(eval_fold=1)
    assert sorted(folder.rglob("*")) == before


def test_metadata_with_an_audio_column(load, folder):
    write_folder(folder, ["a.wav,dog,1,x", "b.wav,cat,2,y"], header="file_name,label,fold,audio\n")
    parts = load(eval_fold=1)
    assert names(parts["train"]) == ["b.wav"]  # the sounds are those of `file_name`
    assert parts["train"].features["audio"] == Audio(decode=False)
    labels = load(eval_fold=1, label_column_name="audio")
    assert texts(labels["train"]) == ["y"]


def test_data_set_with_splits(load, tmp_path):
    def part(*labels):
        sounds = [{"bytes": (tmp_path / "sounds" / "a.wav").read_bytes(), "path": None}] * len(labels)
        rows = {"clip": sounds, "category": list(labels), "copy": list(labels), "label": range(len(labels))}
        return Dataset.from_dict(rows).cast_column("clip", Audio(decode=False))

    for name, data in (("train", part("b", "a")), ("validation", part("a", "c")), ("test", part("c"))):
        (tmp_path / "parquet").mkdir(exist_ok=True)
        data.to_parquet(tmp_path / "parquet" / f"{name}-00000-of-00001.parquet")
    kwargs = {
        "dataset_name": str(tmp_path / "parquet"),
        "audio_column_name": "clip",
        "label_column_name": "category",
    }
    parts = load(**kwargs, eval_split_name="validation")
    assert parts["train"].column_names == ["audio", "label"]  # the sounds have no names
    assert texts(parts["train"]) == ["b", "a"]
    assert texts(parts["eval"]) == ["a", "c"]
    assert load_audio(parts["train"][0]["audio"]).shape == (3_200,)
    by_fold = load(**kwargs, eval_fold="b", fold_column_name="copy")
    assert texts(by_fold["eval"]) == ["b"]
    assert sorted(texts(by_fold["train"])) == ["a", "a", "c", "c"]  # all splits take part
    with pytest.raises(
        ValueError, match=r"`eval_split_name` must be given .* besides 'train', got \['test', 'validation'\]. Name"
    ):
        load(**kwargs)
    with pytest.raises(ValueError, match=r"`train_split_name` must be one of the parts .*, got 'dev'. Choose"):
        load(**kwargs, train_split_name="dev", eval_split_name="test")


def test_a_data_set_s_own_names_of_its_sounds(load, tmp_path):
    sounds = [{"bytes": (tmp_path / "sounds" / "a.wav").read_bytes(), "path": f"{name}.wav"} for name in "xyz"]
    rows = {"audio": sounds, "label": [0, 1, 0], "file_name": ["of", "the", "user"]}
    (tmp_path / "parquet").mkdir()
    Dataset.from_dict(rows).to_parquet(tmp_path / "parquet" / "train-00000-of-00001.parquet")
    parts = load(dataset_name=str(tmp_path / "parquet"), eval_fold="1", fold_column_name="label")
    assert parts["train"]["file_name"][:] == ["x.wav", "z.wav"]
    assert parts["eval"]["file_name"][:] == ["y.wav"]


# Labels


def test_labels_that_are_numbers_are_sorted_by_value(load, folder):
    write_folder(folder, ["a.wav,10,1,train", "b.wav,9,2,train"])
    part = load(eval_fold=1)["train"]
    assert part.features["label"].names == ["9", "10"]
    assert part["label"][:] == [0]


def test_delimited_labels(load, folder):
    write_folder(folder, ["a.wav,dog; rain,1,train", "b.wav,cat,2,train"])
    parts = load(eval_fold=1, label_delimiter=";")
    assert parts["train"].features["label"] == List(ClassLabel(names=["cat", "dog", "rain"]))
    assert texts(parts["eval"]) == [["dog", "rain"]]
    assert load(eval_fold=1)["train"].features["label"].names == ["cat", "dog; rain"]  # never guessed


def test_empty_names_between_delimiters_are_no_class(load, folder):
    write_folder(folder, ["a.wav,dog;,1,train", "b.wav,cat;;dog,2,train"])
    parts = load(eval_fold=1, label_delimiter=";")
    assert parts["train"].features["label"] == List(ClassLabel(names=["cat", "dog"]))
    assert texts(parts["eval"]) == [["dog"]]
    assert texts(parts["train"]) == [["cat", "dog"]]


def test_lists_of_labels(load, folder):
    (folder / "metadata.csv").unlink()
    rows = [
        {"file_name": "a.wav", "label": ["dog", "rain"], "fold": 1},
        {"file_name": "b.wav", "label": [], "fold": 2},
        {"file_name": "c.wav", "label": ["dog"], "fold": 2},
    ]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    parts = load(eval_fold=1)
    assert texts(parts["eval"]) == [["dog", "rain"]]
    assert texts(parts["train"]) == [[], ["dog"]]


# Real data


@requires_shared
def test_esc10_fold(tmp_path):
    parts = load_audio_dataset(ESC10, eval_fold=1, cache_dir=tmp_path)
    assert {name: len(part) for name, part in parts.items()} == {"train": 320, "eval": 80}
    assert len(parts["eval"].features["label"].names) == 10
    assert all(name.startswith("1-") for name in names(parts["eval"]))
    assert not any(name.startswith("1-") for name in names(parts["train"]))
    assert [Path(sound["path"]).parent.name for sound in parts["eval"]["audio"]] == texts(parts["eval"])


@requires_shared
def test_speech_commands_split(tmp_path):
    parts = load_audio_dataset(SPEECH_COMMANDS, split_column="split", cache_dir=tmp_path)
    assert {name: len(part) for name, part in parts.items()} == {"train": 2_085, "eval": 915}
    assert parts["train"].features["label"].names[:3] == ["_silence_", "_unknown_", "down"]


# Errors


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, r"`eval_fold` or `split_column` must be given with `data_dir`, got neither. Say which"),
        (
            {"dataset_name": "esc"} | {"data_dir": "x"},
            r"Exactly one of `data_dir` and `dataset_name` .*got 'x' and 'esc'",
        ),
        ({"eval_fold": 1, "split_column": "split"}, r"must not be given together, got 1 and 'split'. Keep"),
        ({"eval_fold": 9}, r"`eval_fold` must be one of the folds \['1', '2', '3'\], got 9. Choose"),
        (
            {"eval_fold": 1, "fold_column_name": "fould"},
            r"`fould` must be a column of the data set, got .*'fold'.*Name",
        ),
        ({"eval_fold": 1, "label_column_name": "tag"}, r"`tag` must be a column of the data set, got"),
        ({"split_column": "fold", "train_split_name": "1"}, r"`eval_split_name` must be given .*, got \['2', '3'\]"),
        ({"split_column": "split", "eval_split_name": "dev"}, r"`eval_split_name` must be one .*, got 'dev'. Choose"),
    ],
)
def test_argument_errors(load, kwargs, message):
    with pytest.raises(ValueError, match=message):
        load(**kwargs)


def test_empty_part(load, folder):
    write_folder(folder, ["a.wav,dog,1,train", "b.wav,cat,1,train"])
    with pytest.raises(ValueError, match=r"The train part must hold at least one clip, got none. Choose another"):
        load(eval_fold=1)


def test_missing_label_and_fold(load, folder):
    write_folder(folder, ["a.wav,dog,1,train", "b.wav,,2,train"])
    with pytest.raises(
        ValueError, match=r"`label` must be set for every clip, got 1 of 2 .* row 1 \('.*b.wav'\)\. Label"
    ):
        load(eval_fold=1)
    write_folder(folder, ["a.wav,dog,1,train", "b.wav,cat,,train"])
    with pytest.raises(ValueError, match=r"`fold` must be set for every clip, got none in row 1. Fill"):
        load(eval_fold=1)


def test_loose_sound_files_by_name(load, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    (folder / "metadata.csv").unlink()
    with pytest.raises(
        ValueError, match=r"`dataset_name` must be a data set that .* without torchcodec, got .* Download"
    ):
        load(dataset_name=str(folder), eval_split_name="test")


# What a stranger's table declares


def declared(folder, columns, **types):
    """Write Parquet whose columns are, as it says itself, of such types."""
    table = pa.table(columns)
    features = {name: {"dtype": "string", "_type": "Value"} for name in table.column_names} | types
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    folder.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(about), folder)


def names_outside(folder, num_rows=2):
    """Make values of a column that are files outside of a folder: whoever opens one learns that it is no picture."""
    outside = folder.parent / "secret.png"
    outside.write_bytes(b"secret")
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.array([{"bytes": None, "path": str(outside)}] * num_rows, kind)


@pytest.mark.parametrize("kind", ["Image", "Audio", "Video", "Pdf", "Nifti"])
@pytest.mark.parametrize("column", ["file_name", "label", "fold"])
def test_a_column_that_opens_what_its_rows_name_is_refused(load, folder, column, kind):
    (folder / "metadata.csv").unlink()
    columns = {"file_name": ["a.wav", "b.wav"], "label": ["dog", "cat"], "fold": ["1", "2"]}
    columns[column] = names_outside(folder)
    declared(folder / "metadata.parquet", columns, **{column: {"_type": kind}})
    with pytest.raises(ValueError, match=rf"`{column}` must hold strings, .*, got the type {kind}\. Write all values"):
        load(eval_fold=1)


def test_a_column_that_nobody_asked_for_is_not_decoded(load, folder):
    (folder / "metadata.csv").unlink()
    columns = {"file_name": ["a.wav", "b.wav"], "label": ["dog", "cat"], "fold": ["1", "2"]}
    declared(folder / "metadata.parquet", columns | {"picture": names_outside(folder)}, picture={"_type": "Image"})
    assert names(load(eval_fold=1)["eval"]) == ["a.wav"]


@pytest.mark.parametrize("column", ["label", "split"])
def test_a_named_data_set_s_column_of_pictures_is_refused(load, folder, tmp_path, column):
    sounds = pa.array([{"bytes": b"RIFF", "path": "a.wav"}] * 2)
    columns = {"audio": sounds, "label": ["dog", "cat"], "split": ["train", "test"]}
    columns[column] = names_outside(folder)
    declared(tmp_path / "table" / "a.parquet", columns, audio={"_type": "Audio"}, **{column: {"_type": "Image"}})
    with pytest.raises(ValueError, match=rf"`{column}` must hold strings, .*, got the type Image\. Write all values"):
        load(dataset_name=str(tmp_path / "table"), split_column="split")


def test_a_named_data_set_that_is_nested_too_deep(load, tmp_path):
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "a.jsonl").write_text('{"label": ' + 1_000 * "[" + 1_000 * "]" + "}\n")
    with pytest.raises(ValueError, match=r"`dataset_name` must be a data set whose .*, got '.*table', which nests"):
        load(dataset_name=str(tmp_path / "table"), split_column="split")


def test_a_named_data_set_whose_card_leads_elsewhere(load, folder, tmp_path):
    table_of_paths(tmp_path / "elsewhere", folder / "a.wav", folder / "b.wav")
    table_of_paths(tmp_path / "table", folder / "a.wav", folder / "b.wav")
    card = f"---\nconfigs:\n- config_name: default\n  data_files: {tmp_path / 'elsewhere' / 'train.parquet'}\n---\n"
    (tmp_path / "table" / "README.md").write_text(card)
    with pytest.raises(ValueError, match=r"`dataset_name` must be a folder with the data in it, got '.*elsewhere.*'"):
        load(dataset_name=str(tmp_path / "table"), split_column="split")


# Paths


def table_of_paths(folder, *paths):
    """Write a table that names sounds without bringing them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {
        "audio": [{"bytes": None, "path": str(path)} for path in paths],
        "label": [0, 1],
        "split": ["train", "test"],
    }
    features = Features({"audio": {"bytes": Value("binary"), "path": Value("string")}, "label": Value("int64")})
    Dataset.from_dict(rows, Features({**features, "split": Value("string")})).to_parquet(folder / "train.parquet")
    return folder


def test_a_user_s_own_table_may_name_files_anywhere(load, folder, tmp_path):
    table = table_of_paths(tmp_path / "table", folder / "a.wav", folder / "b.wav")
    parts = load(dataset_name=str(table), split_column="split")
    assert load_audio(parts["train"][0]["audio"]).shape == (3_200,)
