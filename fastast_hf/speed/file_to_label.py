"""Measure sound files to labels: transformers' pipeline with an AST, and what each step past it saves, in one run.

What could make the comparison unfair, and what is done about it:

- A machine drifts: the rows take turns on parts of the clips, a speed-up is the median over the turns of the ratio within a
  turn, and the lowest and the highest turn stand beside it.
- A row may profit from its place: the order of the rows moves on by one from turn to turn.
- A row leaves garbage and threads that spin, numpy's above all: before the next one, the garbage is collected and the
  threads get time to fall asleep.
- A file that was read once is in the system's cache: every file is read before the clock starts, so nobody waits for a disk.
- AST's pipeline is given decoded clips, since it needs FFmpeg for files: decoding counts for the rows that batch, and not
  for the others. What it takes is told among the parts.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from transformers import ASTFeatureExtractor, ASTForAudioClassification, PreTrainedModel

from fastast_hf.data import load_audio
from fastast_hf.evaluation.turns import let_threads_fall_asleep, rotated
from fastast_hf.model import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.progress import late_bar
from fastast_hf.speed.file_to_label_rows import (
    TimedPipeline,
    Way,
    files_way,
    front_end_way,
    length_way,
    parts_of_files_way,
    pipeline_way,
    stopwatch,
)
from fastast_hf.speed.variants import stock_features, with_schedule

_MERGING = "+ merging"
"""The row that all steps lead to: shares and parts are told of it, and rows after it are it in other forms."""


@dataclass(frozen=True)
class Turn:
    """What one turn found.

    Attributes:
        num_clips: Clips of this turn's part.
        seconds: Time of each row, for all of them.
        labels: Best label of each, by row.
        parts: Seconds of `decode`, `features` and `model`, of the first row and of `+ merging`.
    """

    num_clips: int
    seconds: dict[str, float]
    labels: dict[str, list[str]]
    parts: dict[str, dict[str, float]]


def measure_file_to_label(
    ast: ASTForAudioClassification,
    fast: FastASTForAudioClassification,
    stock_extractor: ASTFeatureExtractor,
    fast_extractor: FastASTFeatureExtractor,
    paths: Sequence[Path],
    *,
    batch_size: int = 16,
    num_workers: int = 2,
    turns: int = 5,
    pipeline_batch_size: int = 1,
    further_models: Mapping[str, PreTrainedModel] | None = None,
) -> dict[str, Any]:
    """Measure what each step from transformers' pipeline to `classify_files` with token merging saves.

    Each row has all steps of the rows above it, with the same weights: `AST, pipeline` is transformers', `+ length` computes
    the sound and not its padding, `+ front end` makes the features in torch, `+ batching` is `classify_files`, `+ merging`
    merges tokens. No labels are needed: the answers of a row are compared with the first row's. The models are put into
    eval mode.

    Args:
        ast: The stock model.
        fast: The same weights with the merge schedule of `+ merging`, on the same device and in the same dtype.
        stock_extractor: The stock model's.
        fast_extractor: FastAST's, with the same settings.
        paths: Sound files, at least one a turn.
        batch_size: Clips that the model takes at a time, from `+ batching` on.
        num_workers: Threads that decode, from `+ batching` on.
        turns: Parts of the clips that the rows take turns on. With five, every row is the first once.
        pipeline_batch_size: Clips that the pipeline's model takes at a time; 1 is its default. More help a GPU, not a CPU.
        further_models: Rows after `+ merging`, by name: `fast` in other forms, compiled or in another dtype. Each is told
            beside `+ merging` and has no part in what the steps save.

    Returns:
        A dictionary for JSON: `num_clips`, `median_clip_seconds`, `max_length` in frames, `merge_ratio` and
        `tokens_merged_per_layer` of `fast`, `stock_features` ("numpy" or "torchaudio", whatever transformers finds),
        `batch_size`, `num_workers`, `turns`, `pipeline_batch_size`; `rows` as `summarize_rows` and `parts` as
        `summarize_parts` give them.

    Raises:
        FileNotFoundError: If a file does not exist. This and the following is found before the measuring starts.
        OSError: If a file cannot be read.
        ValueError: If there are fewer files than turns, a number is below 1, or a file is no complete sound.
    """
    sizes = {"batch_size": batch_size, "num_workers": num_workers, "turns": turns}
    _check_sizes(paths, sizes | {"pipeline_batch_size": pipeline_batch_size})
    rate = stock_extractor.sampling_rate
    clip_seconds = [len(load_audio(path, sampling_rate=rate)) / rate for path in late_bar(paths, desc="Reading")]

    pipeline = TimedPipeline(model=ast.eval(), feature_extractor=stock_extractor, device=ast.device)
    unmerged = with_schedule(fast)
    models = {"+ batching": unmerged, _MERGING: fast.eval(), **(further_models or {})}
    rows = {
        "AST, pipeline": pipeline_way(pipeline, batch_size=pipeline_batch_size),
        "+ length": length_way(unmerged, stock_extractor),
        "+ front end": front_end_way(unmerged, fast_extractor),
    } | {
        name: files_way(model, fast_extractor, batch_size=batch_size, num_workers=num_workers)
        for name, model in models.items()
    }

    def parts_of_merging(part: Sequence[Path]) -> dict[str, float]:
        return parts_of_files_way(fast, fast_extractor, part, batch_size=batch_size)

    found = _take_turns(rows, pipeline, parts_of_merging, [paths[turn::turns] for turn in range(turns)], rate)
    return {
        "num_clips": len(paths),
        "median_clip_seconds": median(clip_seconds),
        "max_length": fast_extractor.max_length,
        "merge_ratio": fast.config.merge_ratio,
        "tokens_merged_per_layer": fast.config.tokens_merged_per_layer,
        "stock_features": stock_features(),
        **sizes,
        "pipeline_batch_size": pipeline_batch_size,
        "rows": summarize_rows(found),
        "parts": summarize_parts(found),
    }


def summarize_rows(turns: Sequence[Turn]) -> dict[str, dict[str, Any]]:
    """Turn times and labels into a row of numbers each.

    Args:
        turns: What the turns found, at least one.

    Returns:
        By row: `ms_per_clip`, median over the turns, and `clips_per_second`; `seconds`, those of each turn; `speed_up` over
        the first row, median over the turns of the ratio within a turn, and `speed_up_range`, the lowest and the highest of
        them; `step`, the same median over the row before, after `+ merging` over that; `share` of the step in all steps up
        to `+ merging`, by logarithms, since steps multiply: these shares add up to 1; None after `+ merging`, and
        everywhere if the steps save nothing; `agreement`, share of the clips whose best label is the first row's, 0 to 1.
    """
    names = list(turns[0].seconds)
    first, steps = names[0], names[: names.index(_MERGING) + 1]
    before = dict(zip(names, [first, *steps[:-1], *[_MERGING] * (len(names) - len(steps))], strict=True))
    step = {name: median(_ratios(turns, before[name], name)) for name in names}
    all_steps = math.prod(step[name] for name in steps)
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        ms = median(1e3 * turn.seconds[name] / turn.num_clips for turn in turns)
        ratios = _ratios(turns, first, name)
        same = [
            one == other for turn in turns for one, other in zip(turn.labels[first], turn.labels[name], strict=True)
        ]
        rows[name] = {
            "ms_per_clip": ms,
            "clips_per_second": 1e3 / ms,
            "seconds": [turn.seconds[name] for turn in turns],
            "speed_up": median(ratios),
            "speed_up_range": [min(ratios), max(ratios)],
            "step": step[name],
            "share": math.log(step[name]) / math.log(all_steps) if name in steps and all_steps > 1 else None,
            "agreement": sum(same) / len(same),
        }
    return rows


def _ratios(turns: Sequence[Turn], slower: str, faster: str) -> list[float]:
    """Give the time of one row over another's, turn by turn."""
    return [turn.seconds[slower] / turn.seconds[faster] for turn in turns]


def summarize_parts(turns: Sequence[Turn]) -> dict[str, dict[str, float]]:
    """Give the parts of a clip's time in the first row and in `+ merging`.

    Args:
        turns: What the turns found, at least one.

    Returns:
        By row: `decode`, `features` and `model` in ms a clip, medians over the turns.
    """
    return {
        row: {name: median(1e3 * turn.parts[row][name] / turn.num_clips for turn in turns) for name in parts}
        for row, parts in turns[0].parts.items()
    }


def _take_turns(
    rows: Mapping[str, Way],
    pipeline: TimedPipeline,
    parts_of_merging: Callable[[Sequence[Path]], dict[str, float]],
    clips: Sequence[Sequence[Path]],
    sampling_rate: int,
) -> list[Turn]:
    """Run all rows on one part of the clips after the other, after a warm-up on the first clip."""
    first, *_ = names = list(rows)
    warm_up = [load_audio(clips[0][0], sampling_rate=sampling_rate)]
    for row in rows.values():
        row(clips[0][:1], warm_up)
    parts_of_merging(clips[0][:1])
    pipeline.take_seconds()

    turns = []
    with late_bar(total=len(clips) * len(rows), desc="File to label") as progress:
        for number, paths in enumerate(clips):
            seconds: dict[str, float] = {}
            labels: dict[str, list[str]] = {}
            decoding: dict[str, float] = {}
            with stopwatch(decoding, "decode"):
                waveforms = [load_audio(path, sampling_rate=sampling_rate) for path in paths]
            for name in rotated(names, number):
                let_threads_fall_asleep()
                with stopwatch(seconds, name):
                    labels[name] = rows[name](paths, waveforms)
                progress.update()
            let_threads_fall_asleep()
            parts = {first: decoding | pipeline.take_seconds(), _MERGING: parts_of_merging(paths)}
            turns.append(Turn(len(paths), {name: seconds[name] for name in names}, labels, parts))
    return turns


def _check_sizes(paths: Sequence[Path], sizes: Mapping[str, int]) -> None:
    """Refuse what nothing can be measured with."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"`{name}` must be at least 1, got {size}. Leave it out for the default.")
    if len(paths) < sizes["turns"]:
        raise ValueError(
            f"`paths` must hold at least one sound file a turn, got {len(paths)} for {sizes['turns']} turns. Give more "
            "files, or fewer turns."
        )
