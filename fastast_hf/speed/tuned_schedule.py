"""Tune a model's merge schedule on sounds of its user: search, and hold what was found to sounds that the search did not see."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch

from fastast_hf.evaluation import environment
from fastast_hf.evaluation.tuning import Trial, best_trial, search_schedule
from fastast_hf.hub.results import SCHEMA, provenance
from fastast_hf.progress import late_bar
from fastast_hf.speed.constant_schedules import better_constant, constant_count, constant_ratios, conversion_command
from fastast_hf.speed.contenders import Opened
from fastast_hf.speed.schedule_answers import AnswersOfSchedules, merging_of

SPEEDUPS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
"""Savings at which constants are told, and which a search for the fastest schedule goes through."""

_LEAST_CLIPS = 6
_ONE_OF = 3
"""Of so many clips, one is not searched on."""


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
    opened: Opened,
    clips: torch.Tensor,
    settings: TuningSettings,
    *,
    clips_to_check: torch.Tensor | None = None,
    checkpoint: str | None = None,
) -> dict[str, Any]:
    """Search the schedule that moves a model's answers least.

    All that is told of a schedule is of clips that were not searched on. They judge, and so they do not choose: where one
    ratio or one r for all layers moves their answers less than what was found, that is told and changes nothing.

    Args:
        opened: The model. Its own schedule does not matter.
        clips: (clips, frames, mels) float32 features, at least six. They need no labels.
        settings: What is searched.
        clips_to_check: (clips, frames, mels) as many frames and mels, at least one clip: what judges. Default: every third
            of `clips`, and the search has the others.
        checkpoint: Where the model was opened from, for the command of a better constant. Default: its name.

    Returns:
        Results of kind "tuning", as `fastast_hf.hub.results` describes them. `tuning.chosen` is the row that was found,
        `tuning.better_constant` a constant one that the clips to check like better.

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
    constants = _tell_of_constants(checked, settings)
    targets = _reachable(searched, SPEEDUPS) if settings.speedup is None else [settings.speedup]
    if not targets:
        raise ValueError(
            f"`max_drop` must be of a model that merging makes {SPEEDUPS[0]:g}x faster at least, got one where it cannot. Give "
            "`speedup`."
        )
    found: list[dict[str, Any]] = []
    trials = 0
    for target in targets:
        tried = _search(searched, target, settings, [row["merging"]["merge_ratio"] for row in found[-1:]])
        trials += len(tried)
        found.append(_row(f"tuned {target:g}x", checked, best_trial(tried).merge_ratio))
        if not _holds(found[-1], settings):
            break
    chosen = _choose(found, settings)
    fitting = [row for row in constants if _holds(row, settings)]
    better = better_constant(fitting, chosen, target=targets[found.index(chosen)])
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
            "rows": constants + found,
            "chosen": chosen["name"],
            "better_constant": None
            if better is None
            else {
                "name": better["name"],
                "mean_kl": better["mean_kl"],
                "command": conversion_command(checkpoint or opened.name, opened.name, better),
            },
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


def _search(
    answers: AnswersOfSchedules, target: float, settings: TuningSettings, shapes: Sequence[Sequence[float]]
) -> list[Trial]:
    """Search at one saving, from constant r on beside what the search starts from anyway."""
    count = constant_count(answers, target)
    starts = [] if count is None else [answers.ratios_of(count)]
    total, name = settings.trials, f"Schedules of {target:g}x"
    with late_bar(total=total, desc=name, unit="trial") as progress:
        return search_schedule(
            answers.divergence,
            answers.saving,
            target,
            num_layers=answers.num_layers,
            trials=settings.trials,
            seconds=settings.seconds,
            shapes=[*starts, *shapes],
            seed=settings.seed,
            tell=progress.update,
        )


def _row(name: str, answers: AnswersOfSchedules, schedule: Sequence[float] | int) -> dict[str, Any]:
    """Tell of a schedule."""
    found = answers.agreement(schedule)
    return {"name": name, "merging": merging_of(schedule), "mac_ratio": answers.saving(schedule), **found.to_dict()}


def _tell_of_constants(answers: AnswersOfSchedules, settings: TuningSettings) -> list[dict[str, Any]]:
    """Tell of one ratio and one r for all layers, also at the saving that is asked for: what a search has to beat."""
    asked = () if settings.speedup is None else (settings.speedup,)
    targets = _reachable(answers, sorted({*SPEEDUPS, *asked}))
    counts = dict.fromkeys(constant_count(answers, target) for target in targets)
    return [
        *(_row(f"ratio {ratios[0]:g}", answers, ratios) for ratios in constant_ratios(answers, targets)),
        *(_row(f"r {count}", answers, count) for count in counts if count is not None),
    ]


def _reachable(answers: AnswersOfSchedules, targets: Sequence[float]) -> list[float]:
    """List the savings that a model can reach."""
    return [target for target in targets if answers.saving((0.5,) * answers.num_layers) >= target]


def _drop(row: dict[str, Any]) -> float:
    """Give how many of 100 clips changed their best label."""
    return 100 * (1 - row["top_answer"])


def _holds(row: dict[str, Any], settings: TuningSettings) -> bool:
    """Tell whether no more clips changed their best label than may."""
    return settings.max_drop is None or _drop(row) <= settings.max_drop


def _choose(found: Sequence[dict[str, Any]], settings: TuningSettings) -> dict[str, Any]:
    """Give the last schedule that holds what was asked for."""
    if settings.max_drop is None:
        return found[-1]
    holding = [row for row in found if _holds(row, settings)]
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
