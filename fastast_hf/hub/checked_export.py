"""A FastAST as an ONNX file that was held to the model itself before it took its place."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch

from fastast_hf.hub.export import check_export_tools, export_onnx
from fastast_hf.model import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.model.log_mel import samples_of_frames
from fastast_hf.writing import naming

MOST_DIFFERENCE = 1e-4
"""How far a logit of the file may be from the model's."""

# Another number than the exporter's two, which a file could have taken for the only one.
_CLIPS_OF_CHECK = 3
# Where two pairs of tokens are alike to the last bits, rounding decides which of them merges. Of DeiT's weights that is so
# in one noise of 13; a file that is wrong is so in all of them.
_TRIES = 5


class CheckedExport(NamedTuple):
    """A file, and how it was checked.

    Attributes:
        path: The file.
        largest_difference: Of two logits, on the noises that it was accepted by.
        differences_beyond: The largest differences on noises before them, where it was further off.
    """

    path: Path
    largest_difference: float
    differences_beyond: tuple[float, ...]


def export_checked_onnx(
    model: FastASTForAudioClassification, path: Path, *, feature_extractor: FastASTFeatureExtractor
) -> CheckedExport:
    """Write a classifier as an ONNX file if the file answers as the model does, on one of five batches of noise.

    Args:
        model: In eval mode, float32, on the CPU.
        path: The file; its folder is made if it is not there. What was there before stays unless the check is passed.
        feature_extractor: The model's.

    Returns:
        What was found.

    Raises:
        ImportError: If what it needs is not installed.
        OSError: If the file cannot be written.
        ValueError: If it answers otherwise, or `export_onnx` refuses.
    """
    check_export_tools("onnx", "onnxscript", "onnxruntime")
    beyond: list[float] = []
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f"_{path.name}.", dir=path.parent) as folder, naming(path, aside=folder):
        aside = export_onnx(model, Path(folder) / path.name, feature_extractor=feature_extractor)
        for seed in range(_TRIES):
            difference = largest_difference(aside, model, feature_extractor, seed=seed)
            if difference <= MOST_DIFFERENCE:
                _move_into_place(aside, path)
                return CheckedExport(path, difference, tuple(beyond))
            beyond.append(difference)  # a NaN, too
    raise ValueError(
        f"`output` must answer as the model does, to {MOST_DIFFERENCE:g}, got logits that are {difference:.1e} off. "
        f"{path} was not written; please report the model and the versions of torch and onnxruntime."
    )


def largest_difference(
    path: Path, model: FastASTForAudioClassification, feature_extractor: FastASTFeatureExtractor, *, seed: int = 0
) -> float:
    """Run a file and its model on the same clips, noises as long as the model hears, alone and as a batch.

    Args:
        path: The ONNX file.
        model: In eval mode, float32, on the CPU.
        feature_extractor: The model's.
        seed: Of the noises.

    Returns:
        The largest difference of two logits.
    """
    import onnxruntime

    rate = feature_extractor.sampling_rate
    num_samples = samples_of_frames(feature_extractor.max_length, rate)
    noises = np.random.default_rng(seed).uniform(-0.5, 0.5, (_CLIPS_OF_CHECK, num_samples))
    inputs = feature_extractor(noises, sampling_rate=rate, return_tensors="pt", padding="max_length")["input_values"]
    with torch.inference_mode():
        expected = model(inputs).logits.numpy()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    differences = [
        np.abs(session.run(["logits"], {"input_values": inputs[:size].numpy()})[0] - expected[:size])
        for size in (1, _CLIPS_OF_CHECK)
    ]
    return float(np.concatenate(differences).max())


def _move_into_place(aside: Path, path: Path) -> None:
    """Rename a file that was checked, and before it that of its weights, which it names, if there is one."""
    weights = aside.with_name(f"{aside.name}.data")
    if weights.exists():
        weights.replace(path.with_name(weights.name))
    aside.replace(path)


__all__ = ["MOST_DIFFERENCE", "CheckedExport", "export_checked_onnx", "largest_difference"]
