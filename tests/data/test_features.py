import subprocess
import sys

import pytest
import torch
from datasets import ClassLabel, Dataset
from transformers import ASTFeatureExtractor, default_data_collator

from fastast_hf.data import features as features_module
from fastast_hf.data.audio import load_audio
from fastast_hf.data.datasets import load_audio_dataset
from fastast_hf.data.features import extract_features
from tests.conftest import ESC10, requires_shared
from tests.data.conftest import ROWS, write_folder, write_sound


def test_features_equal_the_feature_extractor_clip_by_clip(load, feature_extractor):
    part = load(eval_fold=2)["train"]
    features = extract_features(part, feature_extractor, batch_size=2)
    assert set(features.column_names) == {"input_values", "labels", "file_name"}
    assert features["file_name"][:] == ["a.wav", "b.wav", "train/e.wav"]
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
    assert set(batch) == {"input_values", "labels"}  # names are no tensor


def test_other_columns_come_along(load, feature_extractor):
    part = load(eval_fold=2)["train"].add_column("teacher_logits", [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    features = extract_features(part, feature_extractor, batch_size=2)
    assert features["teacher_logits"][:].tolist() == [[1, 2], [3, 4], [5, 6]]


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


@pytest.mark.parametrize(("fold", "name"), [(2, "train"), (2, "eval"), (1, "train"), (1, "eval")])
def test_processes_give_the_same_features(load, feature_extractor, fold, name):
    part = load(eval_fold=fold)[name]  # rows here and there, or one after the other
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


def test_features_of_an_older_version_are_computed_again(load, monkeypatch):
    assert count_clips(load) == 3
    monkeypatch.setattr(features_module, "FEATURES_VERSION", features_module.FEATURES_VERSION + 1)
    assert count_clips(load) == 3
    monkeypatch.undo()
    assert count_clips(load) == 0


def test_the_fingerprint_is_the_same_in_another_process(load, folder, tmp_path, feature_extractor):
    code = (
        "from transformers import ASTFeatureExtractor\n"
        "from fastast_hf.data import extract_features, load_audio_dataset\n"
        f"parts = load_audio_dataset({str(folder)!r}, eval_fold=2, cache_dir={str(tmp_path / 'cache')!r})\n"
        "print(extract_features(parts['train'], ASTFeatureExtractor(num_mel_bins=32, max_length=24))._fingerprint)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    features = extract_features(load(eval_fold=2)["train"], feature_extractor)
    assert run.stdout.split()[-1] == features._fingerprint


@requires_shared
def test_esc10_features(tmp_path, feature_extractor):
    parts = load_audio_dataset(ESC10, eval_fold=1, cache_dir=tmp_path)
    features = extract_features(parts["eval"].select(range(3)), feature_extractor)
    assert features["input_values"][:].isfinite().all()


def test_broken_clip_is_named(load, folder, feature_extractor):
    (folder / "a.wav").write_text("not a sound")
    for num_proc in (None, 2):
        with pytest.raises(ValueError, match=r"`source` must be a complete sound file .*a.wav"):
            extract_features(load(eval_fold=1)["eval"], feature_extractor, num_proc=num_proc)


@requires_shared
@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.999])
def test_a_clip_that_was_cut_short_is_named(tmp_path, load, folder, feature_extractor, share):
    whole = (ESC10 / "dog_bark" / "1-100032-A.ogg").read_bytes()
    (folder / "a.wav").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"`source` must be a complete sound file.* got '.*a.wav'"):
        extract_features(load(eval_fold=1)["eval"], feature_extractor)


@pytest.mark.parametrize("seconds", [0, 0.024])
def test_a_clip_shorter_than_one_analysis_window_is_named(load, folder, feature_extractor, seconds):
    write_sound(folder / "b.wav", seconds)
    with pytest.raises(ValueError, match=r"`source` must hold at least 25 ms, .* got '.*b.wav' with \d+ samples"):
        extract_features(load(eval_fold=1)["eval"], feature_extractor)


def test_a_clip_that_the_feature_extractor_refuses_is_named(load, folder):
    class Choosy(ASTFeatureExtractor):
        def __call__(self, raw_speech, **kwargs):
            if min(map(len, raw_speech)) < 5_000:
                raise ValueError("clip too short")
            return super().__call__(raw_speech, **kwargs)

    write_sound(folder / "a.wav", 1.0)
    write_sound(folder / "b.wav", 0.3)
    message = r"`audio` must hold clips that the feature extractor takes, got '.*b.wav': clip too short"
    with pytest.raises(ValueError, match=message):
        extract_features(load(eval_fold=1)["eval"], Choosy(num_mel_bins=32, max_length=24))


def test_a_sound_without_a_name_is_counted(folder, feature_extractor):
    sounds = [{"bytes": (folder / "a.wav").read_bytes(), "path": None}, {"bytes": b"not a sound", "path": None}]
    rows = {"audio": sounds * 2, "label": [0, 1] * 2}
    dataset = Dataset.from_dict(rows).cast_column("label", ClassLabel(names=["cat", "dog"]))
    with pytest.raises(ValueError, match=r"got the sound in row 1 \("):
        extract_features(dataset, feature_extractor)
    with pytest.raises(ValueError, match=r"got the sound in row 3 \("):
        extract_features(dataset.select([0, 2, 0, 1]), feature_extractor, batch_size=2)


def sounds_as_they_are(*sounds):
    return Dataset.from_dict({"audio": sounds, "label": [0] * len(sounds)}).cast_column(
        "label", ClassLabel(names=["x"])
    )


def test_a_sound_without_a_path_key(load, folder, feature_extractor):
    data = (folder / "a.wav").read_bytes()
    features = extract_features(sounds_as_they_are({"bytes": data}), feature_extractor)
    expected = extract_features(load(eval_fold=1)["eval"], feature_extractor)
    torch.testing.assert_close(features["input_values"][:], expected["input_values"][:1], rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"`source` must be a .* got the sound in row 1 \("):
        extract_features(sounds_as_they_are({"bytes": data}, {"bytes": b"not a sound"}), feature_extractor)


@pytest.mark.parametrize("nothing", [None, {"bytes": None}, {"bytes": None, "path": None}])
def test_a_row_without_a_sound_is_counted(folder, feature_extractor, nothing):
    sounds = sounds_as_they_are({"bytes": (folder / "a.wav").read_bytes()}, nothing)
    with pytest.raises(ValueError, match=r"`audio` must hold a sound in every row, got none in row 1\. Leave the row"):
        extract_features(sounds, feature_extractor)


@pytest.mark.parametrize("name", ["input_values", "labels"])
def test_a_column_that_is_called_as_the_features_are(load, feature_extractor, name):
    part = load(eval_fold=1)["eval"]
    message = (
        rf"`dataset` must have no column `{name}`, .*, got the columns \['audio', .*'{name}'\]\. Rename or remove"
    )
    with pytest.raises(ValueError, match=message):
        extract_features(part.add_column(name, [0] * len(part)), feature_extractor)
