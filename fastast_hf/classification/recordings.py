"""From a sound file to the clips that a model hears: its beginning, or windows of all of it. Nothing is read ahead of use."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastast_hf.classification.files import SOUND_SUFFIXES
from fastast_hf.data.audio import stream_audio


@dataclass(frozen=True)
class Clip:
    """A piece of a sound file, or what is wrong with the file.

    Attributes:
        path: The file.
        start: Sample at which the piece begins.
        waveform: (samples,) float32 mono; empty where there is an error.
        is_truncated: The file goes on, and no other clip has what follows.
        error: Why the file cannot be read from `start` on, or None.
    """

    path: str
    start: int
    waveform: np.ndarray
    is_truncated: bool = False
    error: OSError | ValueError | None = None


@dataclass(frozen=True)
class Cutting:
    """How recordings become clips.

    Attributes:
        sampling_rate: In Hz.
        window: Samples of a clip, at most.
        hop: Samples from the start of a clip to the start of the next, or None for one clip of a file, its beginning.
        min_samples: Samples of the shortest clip, one analysis window.
    """

    sampling_rate: int
    window: int
    hop: int | None
    min_samples: int


def read_clips(path: str | os.PathLike[str], cutting: Cutting) -> Iterator[Clip]:
    """Read a sound file as clips, in the order of time.

    Args:
        path: Sound file.
        cutting: How it is cut.

    Yields:
        Its clips; last of all, if the file cannot be read or not to its end, one with the error.
    """
    path = os.fspath(path)
    samples_read = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal samples_read
        for block in stream_audio(path, sampling_rate=cutting.sampling_rate):
            samples_read += len(block)
            yield block

    try:
        _check_is_no_folder(path)
        if cutting.hop is None:
            waveform, is_truncated = beginning(blocks(), cutting.window)
            yield Clip(path, 0, waveform, is_truncated)
        else:
            windows = sliding_windows(blocks(), cutting.window, cutting.hop, min_samples=cutting.min_samples)
            for start, waveform in windows:
                yield Clip(path, start, waveform)
    except (OSError, ValueError) as error:
        yield Clip(path, samples_read, np.zeros(0, dtype=np.float32), error=error)


def _check_is_no_folder(path: str) -> None:
    """Say of a folder, which came as itself because it holds no sound, what is missing in it."""
    if Path(path).is_dir():
        raise IsADirectoryError(
            f"`files` must be sounds or folders of sounds, got the folder {path!r}, where none is called like one. Name the "
            f"files themselves, or give them an ending such as {', '.join(sorted(SOUND_SUFFIXES)[-4:])}."
        )


def beginning(blocks: Iterable[np.ndarray], num_samples: int) -> tuple[np.ndarray, bool]:
    """Take the first samples of a recording, and read no further than that takes.

    Args:
        blocks: The recording, (samples,) each.
        num_samples: Samples to take.

    Returns:
        At most so many samples, and whether the recording goes on.
    """
    taken: list[np.ndarray] = []
    missing = num_samples
    for block in blocks:
        taken.append(block[:missing])
        missing -= len(taken[-1])
        if len(block) > len(taken[-1]):
            return np.concatenate(taken), True
    return np.concatenate(taken), False


def sliding_windows(
    blocks: Iterable[np.ndarray], window: int, hop: int, *, min_samples: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Cut a recording into windows while it is read.

    A window starts every `hop` samples as long as there is sound that no window before has. So the last one may be
    shorter, and has what is there; a rest of fewer than `min_samples` is dropped.

    Args:
        blocks: The recording, (samples,) each.
        window: Samples of a window.
        hop: Samples from the start of a window to that of the next, at least 1. More than `window` leaves gaps.
        min_samples: Samples that the last window must have.

    Yields:
        The start of a window in samples, and the window.

    Example:
        >>> [(start, len(part)) for start, part in sliding_windows([np.zeros(25)], 10, 10, min_samples=2)]
        [(0, 10), (10, 10), (20, 5)]
    """
    kept = np.zeros(0, dtype=np.float32)
    kept_from = start = 0  # samples from the beginning of the recording
    end_of_last = 0
    for block in blocks:
        kept = np.concatenate([kept, block])
        while kept_from + len(kept) >= start + window:
            # a copy, or each window would keep a whole block alive
            yield start, kept[start - kept_from : start - kept_from + window].copy()
            end_of_last = start + window
            start += hop
        passed = min(start - kept_from, len(kept))
        kept, kept_from = kept[passed:], kept_from + passed
    rest = kept[start - kept_from :]
    if kept_from + len(kept) > end_of_last and len(rest) >= min_samples:
        yield start, rest
