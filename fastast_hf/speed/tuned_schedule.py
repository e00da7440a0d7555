"""Tune a model's merge schedule on sounds of its user: search, and hold what was found to sounds that the search did not see."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch

from fastast_hf.evaluation import agreement, count_schedule_macs, environment, inference
from fastast_hf.evaluation.tuning import Trial, best_trial, fit_to_saving, search_schedule
from fastast_hf.hub.results import SCHEMA, provenance
from fastast_hf.model import FastASTForAudioClassification
from fastast_hf.model.merge_schedule import plan_merges
from fastast_hf.progress import late_bar
from fastast_hf.speed.contenders import Opened
from fastast_hf.speed.variants import with_schedule

SPEEDUPS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
"""Savings at which constants are told, and which a search for the fastest schedule goes through."""

_LEAST_CLIPS = 6
_ONE_OF = 3
"""Of so many clips, one is not searched on."""

_TEMPERATURE = 2.0
"""The search goes by softer answers. At a temperature of 1 a few undecided clips make most of the mean divergence, and the
schedule that suits them suits no others."""


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """What is searched. Either of `speedup` and `max_drop` is given.

    Attributes:
        speedup: How many times less work the schedule is to be, in multiply-accumulates.
        max_drop: Or: how many of 100 clips may change their best label; the fastest schedule of `SPEEDUPS` is searched.
        trials: Schedules to try at one saving, at least 1.
        seconds: Start no further trial at one saving after this long.
        batch_size: Clips of a forward pass.
        seed: Of all that is random in the search.
    """

    speedup: float | None = None
    max_drop: float | None = None
    trials: int = 120
    seconds: float = math.inf
    batch_size: int = 16
    seed: int = 0


def tune_schedule(
    opened: Opened, clips: torch.Tensor, settings: TuningSettings, *, clips_to_check: torch.Tensor | None = None
) -> dict[str, Any]:
    """Search the schedule that moves a model's answers least.

    All that is told of a schedule is of clips that were not searched on.

    Args:
        opened: The model. Its own schedule does not matter.
        clips: (clips, frames, mels) float32 features, at least six. They need no labels.
        settings: What is searched.
        clips_to_check: (clips, frames, mels) as many frames and mels, at least one clip: what judges. Default: every third
            of `clips`, and the search has the others.

    Returns:
        Results of kind "tuning", as `fastast_hf.hub.results` describes them. `tuning.chosen` is the row that was found.

    Raises:
        ValueError: If the settings contradict each other, clips are too few, or no schedule saves so much.
    """
    check_settings(settings)
    _check_clips(clips)
    start = perf_counter()
    if clips_to_check is None:
        held_out = torch.arange(len(clips)) % _ONE_OF == _ONE_OF - 1
        clips, clips_to_check = clips[~held_out], clips[held_out]
    searched = AnswersOfSchedules(opened.model, clips, settings.batch_size)
    checked = AnswersOfSchedules(opened.model, clips_to_check, settings.batch_size)
    rows = [
        *(_row(f"ratio {ratios[0]:g}", checked, ratios) for ratios in _constant_ratios(checked)),
        *(_row(f"r {count}", checked, count) for count in _constant_counts(checked)),
    ]
    targets = _reachable(searched) if settings.speedup is None else [settings.speedup]
    if not targets:
        raise ValueError(
            f"`max_drop` must be of a model that merging makes {SPEEDUPS[0]:g}x faster at least, got one where it cannot. Give "
            "`speedup`."
        )
    found: list[dict[str, Any]] = []
    trials = 0
    for target in targets:
        shapes = [row["merging"]["merge_ratio"] for row in found[-1:]]
        tried = _search(searched, target, settings, shapes)
        trials += len(tried)
        found.append(_row(f"tuned {target:g}x", checked, best_trial(tried).merge_ratio))
        if settings.max_drop is not None and _drop(found[-1]) > settings.max_drop:
            break
    return {
        "schema": SCHEMA,
        "kind": "tuning",
        **provenance(environment(device=opened.model.device, dtype=opened.model.dtype)),
        "model": opened.name,
        "tuning": {
            "speedup": settings.speedup,
            "max_drop": settings.max_drop,
            "num_clips_searched": len(clips),
            "num_clips_checked": len(clips_to_check),
            "num_frames": clips.shape[1],
            "trials": trials,
            "seconds": perf_counter() - start,
            "seed": settings.seed,
            "rows": rows + found,
            "chosen": _choose(found, settings)["name"],
        },
    }


def check_settings(settings: TuningSettings) -> None:
    """Refuse settings that contradict each other, before anything is loaded.

    Args:
        settings: What is searched.

    Raises:
        ValueError: If neither or both of `speedup` and `max_drop` are given.
    """
    if (settings.speedup is None) == (settings.max_drop is None):
        raise ValueError(
            f"`speedup` or `max_drop` must be given, and not both, got {settings.speedup} and {settings.max_drop}. Say how "
            "much faster, or how many of 100 answers may change."
        )


class AnswersOfSchedules:
    """A model's answers to the same clips, without merging and with any schedule."""

    def __init__(self, model: FastASTForAudioClassification, clips: torch.Tensor, batch_size: int) -> None:
        self._clips = clips.split(batch_size)
        self._twin = with_schedule(model)
        self.num_patches: int = math.prod(model.config.patch_grid_of(*clips.shape[1:]))
        self.num_layers: int = model.config.num_hidden_layers
        self._macs = self._macs_of((0.0,) * self.num_layers)
        self._unmerged = self._logits()

    def saving(self, schedule: Sequence[float] | int) -> float:
        """Give how many times less work a schedule is: merge ratios, one a layer, or one count for all layers."""
        return self._macs / self._macs_of(schedule)

    def agreement(self, schedule: Sequence[float] | int) -> Any:
        """Compare the answers of a schedule with those without merging."""
        return agreement(self._unmerged, self._logits_of(schedule))

    def divergence(self, schedule: Sequence[float] | int) -> float:
        """Give how far a schedule moves the answers, softened: what the search makes small."""
        return agreement(self._unmerged / _TEMPERATURE, self._logits_of(schedule) / _TEMPERATURE).mean_kl

    def _logits_of(self, schedule: Sequence[float] | int) -> torch.Tensor:
        self._twin.config.set_merge_schedule(**merging_of(schedule))
        return self._logits()

    def _macs_of(self, schedule: Sequence[float] | int) -> int:
        planned = plan_merges(
            self.num_patches,
            self.num_layers,
            **{"merge_ratio": 0.0, "tokens_merged_per_layer": None, **merging_of(schedule)},
        )
        return count_schedule_macs(self._twin.config, self.num_patches, planned.tokens_merged)

    def _logits(self) -> torch.Tensor:
        """Give (clips, labels) float32 on the CPU."""
        parameter = next(self._twin.parameters())
        with inference(self._twin):
            return torch.cat(
                [self._twin(batch.to(parameter.device, parameter.dtype)).logits.float().cpu() for batch in self._clips]
            )


def merging_of(schedule: Sequence[float] | int) -> dict[str, Any]:
    """Write a schedule as a field of a FastASTConfig."""
    if isinstance(schedule, int):
        return {"tokens_merged_per_layer": schedule}
    return {"merge_ratio": list(schedule)}


def _search(
    answers: AnswersOfSchedules, target: float, settings: TuningSettings, shapes: Sequence[Sequence[float]]
) -> list[Trial]:
    """Search at one saving."""
    total, name = settings.trials, f"Schedules of {target:g}x"
    with late_bar(total=total, desc=name, unit="trial") as progress:
        return search_schedule(
            answers.divergence,
            answers.saving,
            target,
            num_layers=answers.num_layers,
            trials=settings.trials,
            seconds=settings.seconds,
            shapes=shapes,
            seed=settings.seed,
            tell=progress.update,
        )


def _row(name: str, answers: AnswersOfSchedules, schedule: Sequence[float] | int) -> dict[str, Any]:
    """Tell of a schedule."""
    found = answers.agreement(schedule)
    return {"name": name, "merging": merging_of(schedule), "mac_ratio": answers.saving(schedule), **found.to_dict()}


def _reachable(answers: AnswersOfSchedules) -> list[float]:
    """List the savings that a model can reach."""
    return [target for target in SPEEDUPS if answers.saving((0.5,) * answers.num_layers) >= target]


def _constant_ratios(answers: AnswersOfSchedules) -> Iterator[tuple[float, ...]]:
    """Give the schedules with one ratio for all layers."""
    for target in _reachable(answers):
        yield fit_to_saving([1.0] * answers.num_layers, answers.saving, target)


def _constant_counts(answers: AnswersOfSchedules) -> Iterator[int]:
    """Give the papers' r, the least that saves so much, as far as there is one."""
    counts = range(1, answers.num_patches // 2 + 1)
    for target in SPEEDUPS:
        found = next((count for count in counts if answers.saving(count) >= target), None)
        if found is not None:
            yield found


def _drop(row: dict[str, Any]) -> float:
    """Give how many of 100 clips changed their best label."""
    return 100 * (1 - row["top_answer"])


def _choose(found: Sequence[dict[str, Any]], settings: TuningSettings) -> dict[str, Any]:
    """Give the last schedule that holds what was asked for."""
    if settings.max_drop is None:
        return found[-1]
    holding = [row for row in found if _drop(row) <= settings.max_drop]
    if not holding:
        raise ValueError(
            f"`max_drop` must allow a schedule of {SPEEDUPS[0]:g}x, got {settings.max_drop:g}, where {_drop(found[0]):.1f} of "
            "100 clips changed their best label. Allow more."
        )
    return holding[-1]


def _check_clips(clips: torch.Tensor) -> None:
    if len(clips) < _LEAST_CLIPS:
        raise ValueError(
            f"`clips` must be at least {_LEAST_CLIPS}, got {len(clips)}. A hundred of all kinds of sound make a good search."
        )
