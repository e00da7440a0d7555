"""Measure what merging saves on a machine: one model in all its variants against itself unmerged, or against another one.

The rows of a batch size take turns in one run. On sound files it is also measured how often a row gives the baseline's
answer, and what merging saves from file to label. The front end is measured at the end of every run.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from fastast_hf.evaluation import agreement, compare_throughput, environment
from fastast_hf.hub.results import SCHEMA, provenance
from fastast_hf.progress import late_bar
from fastast_hf.speed.contenders import Contender, Opened, make_contenders, make_row
from fastast_hf.speed.file_to_label import measure_file_to_label
from fastast_hf.speed.front_end import measure_front_end
from fastast_hf.speed.settings import SpeedSettings
from fastast_hf.speed.sounds import padded_spectrograms
from fastast_hf.speed.variants import as_stock_ast, as_stock_extractor, in_dtype, with_schedule

_FILE_TO_LABEL_TURNS = 5  # every row is the first once


def measure_variants(
    opened: Opened,
    settings: SpeedSettings,
    *,
    against: Opened | None = None,
    paths: Sequence[Path] = (),
    unreadable: Mapping[str, str] | None = None,
    tell: Callable[[dict[str, Any]], Any] = lambda results: None,
) -> dict[str, Any]:
    """Measure a model's variants side by side.

    Args:
        opened: The model.
        settings: The variants.
        against: What they are compared with, with the merge schedule that it has. Default: the same weights in
            transformers' own AST, which merges nothing. The baseline is eager, in float32 and padded to its `max_length`.
        paths: Sound files, for the agreement of the top answers and for the times from file to label.
        unreadable: Files that were left out of them, and why, for the results to tell; see `readable_sound_files`.
        tell: Called with the results so far, complete as they are, whenever a part is done, so that a run that is cut off
            later loses nothing.

    Returns:
        Results of kind "speed", as `fastast_hf.hub.results` describes them.

    Raises:
        ValueError: If a schedule is impossible, or the baseline has other labels while there are sounds to compare answers
            to.
        ImportError: If ONNX Runtime is asked for and not installed.
    """
    if against is not None and paths:
        _check_labels(opened, against)
    environment_now = environment(device=opened.model.device, dtype=opened.model.dtype)
    if "onnxruntime" in settings.runtimes:
        environment_now["versions"]["onnxruntime"] = version("onnxruntime")
    results: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": "speed",
        **provenance(environment_now),
        "model": opened.name,
        "random_weights": opened.random_weights,
        **({} if against is None else {"against": against.name}),
        **({} if unreadable is None else {"unreadable": dict(unreadable)}),
    }
    with tempfile.TemporaryDirectory(prefix="fastast-onnx-") as folder:
        contenders = make_contenders(opened, settings, against, Path(folder))
        rows = _measure_throughput(contenders, settings, opened.model.device)
        results["benchmark"] = {"rows": rows}
        tell(results)
        if paths and not opened.random_weights:  # what random weights answer means nothing
            same = _shares_of_same_answers(
                contenders, paths, batch_size=settings.batch_sizes[-1], device=opened.model.device
            )
            rows = [row | {"agreement": same[row["name"]]} for row in rows]
            results["benchmark"] = {"rows": rows, "num_clips": len(paths)}
            tell(results)
    if paths:
        results["file_to_label"] = _measure_file_to_label(opened, settings, paths)
        tell(results)
    results["front_end"] = measure_front_end(as_stock_extractor(opened.feature_extractor), opened.feature_extractor)
    tell(results)
    return results


def _measure_throughput(
    contenders: Mapping[str, Contender], settings: SpeedSettings, device: torch.device
) -> list[dict[str, Any]]:
    """Let the contenders take turns, one batch size after the other; give all rows."""
    rows = []
    for batch_size in settings.batch_sizes:
        found = compare_throughput(
            {name: make_row(contender, batch_size, device) for name, contender in contenders.items()},
            repeats=settings.repeats,
            min_seconds=settings.min_seconds,
            desc=f"Batches of {batch_size}",
        )
        for name, result in found.items():
            rows.append({"name": name, "merging": dict(contenders[name].variant.merging), **result.to_dict()})
    return rows


def _shares_of_same_answers(
    contenders: Mapping[str, Contender], paths: Sequence[Path], *, batch_size: int, device: torch.device
) -> dict[str, float]:
    """Give the share of clips whose best label is the first contender's, by row."""
    extractors = {contender.feature_extractor for contender in contenders.values()}
    clips = {extractor: padded_spectrograms(paths, extractor) for extractor in extractors}
    total = len(contenders) * -(-len(paths) // batch_size)
    with late_bar(total=total, desc="Agreement", unit="pass") as progress:
        logits = {
            name: _logits(
                contender,
                clips[contender.feature_extractor],
                batch_size=batch_size,
                device=device,
                tell=progress.update,
            )
            for name, contender in contenders.items()
        }
    reference = next(iter(logits.values()))
    return {name: agreement(reference, answers).top_answer for name, answers in logits.items()}


def _logits(
    contender: Contender,
    spectrograms: torch.Tensor,
    *,
    batch_size: int,
    device: torch.device,
    tell: Callable[[], Any],
) -> torch.Tensor:
    """Let a contender answer to the beginning of clips (clips, max_length, mels), as much as it hears."""
    heard = spectrograms[:, : contender.variant.num_frames]
    # Full batches alone: a compiled model has a graph for the size that it has met.
    filled = torch.cat([heard, heard[-1:].expand(-len(heard) % batch_size, -1, -1)])
    logits = []
    for batch in filled.split(batch_size):
        with torch.inference_mode():
            logits.append(contender.forward(batch.to(device, contender.variant.dtype)).float().cpu())
        tell()
    return torch.cat(logits)[: len(heard)]


def _measure_file_to_label(opened: Opened, settings: SpeedSettings, paths: Sequence[Path]) -> dict[str, Any]:
    """Measure the steps from transformers' pipeline to the first schedule, and to the other dtypes with it."""
    merging = settings.schedules[0]
    further = {
        f"+ {str(dtype).removeprefix('torch.')}": with_schedule(in_dtype(opened.model, dtype), **merging)
        for dtype in settings.dtypes
        if dtype != opened.model.dtype
    }
    batch_size = max(settings.batch_sizes)
    found = measure_file_to_label(
        as_stock_ast(opened.model),
        with_schedule(opened.model, **merging),
        as_stock_extractor(opened.feature_extractor),
        opened.feature_extractor,
        paths,
        batch_size=batch_size,
        num_workers=settings.num_workers,
        turns=min(_FILE_TO_LABEL_TURNS, len(paths)),
        pipeline_batch_size=batch_size if opened.model.device.type == "cuda" else 1,  # what suits the pipeline best
        further_models=further,
    )
    if opened.random_weights:
        for row in found["rows"].values():
            del row["agreement"]  # of what means nothing
    return found


def _check_labels(opened: Opened, against: Opened) -> None:
    """Refuse to compare answers that mean different things."""
    ours, theirs = opened.model.config.id2label, against.model.config.id2label
    if ours != theirs:
        raise ValueError(
            f"`against` must answer with the labels of {opened.name} to compare the answers, got {against.name}, whose "
            f"{len(theirs or {})} labels differ. Leave `data_dir` out to compare the speed alone."
        )
