"""Whether a config.json fits the weights beside it: told in words, and as far as can be before a model is built."""

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from textwrap import shorten
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError

from fastast_hf.hub.checkpoints import checkpoint_config
from fastast_hf.hub.safe_weights import check_adapter, weight_shapes
from fastast_hf.model import FastASTConfig, FastASTModel
from fastast_hf.model.adapters import path_of_base

_COPY_BOTH = "Copy or download its config.json and its model.safetensors again, both from one place."

_CLASSIFIER = ("classifier.dense.weight", "classifier.dense.bias")

# What transformers and torch raise for fields that they cannot build of, beside errors in words. RecursionError is one, too.
_NOT_BUILT = (ArithmeticError, AttributeError, LookupError, RuntimeError, StrictDataclassError, TypeError)


def check_sizes(name: str, config_dict: dict[str, Any], merging: dict[str, Any], **download: Any) -> None:
    """Refuse a config.json of no model, or of a larger one than its weights, which would take all time and memory to build.

    Of a repository on the Hub with an adapter, transformers opens the model that the adapter names, whatever else is in it.

    Args:
        name: Folder, or name on the Hub, of a trained classifier.
        config_dict: What its config.json says.
        merging: Fields of the merge schedule that replace its own.
        **download: `cache_dir`, `revision` and `token`.

    Raises:
        OSError: The weights cannot be read or reached.
        SafetensorError: They are cut short or are none.
        ValueError: The sizes or other fields are impossible, or more than there are weights for, there is no classifier, or
            the adapter is one that `check_adapter` refuses.
    """
    base = path_of_base(name, **download)
    if base != name:
        config_dict = checkpoint_config(base, **download)
    check_adapter(name, config_dict, download)
    shapes = weight_shapes(base, config_dict, **download)
    if not shapes:
        return  # there are words for it
    _check_none_missing(base, {*_CLASSIFIER} - shapes.keys(), "model")
    num_weights = sum(map(math.prod, shapes.values()))
    num_labels = math.prod(shapes[_CLASSIFIER[0]][:1])
    for field, most in (("num_hidden_layers", len(shapes)), ("num_labels", num_labels)):
        if isinstance(number := config_dict.get(field), int) and number > most:
            raise ValueError(f"`{field}` must be that of the weights, got {number} in {base}. {_COPY_BOTH}")
    with _built_in_words(base):
        config = FastASTConfig.from_pretrained(base, **merging, **download)
        with torch.device("meta"):  # shapes alone
            needed = sum(parameter.numel() for parameter in FastASTModel(config).parameters())
    if needed > num_weights:
        raise ValueError(
            f"`model` must have the sizes of its weights in its config.json, got {base}, where a model of {needed:,} parameters is "
            f"described beside {num_weights:,} weights. {_COPY_BOTH}"
        )


def check_whole_classifier(name: str, loading_info: Mapping[str, Any], *, argument: str = "model") -> None:
    """Refuse a classifier of which weights are missing, or have no place: it would answer, and wrongly.

    Args:
        name: Folder, or name on the Hub, that was loaded.
        loading_info: What `from_pretrained(..., output_loading_info=True)` tells.
        argument: What the message calls the checkpoint.

    Raises:
        ValueError: Naming the weights.
    """
    _check_none_missing(name, loading_info["missing_keys"], argument)
    _check_none_left(name, loading_info["unexpected_keys"], argument)


def check_only_head_is_new(name: str, loading_info: Mapping[str, Any], *, argument: str = "model") -> None:
    """Refuse a start of which anything but the classifier is drawn anew or left out.

    Its weights are missing, of other sizes, or without a place.

    Args:
        name: Folder, or name on the Hub, that was loaded.
        loading_info: What `from_pretrained(..., output_loading_info=True)` tells.
        argument: What the message calls the checkpoint.

    Raises:
        ValueError: Naming what would be drawn or left out.
    """
    drawn = {*loading_info["missing_keys"], *(key for key, *_ in loading_info["mismatched_keys"])}
    if others := _but_classifier(drawn):
        raise ValueError(
            f"`{argument}` must have weights for all but its classifier, of the sizes in its config.json, got {name} without "
            f"{len(others)} of them, such as {others[0]}. {_COPY_BOTH}"
        )
    _check_none_left(name, _but_classifier(loading_info["unexpected_keys"]), argument)


@contextmanager
def sizes_in_words(name: str, *, argument: str = "model") -> Iterator[None]:
    """Say what is wrong with weights of other sizes than config.json names, which transformers lists in its log.

    Args:
        name: Folder, or name on the Hub, that the block loads.
        argument: What the message calls it.

    Raises:
        ValueError: In place of transformers' own error.
    """
    try:
        yield
    except RuntimeError as error:
        if "ignore_mismatched_sizes" not in str(error):
            raise
        raise ValueError(
            f"`{argument}` must have the sizes of its weights in its config.json, got {name} with others, as listed above. "
            f"{_COPY_BOTH}"
        ) from error


@contextmanager
def _built_in_words(name: str) -> Iterator[None]:
    """Say of which checkpoint no model can be built. The block does nothing else: what it raises is the file's fault."""
    try:
        yield
    except _NOT_BUILT as error:
        if str(error).startswith("`"):  # in words, of a value of another type
            raise ValueError(str(error)) from error
        raise ValueError(
            f"`model` must have possible sizes and settings in its config.json, got {name}, of which no model can be built "
            f"({type(error).__name__}: {shorten(str(error), 200)}). {_COPY_BOTH}"
        ) from error


def _check_none_missing(name: str, missing: Collection[str], argument: str) -> None:
    if missing:
        raise ValueError(
            f"`{argument}` must be a trained classifier, got {name} without {', '.join(sorted(missing))}. Give a checkpoint that was "
            "fine-tuned for audio classification, as examples/distill.py does it."
        )


def _check_none_left(name: str, left: Collection[str], argument: str) -> None:
    if left:
        raise ValueError(
            f"`{argument}` must have a place for all of its weights in its config.json, got {name} with {len(left)} too many, "
            f"such as {min(left)}. {_COPY_BOTH}"
        )


def _but_classifier(names: Collection[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("classifier."))
