"""A small folder of labelled sounds, and what reads it."""

import numpy as np
import pytest
import soundfile
from transformers import ASTFeatureExtractor

from fastast_hf.data.datasets import load_audio_dataset
from tests.data.sounds import encode, tone

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


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "tone.wav"
    path.write_bytes(encode(tone(440, 16_000)))
    return path
