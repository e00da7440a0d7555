"""The measuring room: how right, how fast and how much work, for anything with `.logits`."""

from fastast_hf.evaluation.benchmark import (
    Agreement,
    ThroughputResult,
    agreement,
    compare_throughput,
)
from fastast_hf.evaluation.environment import environment, without_machine_path
from fastast_hf.evaluation.inference import inference
from fastast_hf.evaluation.macs import count_macs
from fastast_hf.evaluation.metrics import compute_metrics

__all__ = [
    "Agreement",
    "ThroughputResult",
    "agreement",
    "compare_throughput",
    "compute_metrics",
    "count_macs",
    "environment",
    "inference",
    "without_machine_path",
]
