"""A classifier and what belongs to it, from a folder or the Hub, ready to listen; and where it can compute."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import ASTConfig

from fastast_hf.hub.checkpoints import checkpoint_config
from fastast_hf.hub.sizes import check_sizes, check_whole_classifier, sizes_in_words
from fastast_hf.model import FastASTConfig, FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.progress import late_bars

_PROJECT = Path(__file__).parents[2]
_PROBLEM_TYPES = (None, "single_label_classification", "multi_label_classification")


def load_classifier(
    name: str,
    *,
    merge_ratio: float | list[float] | None = None,
    tokens_merged_per_layer: int | list[int] | None = None,
    device: str | None = None,
    dtype: str = "float32",
) -> tuple[FastASTForAudioClassification, FastASTFeatureExtractor]:
    """Load a FastAST or AST classifier with its feature extractor.

    Code that comes with a checkpoint is not run: this package has it.

    Args:
        name: Folder, or name on the Hub.
        merge_ratio: Replaces the checkpoint's merge schedule, see FastASTConfig.
        tokens_merged_per_layer: Does so, too. Only one of them can be given.
        device: As torch names it. Default: the accelerator that torch finds, else the CPU.
        dtype: Of the weights, as torch names it.

    Returns:
        The model in eval mode, on the device, and its feature extractor.

    Raises:
        OSError: If there is no such checkpoint, or it cannot be read or reached.
        ValueError: If it is no classifier of these kinds, its config.json is none or does not fit its weights, its feature
            extractor is that of another model, the schedule is impossible, or torch cannot compute on such a device here.
    """
    torch_device = find_device(device)
    config_dict = classifier_config(name)
    merging = merging_fields(merge_ratio, tokens_merged_per_layer)
    feature_extractor = FastASTFeatureExtractor.from_pretrained(name)
    try:
        check_sizes(name, config_dict, merging)
        with late_bars(), sizes_in_words(name):
            loaded: Any = FastASTForAudioClassification.from_pretrained(
                name, dtype=getattr(torch, dtype), output_loading_info=True, **merging
            )
    except SafetensorError as error:
        raise ValueError(
            f"`model` must hold whole weights, got {name}: {error}. Copy or download its model.safetensors again."
        ) from error
    model, loading_info = loaded
    check_whole_classifier(name, loading_info)
    _check_answers(model.config, name)
    _check_feature_extractor(feature_extractor, model.config, name)
    return model.to(torch_device).eval(), feature_extractor


def classifier_config(name: str) -> dict[str, Any]:
    """Read the config.json of a checkpoint, and refuse those that are no AST or FastAST.

    transformers would load them as far as names match, and leave the rest at random.

    Args:
        name: Folder, or name on the Hub.

    Returns:
        Its fields.

    Raises:
        OSError: If there is no such checkpoint, it has none, or the Hub does not answer.
        ValueError: If it is another model's.
    """
    config = checkpoint_config(name)
    if not config:
        raise OSError(
            f"`model` must have a config.json, got {name} without. Name the folder that a model was saved into."
        )
    model_type = config.get("model_type")
    if model_type not in (ASTConfig.model_type, FastASTConfig.model_type):
        raise ValueError(
            f"`model` must be an AST or a FastAST, got {name}, whose config.json names the type {model_type}. Give another "
            "checkpoint."
        )
    return config


def embedded_model() -> str:
    """Find the model that comes with a checkout of the project, a small one for the ten sounds of ESC-10.

    Returns:
        Its folder.

    Raises:
        ValueError: If there is none: an installed package has no weights.
    """
    folder = _PROJECT / "model_cards" / "fastast-tiny-esc10"
    if not (folder / "model.safetensors").is_file():
        raise ValueError(
            "`model` must be given, got none: only a checkout of the project has a model of its own. Name a folder, or an AST "
            "or FastAST on the Hub such as MIT/ast-finetuned-audioset-10-10-0.4593."
        )
    return str(folder)


def merging_fields(
    merge_ratio: float | list[float] | None, tokens_merged_per_layer: int | list[int] | None
) -> dict[str, Any]:
    """Give the fields of a FastASTConfig that replace a checkpoint's merge schedule, of either kind.

    Args:
        merge_ratio: See FastASTConfig, or None.
        tokens_merged_per_layer: See FastASTConfig, or None.

    Returns:
        Both fields, or none if neither is given.

    Raises:
        ValueError: If both are given.

    Example:
        >>> merging_fields(None, 40)
        {'merge_ratio': 0.0, 'tokens_merged_per_layer': 40}
    """
    if merge_ratio is None and tokens_merged_per_layer is None:
        return {}
    if merge_ratio is not None and tokens_merged_per_layer is not None:
        raise ValueError(
            f"`merge_ratio` must be left out beside `tokens_merged_per_layer`, got {merge_ratio} and "
            f"{tokens_merged_per_layer}. Give the one or the other."
        )
    return {"merge_ratio": merge_ratio or 0.0, "tokens_merged_per_layer": tokens_merged_per_layer}


def find_device(name: str | None) -> torch.device:
    """Find a device that works.

    Args:
        name: As torch names it, or None for the accelerator that torch finds, else the CPU.

    Returns:
        The device.

    Raises:
        ValueError: If torch cannot compute on such a device here.
    """
    if name is None:
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        # The log-mel's transform is in float64, which Apple's GPUs do not have.
        return torch.device("cpu") if accelerator is None or accelerator.type == "mps" else accelerator
    try:
        probe = torch.ones(1, device=name)
        probe.item()  # "meta" is a device, too, but has no numbers
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"`device` must be one that torch computes on here, got {name}: {error}. Leave it out for the fastest that "
            "there is."
        ) from None
    return probe.device


def _check_answers(config: FastASTConfig, name: str) -> None:
    """Refuse a model whose answers are no scores of labels, and would be taken for some."""
    if config.problem_type not in _PROBLEM_TYPES:
        raise ValueError(
            f"`problem_type` must be {' or '.join(filter(None, _PROBLEM_TYPES))} in the config.json of a classifier, or left out, "
            f"got {config.problem_type!r} in {name}. Give a checkpoint that was trained to tell labels apart."
        )
    if not config.return_dict:
        raise ValueError(
            f"`return_dict` must be true in config.json, got {config.return_dict} in {name}. Remove it there: who wants a tuple "
            "gives `return_dict=False` to a call."
        )


def _check_feature_extractor(feature_extractor: FastASTFeatureExtractor, config: FastASTConfig, name: str) -> None:
    """Refuse one whose spectrograms the model would refuse, in the middle of the work."""
    frames, mel_bins = feature_extractor.max_length, feature_extractor.num_mel_bins
    if not config.patch_size <= frames <= config.max_length or mel_bins != config.num_mel_bins:
        raise ValueError(
            f"`model` must have a feature extractor with a `max_length` from {config.patch_size} to {config.max_length} and "
            f"`num_mel_bins` = {config.num_mel_bins}, got {frames} and {mel_bins} in {name}. Save the one that the model was "
            "trained with beside it."
        )
