"""Tune a model's merge schedule on sounds of its user: search, and hold what was found to sounds that the search did not see."""

from collections.abc import Sequence
from time import perf_counter
from typing import Any, NamedTuple

import torch

from fastast_hf.evaluation import environment
from fastast_hf.evaluation.tuning import Ratios, best_trial, mean_of_best, search_schedule
from fastast_hf.hub.results import SCHEMA, provenance
from fastast_hf.hub.tuning_tables import drop_of
from fastast_hf.progress import late_bar
from fastast_hf.speed.constant_schedules import better_constant, constant_count, constant_ratios, conversion_command
from fastast_hf.speed.contenders import Opened
from fastast_hf.speed.schedule_answers import AnswersOfSchedules
from fastast_hf.speed.schedule_savings import SavingsOfSchedules, merging_of
from fastast_hf.speed.tuning_settings import TuningSettings, check_settings, targets_to_search, targets_to_tell

LEAST_CLIPS = 6
"""A search takes so many, those that judge included if they are taken from the same."""

_ONE_OF = 3
"""Of so many clips, one is not searched on."""


class _Found(NamedTuple):
    """The schedule that was found at one saving.

    It is the mean of the best, or the best that holds `max_drop` where the mean does not, or is worse than one ratio for all.

    `top_answer`: share of the clips that were searched on that keep their best label.
    """

    target: float
    merge_ratio: Ratios
    trials: int
    top_answer: float

    @property
    def name(self) -> str:
        return f"tuned {self.target:g}x"


def tune_schedule(
    opened: Opened,
    clips: torch.Tensor,
    settings: TuningSettings,
    *,
    clips_to_check: torch.Tensor | None = None,
    checkpoint: str | None = None,
) -> dict[str, Any]:
    """Search the schedule that moves a model's answers least.

    The clips that are searched on choose, the speed-up that `max_drop` allows too. All else that is told of a schedule is of
    clips that were not searched on. They are asked when the choice is made, judge it, and change nothing: where one ratio or
    one r for all layers moves their answers less than what was chosen, or more of their best labels change than `max_drop`,
    that is told.

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
        ValueError: If the settings contradict each other, clips are too few, or no schedule saves so much or changes so few
            labels.
    """
    check_settings(settings)
    _check_clips(clips)
    savings = SavingsOfSchedules(opened.model.config, clips.shape[1])
    targets = targets_to_search(savings, settings)
    start = perf_counter()
    if clips_to_check is None:
        held_out = torch.arange(len(clips)) % _ONE_OF == _ONE_OF - 1
        clips, clips_to_check = clips[~held_out], clips[held_out]
    searched = AnswersOfSchedules(opened.model, clips, settings.batch_size)
    found: list[_Found] = []
    for target in targets:
        found.append(_search(searched, savings, target, settings, [each.merge_ratio for each in found[-1:]]))
        if not _holds(found[-1].top_answer, settings):
            break
    chosen = _choose(found, settings, searched.num_clips)
    checked = AnswersOfSchedules(opened.model, clips_to_check, settings.batch_size)
    constants, tuned = _judge(checked, savings, found, settings)
    better = better_constant(
        [row for row in constants if _holds(row["top_answer"], settings)],
        tuned[found.index(chosen)],
        target=chosen.target,
    )
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
            "trials": sum(each.trials for each in found),
            "seconds": perf_counter() - start,
            "seed": settings.seed,
            "rows": constants + tuned,
            "chosen": chosen.name,
            "better_constant": None
            if better is None
            else {
                "name": better["name"],
                "mean_kl": better["mean_kl"],
                "command": conversion_command(checkpoint or opened.name, opened.name, better),
            },
        },
    }


def _search(
    searched: AnswersOfSchedules,
    savings: SavingsOfSchedules,
    target: float,
    settings: TuningSettings,
    shapes: Sequence[Sequence[float]],
) -> _Found:
    """Search at one saving, from constant r on beside what the search starts from anyway, and choose."""
    count = constant_count(savings, target)
    starts = [] if count is None else [savings.ratios_of(count)]
    top_answers: dict[Ratios, float] = {}
    name = f"{settings.trials} schedules of {target:g}x"
    with late_bar(total=settings.trials * searched.num_clips, desc=name, unit="clip") as progress:

        def divergence(ratios: Ratios) -> float:
            told = searched.softened(ratios, progress.update)
            top_answers[ratios] = told.top_answer
            return told.mean_kl

        tried = search_schedule(
            divergence,
            savings.saving,
            target,
            num_layers=savings.num_layers,
            trials=settings.trials,
            seconds=settings.seconds,
            shapes=[*starts, *shapes],
            seed=settings.seed,
        )
    holding = [trial for trial in tried if _holds(top_answers[trial.merge_ratio], settings)]
    best = best_trial(holding or tried).merge_ratio
    mean = mean_of_best(tried, savings.saving, target)
    if mean not in top_answers:
        with late_bar(total=searched.num_clips, desc=f"The mean of the best of {target:g}x", unit="clip") as progress:
            told = searched.softened(mean, progress.update)
        # between schedules that are good each in its own way there may be a bad one
        if told.mean_kl <= tried[0].divergence and _holds(told.top_answer, settings):
            return _Found(target, mean, len(tried), told.top_answer)
    return _Found(target, best, len(tried), top_answers[best])


def _judge(
    checked: AnswersOfSchedules, savings: SavingsOfSchedules, found: Sequence[_Found], settings: TuningSettings
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Tell of what was found, and of one ratio and one r for all layers, which it has to beat, also at the saving asked for."""
    targets = targets_to_tell(savings, settings)
    counts = dict.fromkeys(constant_count(savings, target) for target in targets)
    constants: dict[str, Ratios | int] = {
        **{f"ratio {ratios[0]:g}": ratios for ratios in constant_ratios(savings, targets)},
        **{f"r {count}": count for count in counts if count is not None},
    }
    passes = len(constants) + len(found)
    with late_bar(total=passes * checked.num_clips, desc=f"Judging {passes} schedules", unit="clip") as progress:

        def row(name: str, schedule: Ratios | int) -> dict[str, Any]:
            told = checked.agreement(schedule, progress.update).to_dict()
            return {"name": name, "merging": merging_of(schedule), "mac_ratio": savings.saving(schedule), **told}

        return (
            [row(name, schedule) for name, schedule in constants.items()],
            [row(each.name, each.merge_ratio) | {"top_answer_searched": each.top_answer} for each in found],
        )


def _holds(top_answer: float, settings: TuningSettings) -> bool:
    """Tell whether no more clips changed their best label than may."""
    return settings.max_drop is None or drop_of(top_answer) <= settings.max_drop


def _choose(found: Sequence[_Found], settings: TuningSettings, num_clips: int) -> _Found:
    """Give the fastest schedule that holds what was asked for."""
    holding = [each for each in found if _holds(each.top_answer, settings)]
    if not holding:
        drop = drop_of(found[0].top_answer)
        raise ValueError(
            f"`max_drop` must allow a schedule of {found[0].target:g}x, got {settings.max_drop:g}, where {drop:.1f} of 100 clips "
            f"({drop * num_clips / 100:.0f} of the {num_clips} that were searched on) changed their best label. Allow more."
        )
    return holding[-1]


def _check_clips(clips: torch.Tensor) -> None:
    if len(clips) < LEAST_CLIPS:
        raise ValueError(
            f"`clips` must be at least {LEAST_CLIPS}, got {len(clips)}. A hundred of all kinds of sound make a good search."
        )
