"""Files, folders and long recordings -> labels with times.

Threads decode ahead while the model computes, in bounds that do not grow with the number or the length of the files;
clips of similar length share a batch; and the results come in the order of the files.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, cast

from transformers import PreTrainedModel
from transformers.utils import logging

from fastast_hf.classification.batching import batch_by_length
from fastast_hf.classification.files import find_sound_files
from fastast_hf.classification.prefetching import prefetch
from fastast_hf.classification.recordings import Clip, Cutting, read_clips
from fastast_hf.classification.results import Classification, LabelScore
from fastast_hf.classification.scoring import (
    best_labels,
    check_at_least_1,
    input_arguments,
    label_probabilities,
    model_inputs,
)
from fastast_hf.model.log_mel import count_frames, samples_of_frames, window_length

logger = logging.get_logger(__name__)

# Windows of a recording that a thread decodes at a time: few, since as many wait for each file that is ahead.
_WINDOWS_AT_A_TIME = 4
# Files of windows that wait for each thread, all open. A file that is one clip is closed as soon as a thread has read it.
_OPEN_FILES_A_WORKER = 4
_BATCHES_AHEAD = 2
_LOOKAHEAD = 256

_Inputs = dict[str, Any]
_Outcome = tuple[Classification, OSError | ValueError | None]


def classify_files(
    model: PreTrainedModel,
    feature_extractor: Any,
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    top_k: int | None = 5,
    window: float | None = None,
    hop: float | None = None,
    batch_size: int = 16,
    num_workers: int = 2,
    lookahead: int | None = None,
    padding: str | None = None,
    on_error: Literal["report", "raise"] = "report",
) -> Iterator[Classification]:
    """Classify sound files, folders of them, and long recordings.

    Works with FastAST and AST alike. A FastAST with its own feature extractor computes what was recorded and not its
    padding; its answers are then those of the sound alone, and not the ones that AST's padding gives. The model is put into
    eval mode.

    Args:
        model: An audio classifier that takes `input_values`, on the device and in the dtype to compute in.
        feature_extractor: What the model was trained with: FastASTFeatureExtractor or ASTFeatureExtractor.
        paths: Files and folders, one or many, of any number: they are taken as they are needed. Folders are searched as
            `find_sound_files` does.
        top_k: Labels of a result. None, or more than the model has, for all.
        window: Seconds of sound that get labels of their own, from 25 ms to the `max_length` of the feature extractor.
            Files are then read to their end. Default: a file is one clip, cut at `max_length` as in AST: the result says so
            in `is_truncated`, and the log once.
        hop: Seconds from the start of a window to that of the next; more than `window` leaves sound out. Default: `window`.
            A window starts wherever there is sound that no window before has: the last one may be shorter, and gets its
            labels from what is there. A rest of less than 25 ms, one analysis window, is dropped.
        batch_size: Clips that the model takes at a time.
        num_workers: Threads that decode. Decoding takes far less than the model, which uses all cores of a CPU by itself: 1
            or 2 are enough there; beside a GPU take as many as there are cores.
        lookahead: Clips that wait for others of their length, at most, where lengths count and a batch is not full of one
            length already; at least `batch_size`. Each takes 64 kB a second. Default: 256, or `batch_size` if that is more.
        padding: `"max_length"` pads every clip as AST does, which gives AST's answers for short clips and one shape for a
            compiled model; `"longest"` pads as little as possible. Default: the second where model and feature extractor
            know it.
        on_error: What happens at a file that cannot be read: `"report"` gives a result that tells why, and goes on;
            `"raise"` raises in its place, after the results before it.

    Returns:
        Iterator over results, in the order of the files and of the time in them.

    Raises:
        FileNotFoundError: With `on_error="raise"`: a file does not exist.
        OSError: With `on_error="raise"`: a file cannot be read, or is a folder without sound files.
        ValueError: An argument is out of its range; or, with `on_error="raise"`, a file is not a complete sound.

    Example:
    ```python
    for result in classify_files(model, feature_extractor, "recordings/", window=10, hop=5, top_k=1):
        print(result.path, result.start, result.end, result.labels)
    ```
    """
    check_at_least_1(batch_size=batch_size, num_workers=num_workers)
    if lookahead is not None and lookahead < batch_size:
        raise ValueError(
            f"`lookahead` must be at least `batch_size` = {batch_size}, got {lookahead}. Leave it out for the default."
        )
    if top_k is not None:
        check_at_least_1(top_k=top_k)
    if on_error not in ("report", "raise"):
        raise ValueError(
            f'`on_error` must be "report" or "raise", got {on_error!r}. The first goes on with other files.'
        )
    cutting = _cutting(feature_extractor, window, hop)
    arguments = input_arguments(model, feature_extractor, padding)
    id2label = cast(Mapping[int, str], model.config.id2label)
    model.eval()

    def length_of(clip: Clip) -> int:
        if arguments["padding"] == "max_length":
            return feature_extractor.max_length
        return count_frames(len(clip.waveform), cutting.sampling_rate)

    def make_inputs(clips: list[Clip]) -> _Inputs:
        return model_inputs(feature_extractor, [clip.waveform for clip in clips], arguments, model)

    def make_labels(inputs: _Inputs) -> list[tuple[LabelScore, ...]]:
        return best_labels(label_probabilities(model, inputs), id2label, top_k)

    outcomes = _classify_clips(
        (read_clips(path, cutting) for path in find_sound_files(paths)),
        length_of,
        make_inputs,
        make_labels,
        sampling_rate=cutting.sampling_rate,
        batch_size=batch_size,
        num_workers=num_workers,
        # for the threads to go on while the model computes, as many files as a batch has clips, if they need not stay open
        num_files=max(batch_size, 2 * num_workers) if cutting.hop is None else _OPEN_FILES_A_WORKER * num_workers,
        lookahead=max(_LOOKAHEAD, batch_size) if lookahead is None else lookahead,
    )
    return _tell_what_is_missing(outcomes, on_error)


def _classify_clips(
    recordings: Iterator[Iterator[Clip]],
    length_of: Callable[[Clip], int],
    make_inputs: Callable[[list[Clip]], _Inputs],
    make_labels: Callable[[_Inputs], list[tuple[LabelScore, ...]]],
    *,
    sampling_rate: int,
    batch_size: int,
    num_workers: int,
    num_files: int,
    lookahead: int,
) -> Iterator[_Outcome]:
    """Classify the clips of all recordings: decoding, features and model at the same time, results in order."""

    def prepare(batch: list[tuple[int, Clip]]) -> Iterator[tuple[list[tuple[int, Clip]], _Inputs | None]]:
        clips = [clip for _, clip in batch]
        yield batch, None if clips[0].error else make_inputs(clips)

    done: dict[int, _Outcome] = {}
    next_number = 0
    # One thread makes features: several would only fight for the cores that torch uses in each.
    with ThreadPoolExecutor(num_workers) as decoders, ThreadPoolExecutor(1) as extractor:
        clips = prefetch(recordings, decoders, num_streams=num_files, step=_WINDOWS_AT_A_TIME)
        batches = batch_by_length(
            enumerate(clips),
            lambda numbered: None if numbered[1].error else length_of(numbered[1]),
            batch_size=batch_size,
            lookahead=lookahead,
        )
        for batch, inputs in prefetch(map(prepare, batches), extractor, num_streams=_BATCHES_AHEAD, step=2):
            labels = [()] if inputs is None else make_labels(inputs)
            for (number, clip), clip_labels in zip(batch, labels, strict=True):
                done[number] = _outcome(clip, clip_labels, sampling_rate)  # without the sound, which takes the memory
            while next_number in done:
                yield done.pop(next_number)
                next_number += 1


def _outcome(clip: Clip, labels: tuple[LabelScore, ...], sampling_rate: int) -> _Outcome:
    """Bring samples to seconds and an error to words."""
    result = Classification(
        path=clip.path,
        start=clip.start / sampling_rate,
        end=(clip.start + len(clip.waveform)) / sampling_rate,
        labels=labels,
        is_truncated=clip.is_truncated,
        error=None if clip.error is None else str(clip.error),
    )
    return result, clip.error


def _tell_what_is_missing(outcomes: Iterator[_Outcome], on_error: str) -> Iterator[Classification]:
    """Raise errors, if that is wanted, and warn of the first file that was cut."""
    is_told = False
    for result, error in outcomes:
        if error is not None and on_error == "raise":
            raise error
        if result.is_truncated and not is_told:
            is_told = True
            logger.warning(
                f"{result.path} is longer than the {result.end:g} s that the model hears at a time: what follows has no "
                "label. Give a `window`, in seconds, to classify all of it. Of other files `is_truncated` tells the same."
            )
        yield result


def _cutting(feature_extractor: Any, window: float | None, hop: float | None) -> Cutting:
    """Turn seconds into samples, and refuse windows that a model cannot hear or would hear only in part."""
    rate = feature_extractor.sampling_rate
    shortest, longest = window_length(rate), samples_of_frames(feature_extractor.max_length, rate)
    if window is None:
        if hop is not None:
            raise ValueError(f"`hop` must be None without a `window`, got {hop}. Give both, in seconds.")
        return Cutting(rate, window=longest, hop=None, min_samples=shortest)
    if not shortest / rate <= window <= longest / rate:
        raise ValueError(
            f"`window` must be from {shortest / rate:g} to {longest / rate:g} seconds, one analysis window to the "
            f"`max_length` of the feature extractor, got {window}. For longer sounds take several windows."
        )
    hop = window if hop is None else hop
    if not 1 <= hop * rate < float("inf"):
        raise ValueError(
            f"`hop` must be a positive number of seconds, got {hop}. Leave it out for windows side by side."
        )
    return Cutting(rate, window=round(window * rate), hop=round(hop * rate), min_samples=shortest)
