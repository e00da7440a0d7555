import json
import re
import sys
from pathlib import Path

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


def test_folder_whose_name_looks_like_a_pattern(tmp_path):
    folder = write_folder(tmp_path / "sounds [v2]*")
    assert names(load_audio_dataset(folder, eval_fold=3, cache_dir=tmp_path / "cache")["eval"]) == ["e.wav"]


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

CSV_ADVICE = "Save it in UTF-8, with a row for each file below"


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


# Paths


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
