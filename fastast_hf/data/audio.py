"""Decode, mix down and resample: any sound file becomes float32 mono at the model's rate.

soundfile decodes (WAV, FLAC, Ogg Vorbis, Opus, MP3, AIFF, ...) and soxr resamples. `datasets.Audio` is only ever used
with `decode=False`: its decoder needs torchcodec and FFmpeg, whose wheels do not load beside every torch.
"""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
import soxr

AudioSource = str | os.PathLike[str] | bytes | BinaryIO | Mapping[str, Any]
"""A path, the bytes of a sound file, an open binary file, or the dict `{"bytes", "path"}` of `Audio(decode=False)`."""


def load_audio(source: AudioSource, *, sampling_rate: int = 16_000) -> np.ndarray:
    """Read a sound as mono float32 at one sampling rate.

    Channels are averaged, so a mono file and its stereo copy read the same. Integer files come as floats in [-1, 1];
    float files keep their scale. A WAV or MP3 file that was cut short reads as the part that is there.

    Args:
        source: Path, bytes of a sound file, open binary file, or a `{"bytes", "path"}` dict, where bytes win.
        sampling_rate: Rate of the result in Hz.

    Returns:
        Waveform of shape (samples,), float32, finite, at least one sample.

    Raises:
        FileNotFoundError: The path does not exist.
        TypeError: `source` is none of the kinds above.
        ValueError: The file cannot be decoded, holds no samples, or holds NaN or infinite samples.
    """
    file, name = _open(source)
    samples, file_rate = _decode(file, name)  # (S, C)
    waveform = resample(mix_down(samples), file_rate, sampling_rate)
    _check_samples(waveform, name)
    return waveform


def mix_down(samples: np.ndarray) -> np.ndarray:
    """Average the channels of a recording.

    Args:
        samples: Floats of shape (samples, channels), the layout of soundfile.

    Returns:
        Waveform of shape (samples,), float32.
    """
    return samples.mean(axis=1, dtype=np.float32)  # (S, C) -> (S,)


def resample(waveform: np.ndarray, source_rate: int, target_rate: int) -> np.ndarray:
    """Resample a mono waveform with soxr at its high-quality setting.

    Args:
        waveform: Shape (samples,), float32.
        source_rate: Rate of `waveform` in Hz.
        target_rate: Rate of the result in Hz.

    Returns:
        Shape (about samples * target_rate / source_rate,), float32; `waveform` itself where the rates agree.

    Raises:
        ValueError: `target_rate` is not positive.

    >>> resample(np.zeros(44_100, dtype=np.float32), 44_100, 16_000).shape
    (16000,)
    """
    if target_rate <= 0:
        raise ValueError(
            f"`sampling_rate` must be a positive number of Hz, got {target_rate}. "
            "Pass the `sampling_rate` of the feature extractor."
        )
    if source_rate == target_rate:
        return waveform
    return soxr.resample(waveform, source_rate, target_rate, quality="HQ")


def _open(source: AudioSource) -> tuple[BinaryIO | Path, str]:
    """Return what soundfile opens, and the name by which errors call it."""
    if isinstance(source, Mapping):
        return _open_mapping(source)
    if isinstance(source, bytes):
        return io.BytesIO(source), f"<{len(source)} bytes>"
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"`source` must be an existing sound file, got {str(path)!r}. Check the path.")
        return path, repr(str(path))
    if hasattr(source, "read"):
        return source, repr(getattr(source, "name", source))
    raise TypeError(
        "`source` must be a path, bytes, a binary file or a {'bytes', 'path'} dict, "
        f"got {type(source).__name__}. Waveforms that are arrays already need no decoding, only `resample`."
    )


def _open_mapping(source: Mapping[str, Any]) -> tuple[BinaryIO | Path, str]:
    data, path = source.get("bytes"), source.get("path")
    if data is not None:
        return io.BytesIO(data), repr(path) if path else f"<{len(data)} bytes>"
    if path is not None:
        return _open(path)
    raise ValueError(
        f"`source` must hold 'bytes' or a 'path', got a dict with the keys {sorted(source)}. "
        "Cast the column to `datasets.Audio(decode=False)`."
    )


def _decode(file: BinaryIO | Path, name: str) -> tuple[np.ndarray, int]:
    """Decode a whole file to float32 samples (S, C) and its rate in Hz."""
    try:
        return soundfile.read(file, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise ValueError(
            f"`source` must be a complete sound file that libsndfile decodes, got {name} ({error}). "
            "Check that it is audio and was copied whole; convert other formats, "
            "for example with `ffmpeg -i in.m4a out.wav`."
        ) from error


def _check_samples(waveform: np.ndarray, name: str) -> None:
    """Refuse a waveform that no feature extractor can use."""
    if waveform.size == 0:
        raise ValueError(
            f"`source` must hold at least one sample, got {name} with none. Remove the file or copy it again."
        )
    bad = int(np.count_nonzero(~np.isfinite(waveform)))
    if bad:
        raise ValueError(
            f"`source` must hold finite samples, got {name} with {bad} NaN or infinite samples of {waveform.size}. "
            "Write the file again, for example as 16-bit PCM."
        )
