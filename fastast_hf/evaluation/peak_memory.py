"""The most memory that one forward pass takes beside weights and input.

On a CPU it is added up from torch's profiler, since its allocator keeps no counter.
"""

import json
import os
import tempfile
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from fastast_hf.evaluation.runtimes import Forward, Runtime

_MIB = 2**20


def peak_memory_mib(forward: Forward, input_values: torch.Tensor, *, runtime: Runtime = "eager") -> float | None:
    """Measure what one forward pass allocates at most beside weights and input.

    Counted is what torch's allocator hands out: tensors, and the workspaces that kernels ask it for; not what a library
    takes from the system by itself. Run the model once before: a first pass also makes what stays.

    Args:
        forward: What to run.
        input_values: One batch.
        runtime: How `forward` runs.

    Returns:
        MiB; None where nobody keeps count: in ONNX Runtime, in CUDA graphs, whose memory stays theirs, and on devices
        other than CPU and CUDA.
    """
    device = input_values.device.type
    if runtime == "onnxruntime" or (runtime == "compiled" and device == "cuda"):
        return None
    if device == "cuda":
        return _of_cuda_allocator(forward, input_values)
    return _of_cpu_allocator(forward, input_values) if device == "cpu" else None


def _of_cuda_allocator(forward: Forward, input_values: torch.Tensor) -> float:
    """Read the counter that CUDA's allocator keeps."""
    device = input_values.device
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    forward(input_values)
    return (torch.cuda.max_memory_allocated(device) - before) / _MIB


def _of_cpu_allocator(forward: Forward, input_values: torch.Tensor) -> float:
    """Add up what the profiler notes of the CPU's allocator, which keeps no counter of its own."""
    # Kineto, which torch's profiler stands on, writes two lines to stderr a profile below this level. It reads it once.
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        forward(input_values)
    # The profile's own table of events leaves out what is allocated inside an operator; its trace holds all.
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    changes = [(event["ts"], event["args"]["Bytes"]) for event in events if event["name"] == "[memory]"]
    held = peak = 0
    for _, change in sorted(changes, key=lambda entry: entry[0]):  # stable: what has one time stays in order
        held += change
        peak = max(peak, held)
    return peak / _MIB
