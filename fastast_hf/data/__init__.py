"""The sound room: from sound files to features and labels."""

from fastast_hf.data.audio import load_audio, resample
from fastast_hf.data.datasets import load_audio_dataset
from fastast_hf.data.decoding import mix_down
from fastast_hf.data.features import extract_features
from fastast_hf.data.labels import label_mappings, label_names, multi_hot, problem_type
from fastast_hf.data.synthetic import make_synthetic_dataset

__all__ = [
    "extract_features",
    "label_mappings",
    "label_names",
    "load_audio",
    "load_audio_dataset",
    "make_synthetic_dataset",
    "mix_down",
    "multi_hot",
    "problem_type",
    "resample",
]
