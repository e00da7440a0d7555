"""What the tests of the web demo share: its folder, a small model whose labels are markup, sounds."""

from pathlib import Path

import numpy as np
import soundfile
import torch

from fastast_hf import FastASTFeatureExtractor, FastASTForAudioClassification
from tests.conftest import TINY, randomize, tiny_config

SPACE = Path(__file__).parents[2] / "examples" / "space"
TIMEOUT = 120  # seconds that anything may take: far more than it needs
EVIL = "<img src=x onerror=alert(1)>"
LABELS = [f"{EVIL} | **loud**", "rain_drops", "dog", "<b>bell</b>", "`sea`"]
EXTRACTOR = FastASTFeatureExtractor(**{name: TINY[name] for name in ("num_mel_bins", "max_length")})


def model(**merging):
    labels = dict(enumerate(LABELS))
    config = tiny_config(id2label=labels, label2id={label: index for index, label in labels.items()}, **merging)
    return randomize(FastASTForAudioClassification._from_config(config, attn_implementation="sdpa"))


def waveform(seconds=1.5):
    return np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * 16_000)).astype(np.float32)


def write(path, samples, rate=16_000, **options):
    soundfile.write(path, samples, rate, **options)
    return path


@torch.inference_mode()
def scores_of(classifier, features):
    """Score every label with one plain call."""
    (probabilities,) = classifier(features).logits.softmax(-1).tolist()
    return {classifier.config.id2label[index]: score for index, score in enumerate(probabilities)}


def features_of(sound):
    return EXTRACTOR(sound, sampling_rate=16_000, return_tensors="pt", padding="longest")["input_values"]
