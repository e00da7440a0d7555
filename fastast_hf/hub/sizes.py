"""Whether the sizes that a config.json tells are those of the weights beside it: told in words, and before a model is built."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from fastast_hf.hub.safe_weights import weight_shapes
from fastast_hf.model import FastASTConfig, FastASTModel

_COPY_BOTH = "Copy or download its config.json and its model.safetensors again, both from one place."


def check_sizes(name: str, config_dict: dict[str, Any], merging: dict[str, Any]) -> None:
    """Refuse a config.json of a larger model than its weights, before that takes all time and memory to build.

    Args:
        name: Folder, or name on the Hub.
        config_dict: What its config.json says.
        merging: Fields of the merge schedule that replace its own.

    Raises:
        OSError: The weights cannot be read or reached.
        SafetensorError: They are cut short or are none.
        ValueError: The sizes are impossible, or more than there are weights for.
    """
    shapes = weight_shapes(name, config_dict)
    num_weights = sum(math.prod(shape) for shape in shapes)
    if not shapes:
        return  # there are words for it
    for field, most in (("num_hidden_layers", len(shapes)), ("num_labels", num_weights)):
        if isinstance(number := config_dict.get(field), int) and number > most:
            raise ValueError(f"`{field}` must be that of the weights, got {number} in {name}. {_COPY_BOTH}")
    config = FastASTConfig.from_pretrained(name, **merging)
    try:
        with torch.device("meta"):  # shapes alone
            needed = sum(parameter.numel() for parameter in FastASTModel(config).parameters())
    except (ArithmeticError, RuntimeError, TypeError) as error:  # below zero, beyond 64 bits, nothing left for a head
        raise ValueError(
            f"`model` must have possible sizes in its config.json, got {name}, of which no model can be built "
            f"({str(error).splitlines()[0]}). {_COPY_BOTH}"
        ) from error
    if needed > num_weights:
        raise ValueError(
            f"`model` must have the sizes of its weights in its config.json, got {name}, where a model of {needed:,} parameters is "
            f"described beside {num_weights:,} weights. {_COPY_BOTH}"
        )


def check_only_head_is_new(name: str, loading_info: Mapping[str, Any], *, argument: str = "model") -> None:
    """Refuse a start of which anything but the classifier is drawn anew, since its weights are missing or of other sizes.

    Args:
        name: Folder, or name on the Hub, that was loaded.
        loading_info: What `from_pretrained(..., output_loading_info=True)` tells.
        argument: What the message calls the checkpoint.

    Raises:
        ValueError: Naming what would be drawn.
    """
    drawn = {*loading_info["missing_keys"], *(key for key, *_ in loading_info["mismatched_keys"])}
    others = sorted(key for key in drawn if not key.startswith("classifier."))
    if others:
        raise ValueError(
            f"`{argument}` must have weights for all but its classifier, of the sizes in its config.json, got {name} without "
            f"{len(others)} of them, such as {others[0]}. {_COPY_BOTH}"
        )


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
