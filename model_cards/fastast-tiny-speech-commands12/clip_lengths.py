"""Clips of different lengths in one batch: which tokens are sound, and what each clip merges. Pure functions on tensors.

A clip's patches fill the first columns of its batch's grid; the patches behind them are padding. Token merging deals the
tokens of a clip by their order, so they are brought to the front, where they stand as they would without padding.
"""

import torch

from .merge_schedule import NUM_SPECIAL_TOKENS, at_layer


def real_tokens(
    num_frames: torch.Tensor, patch_grid: tuple[int, int], *, patch_size: int, time_stride: int
) -> torch.Tensor:
    """Tell tokens of sound from tokens of padding.

    A patch is real if it lies wholly inside its clip's frames. A clip that is shorter than a patch has one column of them.

    Args:
        num_frames: (batch,) integers, frames of each clip.
        patch_grid: patches of the batch's spectrogram along frequency and along time.
        patch_size: frames of a patch.
        time_stride: frames from one patch to the next.

    Returns:
        (batch, 2 + patches) bool, the special tokens first, which are real.
    """
    frequency, time = patch_grid
    columns = torch.div(num_frames - patch_size, time_stride, rounding_mode="floor") + 1
    patches = torch.arange(time, device=num_frames.device) < columns.clamp(min=1)[:, None]  # (B, T)
    special = patches.new_ones(patches.shape[0], NUM_SPECIAL_TOKENS)
    return torch.cat([special, patches[:, None].expand(-1, frequency, -1).flatten(1)], dim=1)


def real_tokens_first(is_real: torch.Tensor) -> torch.Tensor:
    """Order tokens so that special tokens stay, patches of sound follow and padding comes last, each in their old order.

    Args:
        is_real: (batch, 2 + patches) bool.

    Returns:
        (batch, 2 + patches) int64: the old place of each token.
    """
    special = is_real.new_ones(is_real.shape[0], NUM_SPECIAL_TOKENS)
    rank = torch.cat([special, is_real[:, NUM_SPECIAL_TOKENS:]], dim=1).to(torch.uint8)
    return rank.argsort(dim=1, descending=True, stable=True)


def plan_merges_of_clips(
    num_patches: torch.Tensor,
    num_layers: int,
    *,
    merge_ratio: float | list[float],
    tokens_merged_per_layer: int | list[int] | None,
) -> list[torch.Tensor]:
    """Count the tokens that each clip merges at each layer, as `plan_merges` does for one length.

    Args:
        num_patches: (batch,) int64, patches of each clip.
        num_layers: layers.
        merge_ratio: see `plan_merges`.
        tokens_merged_per_layer: see `plan_merges`.

    Returns:
        (batch,) int64, one a layer.
    """
    merges = []
    for layer in range(num_layers):
        if tokens_merged_per_layer is None:
            wanted = (num_patches.double() * at_layer(merge_ratio, layer) + 1e-6).floor().long()
        else:
            wanted = torch.full_like(num_patches, at_layer(tokens_merged_per_layer, layer))
        merged = torch.minimum(wanted, num_patches // 2)
        num_patches = num_patches - merged
        merges.append(merged)
    return merges


__all__ = ["plan_merges_of_clips", "real_tokens", "real_tokens_first"]
