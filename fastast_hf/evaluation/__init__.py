"""The measuring room: how right, how fast and how much work, for anything with `.logits`."""

from fastast_hf.evaluation.benchmark import (
    Agreement,
    ThroughputResult,
    agreement,
    compare_throughput,
    throughput_table,
)
from fastast_hf.evaluation.environment import environment
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
    "throughput_table",
]
