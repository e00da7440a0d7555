"""The ways from sound files to labels that `measure_file_to_label` compares, and the parts of their time."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from transformers import ASTFeatureExtractor, AudioClassificationPipeline, PreTrainedModel

from fastast_hf.classification import classify_files
from fastast_hf.classification.batching import batch_by_length
from fastast_hf.classification.recordings import Cutting, read_clips
from fastast_hf.classification.scoring import best_labels, input_arguments, label_probabilities, model_inputs
from fastast_hf.model import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.model.log_mel import count_frames, samples_of_frames, window_length

Way = Callable[[Sequence[Path], Sequence[np.ndarray]], list[str]]
"""Takes files and the same sounds decoded, gives the best label of each."""

_LOOKAHEAD = 256  # clips that wait for others of their length, at most: the default of `classify_files`


@contextmanager
def stopwatch(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add what the block takes, to the end of the work that it queued on an accelerator.

    Args:
        seconds: Times by name.
        name: What the time is added to.
    """
    start = time.perf_counter()
    yield
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start


class TimedPipeline(AudioClassificationPipeline):
    """transformers' pipeline with a clock at its two parts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seconds: dict[str, float] = {}

    def preprocess(self, *args: Any, **kwargs: Any) -> Any:
        """Compute features, by the clock."""
        with stopwatch(self._seconds, "features"):
            return super().preprocess(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model, by the clock."""
        with stopwatch(self._seconds, "model"):
            return super().forward(*args, **kwargs)

    def take_seconds(self) -> dict[str, float]:
        """Give the seconds of `features` and `model` since the last call."""
        taken, self._seconds = self._seconds, {}
        return taken


def pipeline_way(pipeline: Callable[..., Any], *, batch_size: int) -> Way:
    """Make the way of transformers' pipeline, which gets its clips decoded.

    Args:
        pipeline: transformers', of a stock AST.
        batch_size: Clips that its model takes at a time.

    Returns:
        The way.
    """

    def way(paths: Sequence[Path], waveforms: Sequence[np.ndarray]) -> list[str]:
        answers: Any = pipeline(list(waveforms), top_k=1, batch_size=batch_size)
        return [best[0]["label"] for best in answers]

    return way


def length_way(model: FastASTForAudioClassification, stock_extractor: ASTFeatureExtractor) -> Way:
    """Make the way that takes AST's own features, less the frames that are padding, one clip at a time.

    Args:
        model: A FastAST that merges nothing.
        stock_extractor: AST's.

    Returns:
        The way.
    """
    rate = stock_extractor.sampling_rate

    def inputs(waveform: np.ndarray) -> dict[str, torch.Tensor]:
        padded = stock_extractor(waveform, sampling_rate=rate, return_tensors="pt")["input_values"]  # (1, T, M)
        num_frames = min(count_frames(len(waveform), rate), padded.shape[1])
        heard = padded[:, : max(num_frames, model.config.patch_size)]
        return {"input_values": heard.to(model.device, model.dtype), "num_frames": torch.tensor([num_frames])}

    return lambda paths, waveforms: [label for waveform in waveforms for label in _best(model, inputs(waveform))]


def front_end_way(model: FastASTForAudioClassification, fast_extractor: FastASTFeatureExtractor) -> Way:
    """Make the way that computes the features in torch, of what was recorded alone, one clip at a time.

    Args:
        model: A FastAST that merges nothing.
        fast_extractor: FastAST's.

    Returns:
        The way.
    """
    arguments = input_arguments(model, fast_extractor, "longest")

    def inputs(waveform: np.ndarray) -> dict[str, torch.Tensor]:
        return model_inputs(fast_extractor, [waveform], arguments, model)

    return lambda paths, waveforms: [label for waveform in waveforms for label in _best(model, inputs(waveform))]


def files_way(
    model: PreTrainedModel, fast_extractor: FastASTFeatureExtractor, *, batch_size: int, num_workers: int
) -> Way:
    """Make the way of `classify_files`, which decodes the files itself.

    Args:
        model: A FastAST.
        fast_extractor: FastAST's.
        batch_size: Clips that the model takes at a time.
        num_workers: Threads that decode.

    Returns:
        The way.
    """
    sizes: Any = {"batch_size": batch_size, "num_workers": num_workers}

    def way(paths: Sequence[Path], waveforms: Sequence[np.ndarray]) -> list[str]:
        results = classify_files(model, fast_extractor, paths, top_k=1, on_error="raise", **sizes)
        return [result.labels[0].label for result in results]

    return way


def parts_of_files_way(
    model: PreTrainedModel, fast_extractor: FastASTFeatureExtractor, paths: Sequence[Path], *, batch_size: int
) -> dict[str, float]:
    """Measure what `classify_files` does at the same time, one part after the other: the work without the overlap.

    Args:
        model: As in `files_way`.
        fast_extractor: As there.
        paths: Sound files.
        batch_size: As there; the same clips share a batch.

    Returns:
        Seconds of `decode`, in one thread, `features` and `model`, for all files.
    """
    rate = fast_extractor.sampling_rate
    window = samples_of_frames(fast_extractor.max_length, rate)
    cutting = Cutting(rate, window=window, hop=None, min_samples=window_length(rate))
    arguments = input_arguments(model, fast_extractor, None)
    seconds: dict[str, float] = {}
    with stopwatch(seconds, "decode"):
        clips = [clip.waveform for path in paths for clip in read_clips(path, cutting)]
    sizes = {"batch_size": batch_size, "lookahead": max(_LOOKAHEAD, batch_size)}
    for batch in batch_by_length(clips, lambda clip: count_frames(len(clip), rate), **sizes):
        with stopwatch(seconds, "features"):
            inputs = model_inputs(fast_extractor, batch, arguments, model)
        with stopwatch(seconds, "model"):
            _best(model, inputs)
    return seconds


def _best(model: PreTrainedModel, inputs: Mapping[str, torch.Tensor]) -> list[str]:
    """Name the best label of each clip."""
    probabilities = label_probabilities(model, inputs)  # (B, L)
    id2label = cast(Mapping[int, str], model.config.id2label)
    return [labels[0].label for labels in best_labels(probabilities, id2label, top_k=1)]
