"""From waveforms to scores of labels: the feature extractor, the model, and what its logits mean."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from fastast_hf.classification.results import LabelScore


def input_arguments(model: PreTrainedModel, feature_extractor: Any, padding: str | None) -> dict[str, Any]:
    """Say how a feature extractor is called for a model.

    Args:
        model: A FastAST, an AST, or one like it.
        feature_extractor: A FastASTFeatureExtractor, an ASTFeatureExtractor, or one like it.
        padding: `"longest"`, `"max_length"`, or None for the first where both can do it.

    Returns:
        Its arguments beside the waveforms.

    Raises:
        ValueError: If `padding` is another word, or `"longest"` and one of the two cannot do it.
    """
    extractor_takes = inspect.signature(feature_extractor.__call__).parameters
    # what torch.compile gives takes anything, and hands it to the model inside
    model_takes = inspect.signature(getattr(model, "_orig_mod", model).forward).parameters
    can_leave_out = "padding" in extractor_takes and "num_frames" in model_takes
    if padding not in (None, "longest", "max_length"):
        raise ValueError(
            f'`padding` must be "longest", "max_length" or None, got {padding!r}. None computes as little padding as the '
            "model allows."
        )
    if padding == "longest" and not can_leave_out:
        raise ValueError(
            '`padding` must be "max_length" or None for a model or a feature extractor that knows no `num_frames`, got '
            f'"longest" for {type(model).__name__} and {type(feature_extractor).__name__}. Load the model as '
            "FastASTForAudioClassification and its features as FastASTFeatureExtractor."
        )
    arguments = {"sampling_rate": feature_extractor.sampling_rate, "return_tensors": "pt"}
    arguments["padding"] = padding or ("longest" if can_leave_out else "max_length")
    return arguments | ({"device": model.device} if "device" in extractor_takes else {})


def model_inputs(
    feature_extractor: Any, waveforms: Sequence[np.ndarray], arguments: Mapping[str, Any], model: PreTrainedModel
) -> dict[str, torch.Tensor]:
    """Compute the features of a batch, on the model's device and in its dtype.

    Args:
        feature_extractor: See `input_arguments`.
        waveforms: (samples,) float32 each.
        arguments: What `input_arguments` gave.
        model: Takes them.

    Returns:
        The model's arguments: `input_values`, and `num_frames` where padding is left out.
    """
    features = feature_extractor(list(waveforms), **arguments)
    inputs = {"input_values": features["input_values"].to(model.device, model.dtype)}
    if arguments["padding"] == "longest":
        inputs["num_frames"] = features["num_frames"]
    return inputs


@torch.inference_mode()
def label_probabilities(model: PreTrainedModel, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Run a model on a batch.

    As in transformers' pipeline: a multi-label model has a sigmoid for each label, a regression its logits, and every other
    model a softmax, also one whose config does not name its `problem_type`.

    Args:
        model: In eval mode.
        inputs: Its arguments.

    Returns:
        Scores (batch, labels) float32.
    """
    logits = model(**inputs).logits.float()  # (B, L)
    if model.config.problem_type == "regression":
        return logits
    if model.config.problem_type == "multi_label_classification":
        return logits.sigmoid()
    return logits.softmax(dim=-1)


def best_labels(scores: torch.Tensor, id2label: Mapping[int, str], top_k: int | None) -> list[tuple[LabelScore, ...]]:
    """Name the best labels of each clip.

    Args:
        scores: (batch, labels).
        id2label: Names of the labels.
        top_k: Labels of a clip; None or more than there are for all.

    Returns:
        Labels and scores of each clip, best first.

    Raises:
        ValueError: If a score is NaN or infinite: such labels are in no order, and JSON has no word for them.

    Example:
        >>> best_labels(torch.tensor([[0.25, 0.75]]), {0: "cat", 1: "dog"}, 1)
        [(LabelScore(label='dog', score=0.75),)]
    """
    num_wrong = int((~scores.isfinite()).sum())
    if num_wrong:
        raise ValueError(
            f"`scores` must be finite numbers, got {num_wrong} of {scores.numel()} that are not. Look for NaN in the weights of "
            "the model; if they are sound, compute in float32."
        )
    num_labels = scores.shape[-1]
    values, ids = scores.topk(num_labels if top_k is None else min(top_k, num_labels), dim=-1)
    return [
        tuple(LabelScore(id2label[index], value) for index, value in zip(clip_ids, clip_values, strict=True))
        for clip_ids, clip_values in zip(ids.tolist(), values.tolist(), strict=True)
    ]


def check_at_least_1(**arguments: int) -> None:
    """Refuse numbers of things, such as `top_k`, that are less than one.

    Args:
        arguments: Their values by name.

    Raises:
        ValueError: If one is less than 1.
    """
    for name, value in arguments.items():
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1, got {value}. Leave it out for the default.")
