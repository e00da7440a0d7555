"""Throughput, latency, memory and work of models, measured side by side in one run.

A machine drifts: it warms up, and others use it. So the rows of a comparison take turns, call by call, and every figure that
counts is a ratio between rows that met the same drift. A row also meets what the one before it left in caches: the order
moves on by one from turn to turn, so that none is always after the same one. A speed-up is the median over the turns of the
ratio within a turn: what slows the machine for some turns falls out, and its quartiles stand beside it.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch

from fastast_hf.evaluation.peak_memory import peak_memory_mib
from fastast_hf.evaluation.runtimes import Forward, Runtime
from fastast_hf.evaluation.turns import SECONDS_TO_FALL_ASLEEP, rotated
from fastast_hf.progress import late_bar


@dataclass(frozen=True)
class Row:
    """What takes part in a comparison.

    Attributes:
        forward: What is timed, as `fastast_hf.evaluation.runtimes` makes it.
        input_values: One batch (batch, frames, mels), on the device and in the dtype that `forward` takes. All of it counts
            as real.
        macs: Multiply-accumulates of one pass of the whole batch, see `count_macs`; of an ONNX file those of the model that
            it was made from.
        runtime: How `forward` runs.
    """

    forward: Forward
    input_values: torch.Tensor
    macs: int
    runtime: Runtime = "eager"


@dataclass(frozen=True)
class ThroughputResult:
    """How fast one row is, alone and against the first row of its run.

    Attributes:
        runtime: "eager", "compiled" or "onnxruntime".
        dtype: Of the input, such as "float32".
        num_frames: Frames of a clip.
        batch_size: Clips per forward pass.
        repeats: Timed forward passes.
        clips_per_second: Throughput at the median latency.
        latency_ms: Median milliseconds of one forward pass of the whole batch.
        latency_iqr_ms: Interquartile range of the same.
        gmacs_per_clip: 1e9 multiply-accumulates per clip.
        speed_up: The first row's time over this row's, of one turn; the median over the turns. Not the ratio of the median
            latencies: both times of a turn met the same machine, so what slows it for some turns falls out.
        speed_up_low: Lower quartile of the same ratios: a quarter of the turns found less.
        speed_up_high: Upper quartile.
        mac_ratio: The first row's multiply-accumulates over this row's.
        share_of_mac_ratio: `speed_up / mac_ratio`: how much of the saved work became saved time.
        peak_memory_mib: The most memory that one forward pass takes beside weights and input, see `peak_memory_mib`; None
            where it cannot be known.
    """

    runtime: Runtime
    dtype: str
    num_frames: int
    batch_size: int
    repeats: int
    clips_per_second: float
    latency_ms: float
    latency_iqr_ms: float
    gmacs_per_clip: float
    speed_up: float
    speed_up_low: float
    speed_up_high: float
    mac_ratio: float
    share_of_mac_ratio: float
    peak_memory_mib: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary for JSON."""
        return asdict(self)


def compare_throughput(
    rows: Mapping[str, Row],
    *,
    repeats: int = 20,
    warmup: int = 3,
    min_seconds: float = 0.0,
    desc: str = "Turns",
) -> dict[str, ThroughputResult]:
    """Measure rows on batches of the same size, in turns: A, B, C, then B, C, A, then C, A, B, ...

    Args:
        rows: Rows by name; the first is the baseline. Models in them are in eval mode.
        repeats: Timed turns, at least 1. At least 20 give a steady median.
        warmup: Turns before the timing starts, at least 0.
        min_seconds: Go on beyond `repeats` until the timed turns have taken this long, all rows together.
        desc: What the progress bar, on stderr, says.

    Returns:
        One result a row, in the order of `rows`.

    Raises:
        ValueError: If there is no row, no clip, no turn, a negative warm-up or time, batches of different sizes, or a row
            without a single multiply-accumulate.
    """
    _check_comparison(rows, repeats, warmup, min_seconds)
    total = (warmup + 1 + repeats) * len(rows)
    with torch.inference_mode(), late_bar(total=total, desc=desc, unit="pass") as progress:
        for _ in range(warmup):
            for row in rows.values():
                row.forward(row.input_values)
                progress.update()
        memory = {}
        for name, row in rows.items():
            memory[name] = peak_memory_mib(row.forward, row.input_values, runtime=row.runtime)
            progress.update()
        seconds = _take_turns(rows, repeats, min_seconds, progress.update)
    baseline = next(iter(rows))
    return {
        name: _summarize(
            row,
            seconds[name],
            baseline_seconds=seconds[baseline],
            baseline_macs=rows[baseline].macs,
            peak_memory_mib=memory[name],
        )
        for name, row in rows.items()
    }


def _check_comparison(rows: Mapping[str, Row], repeats: int, warmup: int, min_seconds: float) -> None:
    """Refuse a comparison that could only end in a meaningless number."""
    if not rows:
        raise ValueError("`rows` must hold at least one row, got none. Name the baseline first.")
    shapes = {name: tuple(row.input_values.shape) for name, row in rows.items()}
    for name, shape in shapes.items():
        if len(shape) < 2 or shape[0] == 0:
            raise ValueError(
                f"`rows[{name!r}].input_values` must hold at least one clip, got shape {shape}. Give a batch, for AST "
                "(batch, frames, mels)."
            )
        if rows[name].macs < 1:
            raise ValueError(
                f"`rows[{name!r}].macs` must be at least 1, got {rows[name].macs}. Of what runs outside of torch, count the "
                "model that it was made from."
            )
    if len({shape[0] for shape in shapes.values()}) > 1:
        sizes = ", ".join(f"{name}: {shape[0]}" for name, shape in shapes.items())
        raise ValueError(f"`rows` must have batches of one size, got {sizes}. Compare each size in a run of its own.")
    if repeats < 1:
        raise ValueError(f"`repeats` must be at least 1, got {repeats}. Use 20 or more for a steady median.")
    if warmup < 0:
        raise ValueError(f"`warmup` must be at least 0, got {warmup}. Use 0 to time cold models.")
    if not 0 <= min_seconds < math.inf:
        raise ValueError(
            f"`min_seconds` must be finite and at least 0, got {min_seconds}. Use 0 to rely on `repeats`."
        )


def _take_turns(
    rows: Mapping[str, Row], repeats: int, min_seconds: float, tell: Callable[[], Any]
) -> dict[str, list[float]]:
    """Time every row once a turn, until there were enough turns and enough seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    runs_threads_of: Runtime | None = None
    start = perf_counter()
    turns = 0
    while turns < repeats or perf_counter() - start < min_seconds:
        for name in rotated(list(rows), turns):
            row = rows[name]
            # Both torch's threads and ONNX Runtime's go on spinning for a while, on the cores that the other needs.
            if runs_threads_of is not None and _has_other_threads(row.runtime, runs_threads_of):
                time.sleep(SECONDS_TO_FALL_ASLEEP)
            runs_threads_of = row.runtime
            seconds[name].append(_seconds_of_forward(row))
            tell()
        turns += 1
    return seconds


def _has_other_threads(runtime: Runtime, before: Runtime) -> bool:
    return (runtime == "onnxruntime") != (before == "onnxruntime")


def _seconds_of_forward(row: Row) -> float:
    """Time one forward pass, to the end of the work that it queued on an accelerator."""
    _synchronize(row.input_values.device)
    start = perf_counter()
    row.forward(row.input_values)
    _synchronize(row.input_values.device)
    return perf_counter() - start


def _synchronize(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _summarize(
    row: Row,
    seconds: list[float],
    *,
    baseline_seconds: list[float],
    baseline_macs: int,
    peak_memory_mib: float | None,
) -> ThroughputResult:
    """Turn one row's times and the baseline's into a result."""
    batch_size, num_frames = row.input_values.shape[:2]
    lower, median, upper = np.percentile(seconds, [25, 50, 75]).tolist()
    low, speed_up, high = np.percentile(np.divide(baseline_seconds, seconds), [25, 50, 75]).tolist()
    mac_ratio = baseline_macs / row.macs
    return ThroughputResult(
        runtime=row.runtime,
        dtype=str(row.input_values.dtype).removeprefix("torch."),
        num_frames=num_frames,
        batch_size=batch_size,
        repeats=len(seconds),
        clips_per_second=batch_size / median,
        latency_ms=1e3 * median,
        latency_iqr_ms=1e3 * (upper - lower),
        gmacs_per_clip=row.macs / batch_size / 1e9,
        speed_up=speed_up,
        speed_up_low=low,
        speed_up_high=high,
        mac_ratio=mac_ratio,
        share_of_mac_ratio=speed_up / mac_ratio,
        peak_memory_mib=peak_memory_mib,
    )
