"""Position embeddings for another spectrogram length: cut or interpolate the patch grid, as AST does.

Source: Gong et al., "AST: Audio Spectrogram Transformer" (arXiv 2104.01778), section 2.2, and its released code: a grid
that is too long is cut from its middle, one that is too short is interpolated bilinearly, each axis for itself.
"""

import math
from typing import Any

import torch
from torch.nn import functional as F
from transformers.core_model_loading import ConversionOps, WeightConverter

from .merge_schedule import NUM_SPECIAL_TOKENS


def fit_position_grid(grid: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Cut or interpolate a grid of position embeddings.

    Args:
        grid: (frequency, time, hidden) floating point.
        shape: the frequency and time patches wanted.

    Returns:
        (frequency, time, hidden) of the shape wanted, in the dtype of `grid`.
    """
    for axis, length in enumerate(shape):
        if length <= grid.shape[axis]:
            # The released code takes half of each length, rounded down, from the middle.
            grid = grid.narrow(axis, grid.shape[axis] // 2 - length // 2, length)
        else:
            size = [length if other == axis else grid.shape[other] for other in (0, 1)]
            image = grid.float().permute(2, 0, 1).unsqueeze(0)  # (1, D, F, T)
            grid = F.interpolate(image, size=size, mode="bilinear")[0].permute(1, 2, 0).to(grid.dtype)
    return grid


def fit_position_embeddings(
    table: torch.Tensor, patch_grid: tuple[int, int], *, source_frequency_patches: int | None = None
) -> torch.Tensor:
    """Fit a checkpoint's position embeddings to another patch grid.

    Args:
        table: (1, 2 + patches, hidden), the special tokens' rows first, then the grid with time running fastest.
        patch_grid: the frequency and time patches wanted.
        source_frequency_patches: frequency patches of the checkpoint; those of `patch_grid` if not given.

    Returns:
        (1, 2 + frequency * time, hidden).

    Raises:
        ValueError: if the table holds no whole number of time patches.
    """
    frequency = source_frequency_patches or patch_grid[0]
    num_patches = table.shape[1] - NUM_SPECIAL_TOKENS
    if num_patches <= 0 or num_patches % frequency:
        raise ValueError(
            f"`position_embeddings` must hold a whole number of rows of {frequency} frequency patches, got {num_patches} "
            "patches. Give the checkpoint's own `num_mel_bins`, `patch_size` and `frequency_stride`."
        )
    special, grid = table[0].split([NUM_SPECIAL_TOKENS, num_patches])
    fitted = fit_position_grid(grid.unflatten(0, (frequency, num_patches // frequency)), patch_grid)
    return torch.cat([special, fitted.flatten(0, 1)]).unsqueeze(0)


def first_columns(table: torch.Tensor, patch_grid: tuple[int, int], num_columns: int) -> torch.Tensor:
    """Take the position embeddings of a spectrogram that ends earlier.

    Args:
        table: (1, 2 + frequency * time, hidden).
        patch_grid: its frequency and time patches.
        num_columns: time patches wanted, at most those of the grid.

    Returns:
        (1, 2 + frequency * num_columns, hidden).
    """
    special, grid = table.split([NUM_SPECIAL_TOKENS, math.prod(patch_grid)], dim=1)
    return torch.cat([special, grid.unflatten(1, patch_grid)[:, :, :num_columns].flatten(1, 2)], dim=1)


class FitPositionEmbeddings(ConversionOps):
    """Fit the position embeddings while a checkpoint loads, so that `max_length` is a keyword like any other.

    So are the strides and `num_mel_bins`: a configuration that was read from the checkpoint remembers its grid so long.
    """

    def convert(
        self, input_dict: dict[str, Any], source_patterns: list[str], target_patterns: list[str], **kwargs: Any
    ) -> dict[str, torch.Tensor]:
        """Fit the one tensor given; the model being loaded says to which grid."""
        (tensors,) = input_dict.values()
        table = tensors[0] if isinstance(tensors, list) else tensors
        # The embeddings' own configuration: the model that loads may hold a FastAST beside other things.
        config = kwargs["model"].get_submodule(kwargs["full_layer_name"].rpartition(".")[0]).config
        checkpoint_grid = config.__dict__.pop("_checkpoint_patch_grid", None)  # it describes this file alone
        if checkpoint_grid is None:  # the configuration came from elsewhere: only the number of patches can tell
            fits = table.shape[1] == NUM_SPECIAL_TOKENS + math.prod(config.patch_grid)
            checkpoint_grid = config.patch_grid
        else:
            fits = checkpoint_grid == config.patch_grid
        if not fits:
            table = fit_position_embeddings(table, config.patch_grid, source_frequency_patches=checkpoint_grid[0])
        return {target_patterns[0]: table}

    @property
    def reverse_op(self) -> ConversionOps:
        """Write the table as it is: saving changes no length."""
        return KeepPositionEmbeddings()


class KeepPositionEmbeddings(ConversionOps):
    """Write position embeddings as they are."""

    def convert(
        self, input_dict: dict[str, Any], source_patterns: list[str], target_patterns: list[str], **kwargs: Any
    ) -> dict[str, Any]:
        """Pass the tensor on."""
        return input_dict

    @property
    def reverse_op(self) -> ConversionOps:
        """Fit them when they are read."""
        return FitPositionEmbeddings()


def position_embeddings_converter() -> WeightConverter:
    """Describe the fit to transformers' checkpoint loader."""
    name = "embeddings.position_embeddings"
    return WeightConverter(source_patterns=name, target_patterns=name, operations=[FitPositionEmbeddings()])


__all__ = [
    "FitPositionEmbeddings",
    "KeepPositionEmbeddings",
    "first_columns",
    "fit_position_embeddings",
    "fit_position_grid",
    "position_embeddings_converter",
]
