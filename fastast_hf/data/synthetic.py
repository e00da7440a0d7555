"""A built-in set of generated sound events, for trying the whole path without a download.

Ten classes that differ by how a sound changes over time and not by which frequencies it holds: pitch, onset, length,
level and background are drawn for each clip, and classes that belong together share their long-term spectrum. A linear
probe on the log-mel spectrogram therefore fails, and a model that sees shapes succeeds.
"""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

Event = Callable[[np.random.Generator, int, int], np.ndarray]
"""Makes one event: (random generator, number of samples, sampling rate in Hz) -> samples of about unit level."""

EVAL_EVERY = 5
"""One clip in five is for evaluation."""


def make_synthetic_dataset(
    directory: str | os.PathLike[str],
    *,
    clips_per_class: int = 100,
    seed: int = 0,
    seconds: float = 1.28,
    sampling_rate: int = 16_000,
    snr_db: tuple[float, float] = (5.0, 25.0),
) -> Path:
    """Write generated sound events and their labels as an audiofolder.

    `load_audio_dataset(directory, split_column="split")` reads it. One clip in five has the split "test", the others
    "train". The same arguments give the same bytes; more clips per class keep the clips of fewer.

    Args:
        directory: Folder to write to; it is made, and files of an earlier call are overwritten.
        clips_per_class: Clips of each of the ten classes, at least 5.
        seed: Seed of everything that is drawn.
        seconds: Length of a clip, at least 0.5 s; 1.28 s fit an AST with `max_length=128`.
        sampling_rate: In Hz, at least 8,000.
        snr_db: Lowest and highest level of the event over its background, in dB.

    Returns:
        The directory. It holds WAV files (16-bit) in one folder a class, and metadata.csv with the columns file_name,
        label and split.

    Raises:
        ValueError: An argument is below its minimum.
    """
    for name, value, minimum in (
        ("clips_per_class", clips_per_class, EVAL_EVERY),
        ("seconds", seconds, 0.5),
        ("sampling_rate", sampling_rate, 8_000),
    ):
        if value < minimum:
            raise ValueError(f"`{name}` must be at least {minimum}, got {value}. Raise it.")
    directory = Path(directory)
    rows = []
    for label in EVENTS:
        (directory / label).mkdir(parents=True, exist_ok=True)
        for index in range(clips_per_class):
            clip = make_clip(label, index, seed=seed, seconds=seconds, sampling_rate=sampling_rate, snr_db=snr_db)
            file_name = f"{label}/{index:05d}.wav"
            soundfile.write(directory / file_name, clip, sampling_rate, subtype="PCM_16")
            rows.append((file_name, label, "train" if index % EVAL_EVERY else "test"))
    with (directory / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("file_name", "label", "split"), *rows])
    return directory


def make_clip(
    label: str, index: int, *, seed: int, seconds: float, sampling_rate: int, snr_db: tuple[float, float]
) -> np.ndarray:
    """Generate one clip: an event at a random time in coloured noise.

    Args:
        label: One of `EVENTS`.
        index: Number of the clip within its class.
        seed: Seed of the set; with label and index it decides the clip.
        seconds: Length in seconds.
        sampling_rate: In Hz.
        snr_db: Range of the event's level over its background in dB.

    Returns:
        Waveform of shape (seconds * sampling_rate,), float64, in (-1, 1).
    """
    rng = np.random.default_rng([seed, list(EVENTS).index(label), index])
    num_samples = round(seconds * sampling_rate)
    length = round(rng.uniform(0.45, 0.8) * num_samples)
    onset = rng.integers(num_samples - length + 1)
    event = EVENTS[label](rng, length, sampling_rate)
    clip = _coloured_noise(rng, num_samples)
    clip[onset : onset + length] += event / _rms(event) * 10 ** (rng.uniform(*snr_db) / 20)
    return clip / np.abs(clip).max() * rng.uniform(0.1, 0.9)


def _chirp(shape: Callable[[np.ndarray], np.ndarray]) -> Event:
    """Return a tone whose pitch moves over one to two octaves as `shape` says, from 0 (low) to 1 (high)."""

    def event(rng: np.random.Generator, length: int, sampling_rate: int) -> np.ndarray:
        low, high = _pitch_range(rng)
        return _tone(low * (high / low) ** shape(_progress(length)), sampling_rate)

    return event


def _pulses(rate: tuple[float, float]) -> Event:
    """Return a tone that is on half of the time, in pulses at a rate in Hz drawn from a range."""

    def event(rng: np.random.Generator, length: int, sampling_rate: int) -> np.ndarray:
        low, high = _pitch_range(rng)
        phase = rng.uniform(*rate) * np.arange(length) / sampling_rate + rng.uniform()
        envelope = _smooth((phase % 1 < 0.5).astype(float), sampling_rate)
        return envelope * _tone(np.full(length, np.sqrt(low * high)), sampling_rate)

    return event


def _noise_burst(envelope: Callable[[np.ndarray], np.ndarray]) -> Event:
    """Return coloured noise whose level follows `envelope`, from 0 (40 dB down) to 1."""

    def event(rng: np.random.Generator, length: int, sampling_rate: int) -> np.ndarray:
        return _coloured_noise(rng, length) * 10 ** (2 * (envelope(_progress(length)) - 1))

    return event


def _vibrato(rng: np.random.Generator, length: int, sampling_rate: int) -> np.ndarray:
    """Glide between two pitches and back, 4 to 7 times a second."""
    return _tone(_swing(rng, length, sampling_rate, lambda wave: wave), sampling_rate)


def _two_tones(rng: np.random.Generator, length: int, sampling_rate: int) -> np.ndarray:
    """Jump between two pitches and back, 4 to 7 times a second."""
    return _tone(_swing(rng, length, sampling_rate, np.sign), sampling_rate)


EVENTS: dict[str, Event] = {
    "decaying_noise": _noise_burst(lambda t: 1 - t),
    "fall_then_rise": _chirp(lambda t: np.abs(2 * t - 1)),
    "falling_chirp": _chirp(lambda t: 1 - t),
    "fast_pulses": _pulses((14.0, 22.0)),
    "growing_noise": _noise_burst(lambda t: t),
    "rise_then_fall": _chirp(lambda t: 1 - np.abs(2 * t - 1)),
    "rising_chirp": _chirp(lambda t: t),
    "slow_pulses": _pulses((4.0, 8.0)),
    "two_tone_alternation": _two_tones,
    "vibrato": _vibrato,
}
"""The ten classes, sorted by name."""


def _pitch_range(rng: np.random.Generator) -> tuple[float, float]:
    """Draw a low pitch and one that is one to two octaves higher, in Hz, below 3,200."""
    low = 200 * 4 ** rng.uniform()
    return low, low * 2 ** rng.uniform(1, 2)


def _swing(
    rng: np.random.Generator, length: int, sampling_rate: int, shape: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return pitches in Hz that swing over a third to two thirds of an octave as `shape` bends a sine."""
    low, high = _pitch_range(rng)
    wave = np.sin(2 * np.pi * (rng.uniform(4, 7) * np.arange(length) / sampling_rate + rng.uniform()))
    return np.sqrt(low * high) * 2 ** (rng.uniform(1 / 6, 1 / 3) * shape(wave))


def _tone(frequency: np.ndarray, sampling_rate: int) -> np.ndarray:
    """Return a sine that follows a pitch in Hz, with an overtone and soft ends."""
    phase = 2 * np.pi * np.cumsum(frequency) / sampling_rate
    ends = np.clip(np.minimum(np.arange(len(phase)), np.arange(len(phase))[::-1]) / (0.01 * sampling_rate), 0, 1)
    return (np.sin(phase) + 0.3 * np.sin(2 * phase)) * ends


def _coloured_noise(rng: np.random.Generator, length: int) -> np.ndarray:
    """Return noise of unit level between white and brown: its power falls with frequency to a power from 0 to 2."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum *= np.maximum(np.arange(len(spectrum)), length / 400) ** (-rng.uniform(0, 2) / 2)
    noise = np.fft.irfft(spectrum, length)
    return noise / _rms(noise)


def _progress(length: int) -> np.ndarray:
    """Return the time within an event, from 0 to 1."""
    return np.linspace(0, 1, length)


def _smooth(envelope: np.ndarray, sampling_rate: int) -> np.ndarray:
    """Round the edges of an envelope over 4 ms, so that they do not click."""
    width = round(0.004 * sampling_rate)
    return np.convolve(envelope, np.full(width, 1 / width), mode="same")


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples**2)))
