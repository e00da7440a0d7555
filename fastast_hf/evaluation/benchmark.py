"""Throughput, latency, memory and work of models, measured side by side in one run.

A machine drifts: it warms up, and others use it. So the models take turns, call by call, and every figure that counts
is a ratio between models that met the same drift.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from fastast_hf.evaluation.inference import inference
from fastast_hf.evaluation.macs import count_macs


@dataclass(frozen=True)
class ThroughputResult:
    """How fast one model is, alone and against the first model of its run.

    Attributes:
        batch_size: Clips per forward pass.
        repeats: Timed forward passes.
        clips_per_second: Throughput at the median latency.
        latency_ms: Median milliseconds of one forward pass of the whole batch.
        latency_iqr_ms: Interquartile range of the same.
        gmacs_per_clip: 1e9 multiply-accumulates per clip, see `count_macs`.
        speed_up: Throughput over the first model's.
        mac_ratio: The first model's multiply-accumulates over this model's.
        share_of_mac_ratio: `speed_up / mac_ratio`: how much of the saved work became saved time.
        peak_memory_mib: On CUDA, the most memory that one forward pass takes beside weights and input; else None.
    """

    batch_size: int
    repeats: int
    clips_per_second: float
    latency_ms: float
    latency_iqr_ms: float
    gmacs_per_clip: float
    speed_up: float
    mac_ratio: float
    share_of_mac_ratio: float
    peak_memory_mib: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Agreement:
    """How close a model's answers are to a reference model's.

    Attributes:
        top_answer: Share of clips with the same best label, 0 to 1.
        mean_kl: KL(reference || model) in nats, mean over clips.
    """

    top_answer: float
    mean_kl: float

    def to_dict(self) -> dict[str, float]:
        """Return the fields as a dictionary for JSON."""
        return asdict(self)


def compare_throughput(
    models: Mapping[str, nn.Module],
    input_values: torch.Tensor,
    *,
    repeats: int = 20,
    warmup: int = 3,
    min_seconds: float = 0.0,
) -> dict[str, ThroughputResult]:
    """Measure models on the same input, in turns: A, B, A, B, ...

    Args:
        models: Models by name, on the device and in the dtype of `input_values`; the first is the baseline.
        input_values: One batch, for AST `(batch, frames, mels)`. All clips count as real.
        repeats: Timed turns, at least 1. At least 20 give a steady median.
        warmup: Turns before the timing starts, at least 0.
        min_seconds: Go on beyond `repeats` until the timed turns have taken this long, all models together.

    Returns:
        One result per model, in the order of `models`.

    Raises:
        ValueError: If there is no model, no clip, no turn, a negative warm-up or time, or a model without a single
            multiply-accumulate.
    """
    _check_comparison(models, input_values, repeats, warmup, min_seconds)
    with inference(*models.values()):
        macs = {name: _macs_to_compare(name, model, input_values) for name, model in models.items()}
        for _ in range(warmup):
            for model in models.values():
                model(input_values)
        memory = {name: _peak_memory_mib(model, input_values) for name, model in models.items()}
        seconds = _take_turns(models, input_values, repeats, min_seconds)
    baseline = next(iter(models))
    return {
        name: _summarize(
            seconds[name],
            baseline_seconds=seconds[baseline],
            macs=macs[name],
            baseline_macs=macs[baseline],
            batch_size=input_values.shape[0],
            peak_memory_mib=memory[name],
        )
        for name in models
    }


def agreement(reference_logits: torch.Tensor, logits: torch.Tensor) -> Agreement:
    """Compare a model's answers with a reference model's on the same clips.

    Args:
        reference_logits: `(clips, labels)`, for example of the unmerged model.
        logits: `(clips, labels)` of the model in question.

    Returns:
        The share of clips with the same best label, and the mean KL divergence of the softmax distributions.

    Raises:
        ValueError: If the logits are not two tables of the same, non-empty shape.

    Example:
        >>> agreement(torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])).top_answer
        0.5
    """
    if logits.shape != reference_logits.shape or logits.ndim != 2 or logits.numel() == 0:
        raise ValueError(
            "`logits` must have the shape (clips, labels) of `reference_logits`, got "
            f"{tuple(logits.shape)} and {tuple(reference_logits.shape)}. Run both models on the same clips."
        )
    same = reference_logits.argmax(dim=-1) == logits.argmax(dim=-1)  # (C,)
    kl = F.kl_div(
        F.log_softmax(logits.double(), dim=-1),
        F.log_softmax(reference_logits.double(), dim=-1),
        reduction="batchmean",
        log_target=True,
    )
    # Rounding can leave equal distributions a hair below zero, where no divergence lies.
    return Agreement(top_answer=same.double().mean().item(), mean_kl=max(kl.item(), 0.0))


def _check_comparison(
    models: Mapping[str, nn.Module], input_values: torch.Tensor, repeats: int, warmup: int, min_seconds: float
) -> None:
    """Refuse a comparison that could only end in a meaningless number."""
    if not models:
        raise ValueError("`models` must hold at least one model, got none. Name the baseline first.")
    if input_values.ndim == 0 or input_values.shape[0] == 0:
        raise ValueError(
            f"`input_values` must hold at least one clip, got shape {tuple(input_values.shape)}. "
            "Give a batch, for AST (batch, frames, mels)."
        )
    if repeats < 1:
        raise ValueError(f"`repeats` must be at least 1, got {repeats}. Use 20 or more for a steady median.")
    if warmup < 0:
        raise ValueError(f"`warmup` must be at least 0, got {warmup}. Use 0 to time cold models.")
    if not 0 <= min_seconds < float("inf"):
        raise ValueError(
            f"`min_seconds` must be finite and at least 0, got {min_seconds}. Use 0 to rely on `repeats`."
        )


def _macs_to_compare(name: str, model: nn.Module, input_values: torch.Tensor) -> int:
    """Count a model's work, which ratios divide by."""
    macs = count_macs(model, input_values)
    if macs == 0:
        raise ValueError(
            f"`models[{name!r}]` must do at least one multiply-accumulate, got 0. Wrap what runs outside of torch "
            "in a benchmark of its own."
        )
    return macs


def _take_turns(
    models: Mapping[str, nn.Module], input_values: torch.Tensor, repeats: int, min_seconds: float
) -> dict[str, list[float]]:
    """Time every model once a turn, until there were enough turns and enough seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in models}
    start = time.perf_counter()
    turns = 0
    while turns < repeats or time.perf_counter() - start < min_seconds:
        for name, model in models.items():
            seconds[name].append(_seconds_of_forward(model, input_values))
        turns += 1
    return seconds


def _seconds_of_forward(model: nn.Module, input_values: torch.Tensor) -> float:
    """Time one forward pass, to the end of the work that it queued on an accelerator."""
    _synchronize(input_values.device)
    start = time.perf_counter()
    model(input_values)
    _synchronize(input_values.device)
    return time.perf_counter() - start


def _synchronize(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _peak_memory_mib(model: nn.Module, input_values: torch.Tensor) -> float | None:
    """Measure what one forward pass allocates at most, where the allocator keeps count."""
    device = input_values.device
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    model(input_values)
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20


def _summarize(
    seconds: list[float],
    *,
    baseline_seconds: list[float],
    macs: int,
    baseline_macs: int,
    batch_size: int,
    peak_memory_mib: float | None,
) -> ThroughputResult:
    """Turn one model's times and its baseline's into a result."""
    lower, median, upper = np.percentile(seconds, [25, 50, 75]).tolist()
    speed_up = float(np.median(baseline_seconds)) / median
    mac_ratio = baseline_macs / macs
    return ThroughputResult(
        batch_size=batch_size,
        repeats=len(seconds),
        clips_per_second=batch_size / median,
        latency_ms=1e3 * median,
        latency_iqr_ms=1e3 * (upper - lower),
        gmacs_per_clip=macs / batch_size / 1e9,
        speed_up=speed_up,
        mac_ratio=mac_ratio,
        share_of_mac_ratio=speed_up / mac_ratio,
        peak_memory_mib=peak_memory_mib,
    )
