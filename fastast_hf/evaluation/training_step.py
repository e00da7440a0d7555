"""A step of training as something to call, so that it can be measured like a forward pass."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer

from fastast_hf.evaluation.runtimes import Forward

LossOf = Callable[[Tensor], Tensor]
"""Takes `input_values` (batch, frames, mels), gives a loss, a scalar with a gradient."""


def training_step(loss_of: LossOf, optimizer: Optimizer) -> Forward:
    """Make a step of training: forward, backward, optimizer.

    Args:
        loss_of: What is trained, in training mode. Whatever else belongs to a step, such as a teacher's answers, belongs here.
        optimizer: Of its parameters. Its first step makes what it remembers of them.

    Returns:
        A call that trains on a batch, under `torch.inference_mode()`, too, and gives the loss before the step.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(1))
        >>> step = training_step(lambda batch: (weight * batch).sum(), torch.optim.SGD([weight], lr=0.1))
        >>> step(torch.ones(1)), weight.item()
        (tensor(1.), 0.8999999761581421)
    """

    def step(input_values: Tensor) -> Tensor:
        with torch.inference_mode(mode=False), torch.enable_grad():
            loss = loss_of(input_values)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            return loss.detach()

    return step
