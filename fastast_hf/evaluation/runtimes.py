"""A model as something to call: run eagerly, compiled, or by ONNX Runtime.

What comes out takes `input_values` and gives logits, and is called under `torch.inference_mode()`; the models are in eval
mode.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn

Runtime = Literal["eager", "compiled", "onnxruntime"]
RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)

Forward = Callable[[torch.Tensor], torch.Tensor]
"""Takes `input_values` (batch, frames, mels), gives logits (batch, labels)."""


def eager_forward(model: nn.Module) -> Forward:
    """Run a model as it is.

    Args:
        model: Anything with `.logits` in its output.

    Returns:
        The call.
    """
    return lambda input_values: model(input_values).logits


def compiled_forward(model: nn.Module) -> Forward:
    """Run a model compiled: the first call with a shape compiles, which takes from seconds to minutes.

    One graph a shape: with a symbol for the length, compiling takes minutes.

    On CUDA the kernels are replayed as CUDA graphs (`mode="reduce-overhead"`). The logits then lie where the next call
    writes its own: copy what is to stay.

    It raises torch.compile's `recompile_limit` to its `accumulated_recompile_limit`, for the whole process and for good:
    many models of one class share a limit that is meant for one.

    Args:
        model: Anything with `.logits` in its output, on its device.

    Returns:
        The call. A model that is no single graph raises at the first one.
    """
    # Models of one class share their code, and with it the limit.
    config = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, config.accumulated_recompile_limit)
    on_cuda = next(model.parameters()).is_cuda
    # On a CPU, calling the kernels from C++ takes a tenth off a small model's latency.
    how: dict[str, Any] = {"mode": "reduce-overhead"} if on_cuda else {"options": {"cpp_wrapper": True}}
    # Each shape has a graph of its own: with a symbol for the batch the kernels would be slower.
    compiled = torch.compile(model, fullgraph=True, dynamic=False, **how)
    return lambda input_values: compiled(input_values).logits


def check_compiler(device: torch.device) -> None:
    """Find out before the measuring whether torch.compile finds the compiler that it needs on a CPU.

    Args:
        device: Where the compiled models run. On others than the CPU it is for Triton to tell.

    Raises:
        ImportError: If there is none.
    """
    if device.type != "cpu":
        return
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise ImportError(
            "`runtime` compiled needs a C++ compiler on the CPU, got none. Install one, such as g++, or name yours in the "
            "environment variable CXX."
        ) from error


def onnxruntime_forward(path: str | Path) -> Forward:
    """Run an ONNX file on the CPU, with as many threads as torch uses.

    Tensors pass without a copy, as arrays do in a program without torch.

    Args:
        path: A file that takes `input_values` float32 and gives `logits`.

    Returns:
        The call; it takes float32 tensors on the CPU.

    Raises:
        ImportError: If onnxruntime is not installed.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that wait for the next call by spinning would slow whatever runs in between.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def forward(input_values: torch.Tensor) -> torch.Tensor:
        (logits,) = session.run(["logits"], {"input_values": input_values.numpy()})
        return torch.from_numpy(logits)

    return forward
