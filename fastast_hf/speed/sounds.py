"""The sounds of a measurement or a search: which files, whether they are whole, and their features."""

from collections.abc import Sequence
from pathlib import Path

import torch

from fastast_hf.classification import find_sound_files
from fastast_hf.data import load_audio
from fastast_hf.model import FastASTFeatureExtractor
from fastast_hf.progress import late_bar


def choose_sound_files(folder: Path, limit: int) -> list[Path]:
    """Choose sound files, spread evenly over a folder: classes often lie one after the other.

    Args:
        folder: Searched with all that is below it.
        limit: Most files to choose, at least 1.

    Returns:
        The files, in the order of their names.

    Raises:
        ValueError: If there is no sound file, or the limit is none.
    """
    if limit < 1:
        raise ValueError(f"`limit` must be at least 1, got {limit}. Leave it out for the default.")
    paths = [path for path in find_sound_files(folder) if path.is_file()]
    if not paths:
        raise ValueError(f"`data_dir` must hold sound files, got none in {folder}. Check the path.")
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
    common = {path.resolve() for path in searched} & {path.resolve() for path in judging}
    if common:
        raise ValueError(
            f"`check_dir` must hold other sounds than `data_dir`, got {len(common)} that are in both, such as "
            f"{min(common).name}. Name a folder of sounds that the search does not see."
        )


def check_sound_files(paths: Sequence[Path]) -> None:
    """Decode sounds once, to find what is broken before anything is measured.

    Args:
        paths: Sound files.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If a file is no complete sound, naming it.
    """
    for path in late_bar(paths, desc="Checking"):
        load_audio(path)


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
    rate = feature_extractor.sampling_rate
    features = [
        feature_extractor(
            load_audio(path, sampling_rate=rate), sampling_rate=rate, return_tensors="pt", padding="max_length"
        )["input_values"]
        for path in late_bar(paths, desc="Features")
    ]
    return torch.cat(features)
