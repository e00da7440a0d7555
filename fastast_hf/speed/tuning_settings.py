"""What a search for a merge schedule is told, and the savings that it goes through: refused before a sound is decoded."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from fastast_hf.speed.schedule_savings import SavingsOfSchedules

SPEEDUPS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
"""Savings at which constants are told, and which a search for the fastest schedule goes through."""


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """What is searched. Either of `speedup` and `max_drop` is given.

    Attributes:
        speedup: How many times less work the schedule is to be, in multiply-accumulates.
        max_drop: Or: how many of 100 clips may change their best label, of those that are searched on; the fastest schedule of
            `SPEEDUPS` is searched.
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


def check_settings(settings: TuningSettings) -> None:
    """Refuse settings that contradict each other, before anything is loaded.

    Args:
        settings: What is searched.

    Raises:
        ValueError: If neither or both of `speedup` and `max_drop` are given, or `max_drop` is no share of 100 clips.
    """
    if (settings.speedup is None) == (settings.max_drop is None):
        raise ValueError(
            f"`speedup` or `max_drop` must be given, and not both, got {settings.speedup} and {settings.max_drop}. Say how "
            "much faster, or how many of 100 answers may change."
        )
    if settings.max_drop is not None and not 0 <= settings.max_drop <= 100:  # NaN, too
        raise ValueError(
            f"`max_drop` must be from 0 to 100, got {settings.max_drop:g}. It is how many of 100 clips may change their best label."
        )


def targets_to_search(savings: SavingsOfSchedules, settings: TuningSettings) -> list[float]:
    """Give the savings at which schedules are searched, one after the other.

    Args:
        savings: Of the model.
        settings: What is searched.

    Returns:
        At least one.

    Raises:
        ValueError: If the model cannot save so much.
    """
    most = f"{math.floor(100 * savings.most()) / 100:.2f}"  # rounded up, it would be refused itself
    if settings.speedup is not None:
        if not settings.speedup <= savings.most():
            raise ValueError(
                f"`speedup` must be at most {most}, which this model saves where each layer merges half of its tokens, got "
                f"{settings.speedup:g}. Ask for less."
            )
        return [settings.speedup]
    targets = _reachable(savings, SPEEDUPS)
    if not targets:
        raise ValueError(
            f"`max_drop` must be of a model that merging makes {SPEEDUPS[0]:g}x faster at least, got one where it saves "
            f"{most}x at most. Give `speedup`."
        )
    return targets


def targets_to_tell(savings: SavingsOfSchedules, settings: TuningSettings) -> list[float]:
    """Give the savings at which constant schedules stand beside what was found.

    Args:
        savings: Of the model.
        settings: What is searched.

    Returns:
        Those of `SPEEDUPS` and the one that is asked for, as far as the model can.
    """
    asked = () if settings.speedup is None else (settings.speedup,)
    return _reachable(savings, sorted({*SPEEDUPS, *asked}))


def _reachable(savings: SavingsOfSchedules, targets: Iterable[float]) -> list[float]:
    return [target for target in targets if savings.most() >= target]
