"""The sounds of a measurement or a search: which files, whether they are whole, and their features."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch

from fastast_hf.classification import find_sound_files
from fastast_hf.data import load_audio
from fastast_hf.hub.markdown import printable
from fastast_hf.model import FastASTFeatureExtractor
from fastast_hf.progress import late_bar

T = TypeVar("T")

_ENOUGH = "A hundred of all kinds of sound make a good search."


class ReadableSounds(NamedTuple):
    """The features of sounds, without what cannot be read.

    Attributes:
        features: (clips, max_length, mels) float32 of the others, in their order; at least one clip.
        unreadable: Why each of those cannot be read, by its path; both are printable.
    """

    features: torch.Tensor
    unreadable: dict[str, str]


class ReadableFiles(NamedTuple):
    """Sound files, without what cannot be read.

    Attributes:
        paths: The others, in their order; at least one.
        unreadable: As in `ReadableSounds`.
    """

    paths: list[Path]
    unreadable: dict[str, str]


def choose_sound_files(folder: Path, limit: int, *, least: int = 1, option: str = "data_dir") -> list[Path]:
    """Choose sound files, spread evenly over a folder: classes often lie one after the other.

    Args:
        folder: Searched with all that is below it.
        limit: Most files to choose, at least 1.
        least: Fewest files that are enough, at least 1.
        option: What the user calls the folder.

    Returns:
        The files, in the order of their names. What only looks like one, such as a link to nothing, is among them: whoever
        opens it is told.

    Raises:
        ValueError: If there is no sound file, there are too few, or the limit is none.
    """
    if limit < 1:
        raise ValueError(f"`limit` must be at least 1, got {limit}. Leave it out for the default.")
    # a folder without any comes as itself
    paths = [path for path in find_sound_files(folder) if path != folder or path.is_file()]
    if not paths:
        raise ValueError(f"`{option}` must hold sound files, got none in {folder}. Check the path.")
    if len(paths) < least:
        raise ValueError(f"`{option}` must hold at least {least} sound files, got {len(paths)} in {folder}. {_ENOUGH}")
    count = min(limit, len(paths))
    return [paths[index * len(paths) // count] for index in range(count)]


def check_sounds_are_apart(searched: Sequence[Path], judging: Sequence[Path] = ()) -> None:
    """Refuse sounds that would judge what was found on them.

    Args:
        searched: Sound files of a search.
        judging: Those that judge it.

    Raises:
        ValueError: If a file is among both, under whatever name.
    """
    # Path.resolve fails at a link to itself, which is told as a sound that cannot be read
    common = set(map(os.path.realpath, searched)) & set(map(os.path.realpath, judging))
    if common:
        raise ValueError(
            f"`check_dir` must hold other sounds than `data_dir`, got {len(common)} that are in both, such as "
            f"{Path(min(common)).name}. Name a folder of sounds that the search does not see."
        )


def readable_sound_files(paths: Sequence[Path], *, option: str = "data_dir") -> ReadableFiles:
    """Decode sounds once, to find what is broken before anything is measured.

    Args:
        paths: Sound files, at least one.
        option: What the user calls where the files are.

    Returns:
        Those that can be read to their end, and what is wrong with the others.

    Raises:
        ValueError: If no file can be read.
    """

    def decode(path: Path) -> Path:
        load_audio(path)
        return path

    return ReadableFiles(*_read_each(paths, decode, desc="Checking", option=option))


def padded_spectrograms(paths: Sequence[Path], feature_extractor: FastASTFeatureExtractor) -> torch.Tensor:
    """Compute the features of sound files as AST's are.

    Args:
        paths: Sound files.
        feature_extractor: What computes them.

    Returns:
        (clips, max_length, mels) float32, padded or cut to what the model hears.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If a file is no complete sound, naming it.
    """
    return torch.cat([_padded_spectrogram(path, feature_extractor) for path in late_bar(paths, desc="Features")])


def readable_spectrograms(
    paths: Sequence[Path], feature_extractor: FastASTFeatureExtractor, *, option: str = "data_dir"
) -> ReadableSounds:
    """Compute what `padded_spectrograms` does, of all sounds that can be read.

    Args:
        paths: Sound files, at least one.
        feature_extractor: What computes the features.
        option: What the user calls where the files are.

    Returns:
        The features, and what is wrong with the other files.

    Raises:
        ValueError: If no file can be read.
    """
    features, unreadable = _read_each(
        paths, lambda path: _padded_spectrogram(path, feature_extractor), desc="Features", option=option
    )
    return ReadableSounds(torch.cat(features), unreadable)


def check_enough(sounds: ReadableSounds, least: int, *, option: str = "data_dir") -> None:
    """Refuse sounds of which too few could be read.

    Args:
        sounds: What was read.
        least: Fewest clips that are enough.
        option: What the user calls where the files are.

    Raises:
        ValueError: If there are fewer.
    """
    num_read = len(sounds.features)
    if num_read < least:
        raise ValueError(
            f"`{option}` must hold at least {least} sounds that can be read, got {num_read} of "
            f"{num_read + len(sounds.unreadable)}. {_ENOUGH}"
        )


def _read_each(
    paths: Sequence[Path], read: Callable[[Path], T], *, desc: str, option: str
) -> tuple[list[T], dict[str, str]]:
    """Read what can be read, and tell why the others cannot; refuse if none can."""
    found, unreadable = [], {}
    for path in late_bar(paths, desc=desc):
        try:
            found.append(read(path))
        except (OSError, ValueError) as error:
            unreadable[printable(str(path))] = printable(str(error))
    if not found:
        path, why = next(iter(unreadable.items()))
        raise ValueError(
            f"`{option}` must hold a sound that can be read, got {len(paths)} of {len(paths)} that cannot, first {path}: {why}"
        )
    return found, unreadable


def _padded_spectrogram(path: Path, feature_extractor: FastASTFeatureExtractor) -> torch.Tensor:
    """Give (1, max_length, mels) float32."""
    rate = feature_extractor.sampling_rate
    waveform = load_audio(path, sampling_rate=rate)
    return feature_extractor(waveform, sampling_rate=rate, return_tensors="pt", padding="max_length")["input_values"]
