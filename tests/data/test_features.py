import subprocess
import sys

import pytest
import torch
from transformers import ASTFeatureExtractor, default_data_collator

from fastast_hf.data.audio import load_audio
from fastast_hf.data.datasets import load_audio_dataset
from fastast_hf.data.features import extract_features
from tests.conftest import ESC10, requires_shared
from tests.data.conftest import ROWS, write_folder, write_sound


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
    with pytest.raises(ValueError, match=r"`source` must be a complete sound file .*a.wav"):
        extract_features(load(eval_fold=1)["eval"], feature_extractor)
