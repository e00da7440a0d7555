"""Whole files whose samples are odd: nothing, next to nothing, too much, no numbers, too few."""

from collections.abc import Iterator

import numpy as np

from tests.odd_sounds.making import RATE, Expected, OddSound, encode, sound

NUM_SAMPLES = RATE // 5
SHORT_CONTAINERS = ("WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU", "W64", "RF64")


def _waveforms() -> dict[str, tuple[np.ndarray, Expected]]:
    """Give samples that a float file can hold, (samples,) float64."""
    time = np.arange(NUM_SAMPLES)
    alternating = np.where(time % 2, 1.0, -1.0)
    impulse = (time == NUM_SAMPLES // 2).astype(float)
    return {
        "silence": (np.zeros(NUM_SAMPLES), "answer"),
        "negative-zero": (np.full(NUM_SAMPLES, -0.0), "answer"),
        "dc-up": (np.ones(NUM_SAMPLES), "answer"),
        "dc-down": (-np.ones(NUM_SAMPLES), "answer"),
        "dc-below-sound": (sound(NUM_SAMPLES)[:, 0] - 5, "answer"),
        "clipped": (np.clip(20 * sound(NUM_SAMPLES)[:, 0], -1, 1), "answer"),
        "square-wave": (np.sign(np.sin(0.1 * time)), "answer"),
        "half-the-rate": (alternating, "answer"),
        "impulse": (impulse, "answer"),
        "impulse-of-1e12": (1e12 * impulse, "answer"),
        "float32-denormals": (1e-40 * alternating, "answer"),
        "smallest-float32": (float(np.float32(1e-45)) * alternating, "answer"),
        "float64-denormals": (5e-324 * alternating, "answer"),
        "denormals-then-sound": (np.where(time < 2_000, 1e-42, sound(NUM_SAMPLES)[:, 0]), "answer"),
        "integers-as-floats": (np.round(32_767 * sound(NUM_SAMPLES)[:, 0]), "answer"),
        "int32-as-floats": (np.round(2.0**31 * sound(NUM_SAMPLES)[:, 0]), "answer"),
        "loud-1e11": (1e11 * sound(NUM_SAMPLES)[:, 0], "answer"),
        "loud-1e13": (1e13 * alternating, "refused"),
        "loud-3e38": (3e38 * alternating, "refused"),
        "nan-first": (np.where(time == 0, np.nan, 0.1), "refused"),
        "nan-last": (np.where(time == NUM_SAMPLES - 1, np.nan, 0.1), "refused"),
        "nan-everywhere": (np.full(NUM_SAMPLES, np.nan), "refused"),
        "infinite-up": (np.where(time == 100, np.inf, 0.1), "refused"),
        "infinite-down": (np.where(time == 100, -np.inf, 0.1), "refused"),
        "infinite-both": (np.inf * alternating, "refused"),
    }


def odd_signals() -> Iterator[OddSound]:
    """Give odd samples as float and double files, at the model's rate and at another."""
    for name, (waveform, expected) in _waveforms().items():
        for subtype, rate in (("FLOAT", RATE), ("DOUBLE", 44_100)):
            data = encode(waveform, rate, subtype=subtype)
            yield OddSound("signals", f"{name}-{subtype.lower()}.wav", data, expected)
    beyond_float32 = np.full(NUM_SAMPLES, 1e300)
    yield OddSound("signals", "loud-1e300-double.wav", encode(beyond_float32, subtype="DOUBLE"), "refused")
    opposite = np.stack([sound(NUM_SAMPLES)[:, 0], -sound(NUM_SAMPLES)[:, 0]], axis=1)
    yield OddSound("signals", "channels-that-cancel.wav", encode(opposite), "answer")
    overflowing = np.full((NUM_SAMPLES, 2), 3e38)
    yield OddSound("signals", "channels-whose-sum-overflows.wav", encode(overflowing, subtype="FLOAT"), "refused")


def odd_lengths() -> Iterator[OddSound]:
    """Give sounds of no sample, one, one less than an analysis window, a whole one, and more than a model hears."""
    for container in SHORT_CONTAINERS:
        for num_samples in (0, 1, 399):
            # lossy codecs come back with a few samples more or fewer
            expected: Expected = "either" if num_samples == 399 and container in ("OGG", "MP3") else "refused"
            data = encode(sound(num_samples), format=container)
            yield OddSound("lengths", f"{num_samples}samples.{container.lower()}", data, expected)
    for num_samples in (400, 401, 2_560, RATE, 13 * RATE):
        yield OddSound("lengths", f"{num_samples}samples.wav", encode(sound(num_samples)), "answer")
    yield OddSound("lengths", "13-seconds-of-8-channels.flac", encode(sound(13 * RATE, 8), format="FLAC"), "answer")
