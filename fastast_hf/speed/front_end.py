"""Measure the front end alone, waveforms to features: transformers' feature extractor and FastAST's, in turns on the CPU."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import torch
from transformers import ASTFeatureExtractor

from fastast_hf.evaluation.turns import let_threads_fall_asleep, rotated
from fastast_hf.model import FastASTFeatureExtractor
from fastast_hf.model.log_mel import HOP_SECONDS
from fastast_hf.speed.variants import stock_features


def measure_front_end(
    stock_extractor: ASTFeatureExtractor,
    fast_extractor: FastASTFeatureExtractor,
    *,
    num_clips: int = 16,
    turns: int = 10,
) -> dict[str, Any]:
    """Measure both feature extractors on clips of noise that are as long as the model hears, all in one call.

    The two take turns and are the first in turn. Both are called once before the timing starts, and what they give then is
    compared.

    Args:
        stock_extractor: transformers'.
        fast_extractor: FastAST's, with the same settings.
        num_clips: Clips of a call, at least 1.
        turns: Timed turns, at least 1.

    Returns:
        A dictionary for JSON: `num_clips`, `clip_seconds`, `turns`, `stock_features` ("numpy" or "torchaudio", whatever
        transformers finds); `stock_ms_per_clip` and `fast_ms_per_clip`, medians over the turns; `speed_up`, `speed_up_low`
        and `speed_up_high`, median and quartiles over the turns of the ratio within a turn; `largest_difference` between
        the two, of the log-mel before normalisation.

    Raises:
        ValueError: If a number is below 1.
    """
    for name, number in {"num_clips": num_clips, "turns": turns}.items():
        if number < 1:
            raise ValueError(f"`{name}` must be at least 1, got {number}. Leave it out for the default.")
    clips = _noise(fast_extractor, num_clips)
    calls = {
        name: _call(extractor, clips) for name, extractor in (("stock", stock_extractor), ("fast", fast_extractor))
    }
    features = {name: call() for name, call in calls.items()}
    seconds = _take_turns(calls, turns)
    low, speed_up, high = np.percentile(np.divide(seconds["stock"], seconds["fast"]), [25, 50, 75]).tolist()
    of_a_clip = {name: 1e3 * float(np.median(found)) / num_clips for name, found in seconds.items()}
    return {
        "num_clips": num_clips,
        "clip_seconds": len(clips[0]) / fast_extractor.sampling_rate,
        "turns": turns,
        "stock_features": stock_features(),
        "stock_ms_per_clip": of_a_clip["stock"],
        "fast_ms_per_clip": of_a_clip["fast"],
        "speed_up": speed_up,
        "speed_up_low": low,
        "speed_up_high": high,
        "largest_difference": _largest_difference(features["stock"], features["fast"], fast_extractor),
    }


def _noise(extractor: FastASTFeatureExtractor, num_clips: int) -> list[np.ndarray]:
    """Make clips (samples,) float32 of white noise from -0.5 to 0.5."""
    samples = round(extractor.max_length * HOP_SECONDS * extractor.sampling_rate)
    generator = np.random.default_rng(0)
    return [generator.random(samples, dtype=np.float32) - np.float32(0.5) for _ in range(num_clips)]


def _call(extractor: ASTFeatureExtractor, clips: list[np.ndarray]) -> Callable[[], torch.Tensor]:
    """Make features (clips, frames, mels) something to call."""
    told: dict[str, Any] = {"sampling_rate": extractor.sampling_rate, "return_tensors": "pt", "padding": "max_length"}
    return lambda: extractor(clips, **told)["input_values"]


def _take_turns(calls: dict[str, Callable[[], torch.Tensor]], turns: int) -> dict[str, list[float]]:
    """Time every call once a turn."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(turns):
        for name in rotated(list(calls), turn):
            let_threads_fall_asleep()
            start = perf_counter()
            calls[name]()
            seconds[name].append(perf_counter() - start)
    return seconds


def _largest_difference(stock: torch.Tensor, fast: torch.Tensor, extractor: FastASTFeatureExtractor) -> float:
    """Compare features (clips, frames, mels) as the log-mel that they were before normalisation."""
    scale = 2 * extractor.std if extractor.do_normalize else 1.0  # AST divides by two standard deviations
    return scale * (stock.double() - fast.double()).abs().max().item()
