"""Run models as they run in use: eval mode, no gradients."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def inference(*models: nn.Module) -> Iterator[None]:
    """Put models into eval mode without gradients, and every submodule back into its own mode afterwards.

    Args:
        models: The models to run inside the `with` block.
    """
    modes = {module: module.training for model in models for module in model.modules()}
    for model in models:
        model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in modes.items():
            # Not `.train(...)`: that would reach into submodules which had a mode of their own.
            module.training = training
