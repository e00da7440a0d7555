import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from datasets import Audio, ClassLabel, Dataset, DatasetDict, Features, List
from transformers import ASTFeatureExtractor, default_data_collator

from fastast_hf.data.audio import load_audio
from fastast_hf.data.datasets import extract_features, load_audio_dataset

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
ESC10 = SHARED_DATA / "esc10" / "audio"
SPEECH_COMMANDS = SHARED_DATA / "speech_commands12" / "audio"

HEADER = "file_name,label,fold,split\n"
ROWS = [
    "a.wav,dog,1,train",
    "b.wav,cat,1,train",
    "c.wav,dog,2,train",
    "d.wav,null,2,test",  # a label that pandas would read as missing
    "train/e.wav,cat,3,test",  # a folder that `datasets` would take for a split
]


def write_sound(path, seconds=0.2, sampling_rate=16_000, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * sampling_rate))
    soundfile.write(path, samples, sampling_rate, subtype="PCM_16")


def write_folder(folder, rows=ROWS, header=HEADER):
    for i, row in enumerate(rows):
        write_sound(folder / row.split(",")[0], seed=i)
    (folder / "metadata.csv").write_text(header + "\n".join(rows) + "\n")
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "sounds")


@pytest.fixture
def load(folder, tmp_path):
    def load_with(**kwargs):
        source = {} if "dataset_name" in kwargs else {"data_dir": folder}
        return load_audio_dataset(**{**source, **kwargs}, cache_dir=tmp_path / "cache")

    return load_with


@pytest.fixture
def feature_extractor():
    return ASTFeatureExtractor(num_mel_bins=32, max_length=24)


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
        assert part.features == Features(audio=Audio(decode=False), label=ClassLabel(names=["cat", "dog", "null"]))
        assert Path(part[0]["audio"]["path"]).is_absolute()


def test_the_folder_is_only_read(load, folder):
    before = sorted(folder.rglob("*"))
    load(eval_fold=1)
    assert sorted(folder.rglob("*")) == before


def test_folder_whose_name_looks_like_a_pattern(tmp_path):
    folder = write_folder(tmp_path / "sounds [v2]*")
    assert names(load_audio_dataset(folder, eval_fold=3, cache_dir=tmp_path / "cache")["eval"]) == ["e.wav"]


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
    assert parts["train"].column_names == ["audio", "label"]
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


# Features


def test_features_equal_the_feature_extractor_clip_by_clip(load, feature_extractor):
    part = load(eval_fold=2)["train"]
    features = extract_features(part, feature_extractor, batch_size=2)
    assert features.column_names == ["input_values", "labels"]
    assert features["labels"][:].tolist() == [1, 0, 0]
    for sound, row in zip(part["audio"], features, strict=True):
        expected = feature_extractor(load_audio(sound), sampling_rate=16_000, return_tensors="pt")["input_values"]
        torch.testing.assert_close(row["input_values"], expected[0], rtol=0, atol=0)


def test_a_trainer_reads_batches(load, feature_extractor):
    features = extract_features(load(eval_fold=2)["train"], feature_extractor)
    batch = next(iter(torch.utils.data.DataLoader(features, batch_size=3, collate_fn=default_data_collator)))
    assert batch["input_values"].shape == (3, 24, 32)
    assert batch["input_values"].dtype == torch.float32
    assert batch["labels"].dtype == torch.int64


def test_many_labels_become_multi_hot(load, folder, feature_extractor):
    write_folder(folder, ["a.wav,dog;rain,1,train", "b.wav,cat,2,train", "c.wav,rain,2,train"])
    features = extract_features(load(eval_fold=1, label_delimiter=";")["train"], feature_extractor)
    assert features["labels"][:].dtype == torch.float32
    assert features["labels"][:].tolist() == [[1, 0, 0], [0, 0, 1]]


def test_sounds_are_resampled_to_the_feature_extractor(load, folder):
    write_sound(folder / "a.wav", sampling_rate=44_100)
    feature_extractor = ASTFeatureExtractor(num_mel_bins=32, max_length=24, sampling_rate=8_000)
    features = extract_features(load(eval_fold=1)["eval"], feature_extractor)
    assert features[0]["input_values"].shape == (24, 32)


def test_processes_give_the_same_features(load, feature_extractor):
    part = load(eval_fold=2)["train"]
    one, two = (extract_features(part, feature_extractor, num_proc=n) for n in (None, 2))
    torch.testing.assert_close(one["input_values"][:], two["input_values"][:], rtol=0, atol=0)


class CountingFeatureExtractor(ASTFeatureExtractor):
    """Counts the clips that it sees in a class attribute, outside the settings."""

    clips = 0

    def __call__(self, raw_speech, **kwargs):
        CountingFeatureExtractor.clips += len(raw_speech)
        return super().__call__(raw_speech, **kwargs)


def count_clips(load, **settings):
    CountingFeatureExtractor.clips = 0
    extract_features(
        load(eval_fold=2)["train"], CountingFeatureExtractor(num_mel_bins=32, **{"max_length": 24, **settings})
    )
    return CountingFeatureExtractor.clips - 1  # one second of silence shows the shape


def test_a_rerun_reads_the_cache(load, folder):
    assert count_clips(load) == 3
    assert count_clips(load) == 0
    assert count_clips(load, max_length=16) == 3  # another setting
    assert count_clips(load, max_length=16) == 0
    write_sound(folder / "a.wav", seconds=0.3)  # another sound, same metadata
    assert count_clips(load) == 3
    write_folder(folder, [row.replace("dog", "wolf") for row in ROWS])  # another label
    assert count_clips(load) == 3


def test_the_fingerprint_is_the_same_in_another_process(load, folder, tmp_path, feature_extractor):
    code = (
        "from transformers import ASTFeatureExtractor\n"
        "from fastast_hf.data.datasets import extract_features, load_audio_dataset\n"
        f"parts = load_audio_dataset({str(folder)!r}, eval_fold=2, cache_dir={str(tmp_path / 'cache')!r})\n"
        "print(extract_features(parts['train'], ASTFeatureExtractor(num_mel_bins=32, max_length=24))._fingerprint)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    features = extract_features(load(eval_fold=2)["train"], feature_extractor)
    assert run.stdout.split()[-1] == features._fingerprint


# Real data


@pytest.mark.skipif(not ESC10.is_dir(), reason=f"needs {ESC10}")
def test_esc10_fold(tmp_path, feature_extractor):
    parts = load_audio_dataset(ESC10, eval_fold=1, cache_dir=tmp_path)
    assert {name: len(part) for name, part in parts.items()} == {"train": 320, "eval": 80}
    assert len(parts["eval"].features["label"].names) == 10
    assert all(name.startswith("1-") for name in names(parts["eval"]))
    assert not any(name.startswith("1-") for name in names(parts["train"]))
    assert [Path(sound["path"]).parent.name for sound in parts["eval"]["audio"]] == texts(parts["eval"])
    features = extract_features(parts["eval"].select(range(3)), feature_extractor)
    assert features["input_values"][:].isfinite().all()


@pytest.mark.skipif(not SPEECH_COMMANDS.is_dir(), reason=f"needs {SPEECH_COMMANDS}")
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


def test_metadata_without_rows(load, folder):
    write_folder(folder, rows=[])
    with pytest.raises(ValueError, match=r"`data_dir` must hold at least one clip, got .*metadata.csv' without rows"):
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
    with pytest.raises(ValueError, match=r"`label` must be set for every clip, got 1 of 2 .*first '.*b.wav'. Label"):
        load(eval_fold=1)
    write_folder(folder, ["a.wav,dog,1,train", "b.wav,cat,,train"])
    with pytest.raises(ValueError, match=r"`fold` must be set for every clip, got none in row 1. Fill"):
        load(eval_fold=1)


def test_broken_clip_is_named(load, folder, feature_extractor):
    (folder / "a.wav").write_text("not a sound")
    with pytest.raises(ValueError, match=r"`source` must be a complete sound file .*a.wav"):
        extract_features(load(eval_fold=1)["eval"], feature_extractor)


def test_loose_sound_files_by_name(load, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    (folder / "metadata.csv").unlink()
    with pytest.raises(
        ValueError, match=r"`dataset_name` must be a data set that .* without torchcodec, got .* Download"
    ):
        load(dataset_name=str(folder), eval_split_name="test")
