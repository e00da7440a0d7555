"""Multiply-accumulates of one forward pass, counted while it runs."""

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
    if input_values.device.type == "mps":
        raise ValueError(
            "`input_values` must not lie on an MPS device, got mps. Count on the CPU: the number is the same there."
        )
    model = getattr(model, "_orig_mod", model)  # what `torch.compile` wrapped; `model.compile()` is left to the stance
    counter = FlopCounterMode(display=False)
    with inference(model), torch.compiler.set_stance("force_eager"), sdpa_kernel(SDPBackend.MATH), counter:
        model(input_values)
    return counter.get_total_flops() // 2
