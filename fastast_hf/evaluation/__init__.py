"""The measuring room: how right, how fast and how much work, for anything with `.logits`."""

from fastast_hf.evaluation.agreement import Agreement, agreement
from fastast_hf.evaluation.benchmark import Row, ThroughputResult, compare_throughput
from fastast_hf.evaluation.environment import environment, without_machine_path
from fastast_hf.evaluation.inference import inference
from fastast_hf.evaluation.macs import count_call_macs, count_macs, count_schedule_macs
from fastast_hf.evaluation.metrics import compute_metrics
from fastast_hf.evaluation.paired import McNemar, PairedInterval, mcnemar, paired_interval
from fastast_hf.evaluation.peak_memory import peak_memory_mib
from fastast_hf.evaluation.runtimes import (
    RUNTIMES,
    Forward,
    Runtime,
    check_compiler,
    compiled_forward,
    eager_forward,
    onnxruntime_forward,
)
from fastast_hf.evaluation.training_step import training_step

__all__ = [
    "RUNTIMES",
    "Agreement",
    "Forward",
    "McNemar",
    "PairedInterval",
    "Row",
    "Runtime",
    "ThroughputResult",
    "agreement",
    "check_compiler",
    "compare_throughput",
    "compiled_forward",
    "compute_metrics",
    "count_call_macs",
    "count_macs",
    "count_schedule_macs",
    "eager_forward",
    "environment",
    "inference",
    "mcnemar",
    "onnxruntime_forward",
    "paired_interval",
    "peak_memory_mib",
    "training_step",
    "without_machine_path",
]
