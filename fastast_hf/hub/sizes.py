"""Whether the sizes that a config.json tells are those of the weights beside it: told in words, and before a model is built."""

import math
from collections.abc import Iterator
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


@contextmanager
def sizes_in_words(name: str) -> Iterator[None]:
    """Say what is wrong with weights of other sizes than config.json names, which transformers lists in its log.

    Args:
        name: Folder, or name on the Hub, that the block loads.

    Raises:
        ValueError: In place of transformers' own error.
    """
    try:
        yield
    except RuntimeError as error:
        if "ignore_mismatched_sizes" not in str(error):
            raise
        raise ValueError(
            f"`model` must have the sizes of its weights in its config.json, got {name} with others, as listed above. {_COPY_BOTH}"
        ) from error
