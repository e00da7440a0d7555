import csv

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import ASTFeatureExtractor

from fastast_hf.data.datasets import load_audio_dataset
from fastast_hf.data.features import extract_features
from fastast_hf.data.synthetic import EVENTS, make_clip, make_synthetic_dataset

CLIP = {"seed": 0, "seconds": 1.28, "sampling_rate": 16_000, "snr_db": (5.0, 25.0)}


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_layout(tmp_path):
    folder = make_synthetic_dataset(tmp_path / "events", clips_per_class=5)
    with (folder / "metadata.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 50
    assert list(rows[0]) == ["file_name", "label", "split"]
    assert sum(row["split"] == "test" for row in rows) == 10
    assert sorted({row["label"] for row in rows}) == list(EVENTS)
    for row in rows:
        info = soundfile.info(folder / row["file_name"])
        assert (info.samplerate, info.channels, info.frames, info.subtype) == (16_000, 1, 20_480, "PCM_16")


def test_same_arguments_give_the_same_bytes(tmp_path):
    first, second, other = (
        contents(make_synthetic_dataset(tmp_path / name, clips_per_class=5, seed=seed))
        for name, seed in (("first", 1), ("second", 1), ("other", 2))
    )
    assert first == second
    assert first != other


def test_more_clips_keep_the_clips_of_fewer(tmp_path):
    few = make_synthetic_dataset(tmp_path / "few", clips_per_class=5)
    many = make_synthetic_dataset(tmp_path / "many", clips_per_class=6)
    assert set(contents(few).items()) - set(contents(many).items()) == {
        (few.joinpath("metadata.csv").relative_to(few), (few / "metadata.csv").read_bytes())
    }
    rows = set((many / "metadata.csv").read_text().splitlines())
    assert rows > set((few / "metadata.csv").read_text().splitlines())


@pytest.mark.parametrize("label", EVENTS)
def test_clips_differ_and_are_in_range(label):
    clips = np.stack([make_clip(label, index, **CLIP) for index in range(4)])
    assert clips.shape == (4, 20_480)
    assert np.isfinite(clips).all()
    assert (np.abs(clips).max(axis=1) <= 0.9).all()
    assert (np.abs(np.corrcoef(clips)) - np.eye(4) < 0.5).all()


@pytest.mark.parametrize(("seconds", "sampling_rate"), [(0.5, 8_000), (2.0, 44_100)])
def test_other_lengths_and_rates(tmp_path, seconds, sampling_rate):
    folder = make_synthetic_dataset(tmp_path, clips_per_class=5, seconds=seconds, sampling_rate=sampling_rate)
    info = soundfile.info(folder / "vibrato" / "00000.wav")
    assert (info.samplerate, info.frames) == (sampling_rate, seconds * sampling_rate)


def test_a_chirp_rises_and_one_falls():
    def pitch_of_halves(label):
        clip = make_clip(label, 0, **{**CLIP, "snr_db": (60.0, 60.0)})
        frames = np.lib.stride_tricks.sliding_window_view(clip, 512)[::256] * np.hanning(512)
        spectra = np.abs(np.fft.rfft(frames))
        peaks = spectra.argmax(axis=1)[spectra.max(axis=1) > 0.5 * spectra.max()]
        return peaks[: len(peaks) // 2].mean(), peaks[len(peaks) // 2 :].mean()

    early, late = pitch_of_halves("rising_chirp")
    assert early < late
    early, late = pitch_of_halves("falling_chirp")
    assert early > late


def test_a_linear_probe_fails(tmp_path):
    folder = make_synthetic_dataset(tmp_path / "events", clips_per_class=60)
    parts = load_audio_dataset(folder, split_column="split", cache_dir=tmp_path / "cache")
    feature_extractor = ASTFeatureExtractor(num_mel_bins=32, max_length=128)
    features = {name: extract_features(part, feature_extractor).with_format("numpy") for name, part in parts.items()}

    def probe(view, **kwargs):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, **kwargs))
        model.fit(view(features["train"]["input_values"][:]), features["train"]["labels"][:])
        return model.score(view(features["eval"]["input_values"][:]), features["eval"]["labels"][:])

    assert probe(lambda values: values.reshape(len(values), -1), C=1e-4) < 0.6
    assert probe(lambda values: values.mean(axis=1), C=1e-2) < 0.5


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"clips_per_class": 4}, r"`clips_per_class` must be at least 5, got 4. Raise it."),
        ({"seconds": 0.1}, r"`seconds` must be at least 0.5, got 0.1. Raise it."),
        ({"sampling_rate": 4_000}, r"`sampling_rate` must be at least 8000, got 4000. Raise it."),
    ],
)
def test_argument_errors(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_synthetic_dataset(tmp_path, **kwargs)
