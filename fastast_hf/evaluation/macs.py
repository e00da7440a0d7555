"""Multiply-accumulates of one forward pass: counted while it runs, or worked out for a merge schedule.

torch's flop counter counts, with attention as plain products: it knows no fused attention on a CPU.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fastast_hf.evaluation.inference import inference


def count_macs(model: nn.Module, input_values: torch.Tensor) -> int:
    """Count the multiply-accumulates of one forward pass.

    Counted are linear layers, convolutions (for AST the patch embedding) and every matrix product: both attention
    products and, in a model that merges tokens, the scores of its matching. Softmax, norms, activations and the
    moving of tokens are not; they cost time and no multiply-accumulates.

    Source: `torch.utils.flop_counter`, two operations a multiply-accumulate. It has no entry for the CPU's fused
    attention and would count nothing there, so attention runs as its two plain products (`SDPBackend.MATH`) here.

    Args:
        model: Any model that takes `input_values` as its only argument. It runs in eval mode, and uncompiled: the
            kernels of a compiled model are no products that could be counted.
        input_values: One batch, for AST `(batch, frames, mels)`. The count is that of the whole batch.

    Returns:
        Multiply-accumulates of the whole batch.

    Raises:
        ValueError: If `input_values` lies on an MPS device, whose attention the counter cannot see.

    Example:
        >>> count_macs(nn.Linear(8, 4), torch.zeros(2, 8))
        64
    """
    model = getattr(model, "_orig_mod", model)  # what `torch.compile` wrapped; `model.compile()` is left to the stance
    with inference(model):
        return count_call_macs(model, input_values)


def count_call_macs(call: Callable[[torch.Tensor], Any], input_values: torch.Tensor) -> int:
    """Count the multiply-accumulates of whatever runs on a batch, such as a step of training, as `count_macs` does.

    Args:
        call: What runs once.
        input_values: One batch.

    Returns:
        Multiply-accumulates of the whole batch, backward passes included.

    Raises:
        ValueError: If `input_values` lies on an MPS device, whose attention the counter cannot see.
    """
    if input_values.device.type == "mps":
        raise ValueError(
            "`input_values` must not lie on an MPS device, got mps. Count on the CPU: the number is the same there."
        )
    counter = FlopCounterMode(display=False)
    with torch.compiler.set_stance("force_eager"), sdpa_kernel(SDPBackend.MATH), counter:
        call(input_values)
    return counter.get_total_flops() // 2


def count_schedule_macs(config: Any, num_patches: int, tokens_merged: Sequence[int]) -> int:
    """Work out what `count_macs` counts for one clip of a FastAST classifier, in microseconds, for any merge schedule.

    Args:
        config: A FastASTConfig. Its own schedule does not matter.
        num_patches: Patch tokens that enter the first layer.
        tokens_merged: Tokens that each layer merges away, one number a layer.

    Returns:
        Multiply-accumulates of one clip.

    Example:
        >>> from transformers import ASTConfig
        >>> round(count_schedule_macs(ASTConfig(num_labels=527), 1212, [0] * 12) / 1e9, 1)
        130.5
    """
    hidden, intermediate, special_tokens = config.hidden_size, config.intermediate_size, 2
    head_dim = hidden // config.num_attention_heads
    macs = num_patches * config.patch_size**2 * hidden + hidden * config.num_labels
    for merged in tokens_merged:
        tokens = num_patches + special_tokens
        macs += 4 * tokens * hidden**2 + 2 * tokens**2 * hidden  # projections; both attention products
        if merged:
            macs += (num_patches - num_patches // 2) * (num_patches // 2) * head_dim  # the scores of the matching
        num_patches -= merged
        macs += 2 * (num_patches + special_tokens) * hidden * intermediate
    return macs
