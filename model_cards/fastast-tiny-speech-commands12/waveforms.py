"""What a feature extractor is given becomes waveforms that it can use, or words for what is none."""

from typing import Any

import numpy as np
import torch

LOUDEST = 1e12
"""The largest sample: far above what any recording holds, far below where the power of a window leaves float32."""


def check_waveforms(raw_speech: Any, *, min_samples: int) -> list[np.ndarray]:
    """Turn what a feature extractor is given into waveforms that it can use, or say why not.

    Args:
        raw_speech: See [`FastASTFeatureExtractor.__call__`].
        min_samples: Samples that a clip must have.

    Returns:
        One (samples,) float32 array a clip, finite. A float32 array comes back as it is, not as a copy.

    Raises:
        TypeError: See [`FastASTFeatureExtractor.__call__`].
        ValueError: See [`FastASTFeatureExtractor.__call__`].

    Example:
        >>> check_waveforms(np.array([-32768, 16384], dtype=np.int16), min_samples=1)
        [array([-1. ,  0.5], dtype=float32)]
    """
    clips = _split_clips(raw_speech, min_samples)
    places = [""] if len(clips) == 1 else [f" in clip {index} of {len(clips)}" for index in range(len(clips))]
    return [_check_waveform(clip, place, min_samples) for clip, place in zip(clips, places, strict=True)]


def _split_clips(raw_speech: Any, min_samples: int) -> list[Any]:
    """Tell one clip from several, as AST does: a list of numbers or one axis is a clip, two axes are (clips, samples)."""
    if isinstance(raw_speech, list | tuple):
        if len(raw_speech) > 0 and _as_array(raw_speech[0]).ndim == 0:
            return [raw_speech]
        clips = list(raw_speech)
    else:
        samples = _as_array(raw_speech)
        if samples.ndim == 0:
            raise TypeError(
                "`raw_speech` must be an array, a tensor or a list of numbers or clips, got "
                f"{type(raw_speech).__name__}. Decode a file first, for example with `soundfile.read`; of a dict, give "
                "the array."
            )
        if samples.ndim == 2 and samples.shape[1] == 1 and samples.shape[0] >= min_samples:
            samples = samples[:, 0]
        is_stereo = samples.ndim == 2 and samples.shape[1] < min_samples <= samples.shape[0]  # or it were short clips
        if is_stereo or samples.ndim > 2:
            raise ValueError(_not_mono(samples, ""))
        clips = [samples] if samples.ndim == 1 else list(samples)
    if not clips:
        raise ValueError("`raw_speech` must hold at least one clip, got none. Give the samples of a clip.")
    return clips


def _check_waveform(clip: Any, place: str, min_samples: int) -> np.ndarray:
    """Turn one clip into a finite float32 waveform (S,)."""
    waveform = _to_float32(_as_array(clip), place)
    if waveform.ndim == 2 and 1 in waveform.shape:
        waveform = waveform.reshape(-1)
    if waveform.ndim != 1:
        raise ValueError(_not_mono(waveform, place))
    if len(waveform) < min_samples:
        raise ValueError(
            f"`raw_speech` must hold at least {min_samples} samples, one analysis window, got {len(waveform)}{place}. "
            "Leave the clip out, or pad it with zeros."
        )
    bad = int(np.count_nonzero(~np.isfinite(waveform)))
    if bad:
        raise ValueError(
            f"`raw_speech` must hold finite samples, got {bad} NaN or infinite ones of {len(waveform)}{place}. Leave the "
            "clip out, or record it again."
        )
    if np.abs(waveform).max() > LOUDEST:
        raise ValueError(
            f"`raw_speech` must hold samples from about -1 to 1, got {np.abs(waveform).max():g}{place}. Divide integers that "
            "were read as floats by their full scale, or record the clip again."
        )
    return waveform


def _as_array(clip: Any) -> np.ndarray:
    """Bring a clip of any kind to NumPy, its type kept where NumPy has it."""
    if isinstance(clip, torch.Tensor):
        clip = clip.detach().cpu()
        return (clip.float() if clip.dtype == torch.bfloat16 else clip).numpy()
    try:
        return np.asarray(clip)
    except ValueError as error:
        raise ValueError(
            f"`raw_speech` must hold clips that are lists of numbers, got one that NumPy cannot read ({error}). Give each "
            "clip as (samples,)."
        ) from error


def _to_float32(samples: np.ndarray, place: str) -> np.ndarray:
    """Bring floats and the integers of sound files to float32; integers from their full scale to [-1, 1)."""
    kind, num_bytes = samples.dtype.kind, samples.dtype.itemsize
    if kind == "f":
        with np.errstate(over="ignore"):  # what is too large for float32 is told as infinite
            return samples.astype(np.float32, copy=False)
    if (kind == "i" and num_bytes <= 4) or (kind == "u" and num_bytes == 1):
        full_scale = np.float32(2 ** (8 * num_bytes - 1))
        zero = full_scale if kind == "u" else np.float32(0)
        return (samples.astype(np.float32) - zero) / full_scale
    raise TypeError(
        f"`raw_speech` must hold floats or int8, int16, int32 or uint8, got {samples.dtype}{place}. Convert the samples to "
        "floats from -1 to 1, or 16-bit ones with `numpy.asarray(samples, dtype=numpy.int16)`."
    )


def _not_mono(samples: np.ndarray, place: str) -> str:
    """Say that a clip has channels, and how to average them."""
    message = f"`raw_speech` must be mono, got samples of shape {samples.shape}{place}. "
    if samples.ndim != 2:
        return message + "Give each clip as (samples,)."
    axis = int(np.argmin(samples.shape))
    return message + f"Average the channels, `x.mean({axis})`, of integers with `.astype(x.dtype)` behind it."


__all__ = ["LOUDEST", "check_waveforms"]
