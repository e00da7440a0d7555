"""How many tokens each layer merges: the arithmetic of a schedule, and what makes one impossible. Pure functions."""

import math
from numbers import Real
from typing import Any, NamedTuple

NUM_SPECIAL_TOKENS = 2
"""CLS and AST's distillation token, always at 0 and 1."""


class MergeSchedule(NamedTuple):
    """What token merging does at each layer, for one input length.

    Attributes:
        tokens_merged: tokens merged away by each layer, one int a layer.
        tokens_left: tokens that leave each layer, the two special tokens included, one int a layer.
    """

    tokens_merged: tuple[int, ...]
    tokens_left: tuple[int, ...]


def plan_merges(
    num_patches: int,
    num_layers: int,
    *,
    merge_ratio: float | list[float],
    tokens_merged_per_layer: int | list[int] | None,
) -> MergeSchedule:
    """Count the tokens that each layer merges and leaves.

    A layer merges what it is asked to, but at most half of the patch tokens that enter it: each token of one half can
    merge into one of the other half.

    Args:
        num_patches: patch tokens that enter the first layer.
        num_layers: layers.
        merge_ratio: share of its patch tokens that a layer merges away, in [0, 0.5], one or one a layer.
        tokens_merged_per_layer: tokens to merge away instead, one or one a layer, or None.

    Returns:
        The schedule, one entry a layer.

    Example:
    ```python
    >>> plan_merges(10, 3, merge_ratio=0.0, tokens_merged_per_layer=4)
    MergeSchedule(tokens_merged=(4, 3, 1), tokens_left=(8, 5, 4))

    ```
    """
    tokens_merged, tokens_left = [], []
    for layer in range(num_layers):
        if tokens_merged_per_layer is None:
            wanted = _share(at_layer(merge_ratio, layer), num_patches)
        else:
            wanted = at_layer(tokens_merged_per_layer, layer)
        merged = min(wanted, num_patches // 2)
        num_patches -= merged
        tokens_merged.append(merged)
        tokens_left.append(num_patches + NUM_SPECIAL_TOKENS)
    return MergeSchedule(tuple(tokens_merged), tuple(tokens_left))


def check_merging(
    num_patches: int,
    num_layers: int,
    *,
    max_length: int,
    merge_ratio: Any,
    tokens_merged_per_layer: Any,
) -> None:
    """Refuse merging fields that contradict each other or that no layer can follow.

    Args:
        num_patches: patch tokens of a spectrogram of `max_length` frames, which a list of counts must be possible for.
        num_layers: layers.
        max_length: frames of that spectrogram, for the message.
        merge_ratio: what stands in the field of that name.
        tokens_merged_per_layer: what stands in the field of that name.

    Raises:
        TypeError: if a field holds anything but numbers.
        ValueError: if a value is out of range, a list has another length, or both fields are set. The message names
            the layer.
    """
    ratios = _one_per_layer("merge_ratio", merge_ratio, num_layers, Real)
    for layer, ratio in enumerate(ratios):
        if not 0 <= ratio <= 0.5:
            raise ValueError(
                f"`merge_ratio` must be between 0 and 0.5, got {ratio} at layer {layer}. A layer can merge at most half "
                "of its patch tokens."
            )
    if tokens_merged_per_layer is None:
        return
    if any(ratios):
        raise ValueError(
            f"`merge_ratio` and `tokens_merged_per_layer` must not both be set, got {merge_ratio} and "
            f"{tokens_merged_per_layer}. Leave one of them out; a ratio of 0 counts as left out."
        )
    for layer, count in enumerate(_one_per_layer("tokens_merged_per_layer", tokens_merged_per_layer, num_layers, int)):
        most = num_patches // 2
        if count < 0:
            raise ValueError(
                f"`tokens_merged_per_layer` must not be negative, got {count} at layer {layer}. 0 merges nothing."
            )
        # One number for all layers is a ceiling; a list says exactly what it wants.
        if isinstance(tokens_merged_per_layer, list) and count > most:
            raise ValueError(
                f"`tokens_merged_per_layer` must be at most half of a layer's patch tokens, got {count} at layer {layer}, "
                f"which {num_patches} patch tokens enter at `max_length` = {max_length}. Give it at most {most}, or fewer "
                "to the layers before."
            )
        num_patches -= min(count, most)


def at_layer(value: Any, layer: int) -> Any:
    """Read a field that holds one value for all layers or one a layer."""
    return value[layer] if isinstance(value, list) else value


def _share(ratio: float, num_patches: int) -> int:
    """Round a share of the patches down to whole tokens."""
    # torch.compile turns a float that has changed into a symbol and breaks on its arithmetic; text stays a constant.
    ratio = float.fromhex(float(ratio).hex())
    # 0.29 * 100 is 28.999999999999996: what is a whole number on paper stays one.
    return math.floor(ratio * num_patches + 1e-6)


def _one_per_layer(name: str, value: Any, num_layers: int, kind: type) -> list[Any]:
    """Spell out one value for all layers, or check a list of one a layer."""
    values = value if isinstance(value, list) else [value] * num_layers
    for layer, entry in enumerate(values):
        if not isinstance(entry, kind) or isinstance(entry, bool):
            what, example = ("an int", 40) if kind is int else ("a number", 0.25)
            raise TypeError(
                f"`{name}` must be {what} or a list of one a layer, got {entry!r} at layer {layer}. Give a value like "
                f"{example}."
            )
    if len(values) != num_layers:
        raise ValueError(
            f"`{name}` must have one value for each of the {num_layers} layers, got {len(values)}: the first layer without "
            f"a partner is layer {min(len(values), num_layers)}. Give a list of that length; with another "
            "`num_hidden_layers`, make a new configuration from both."
        )
    return values


__all__ = ["NUM_SPECIAL_TOKENS", "MergeSchedule", "at_layer", "check_merging", "plan_merges"]
