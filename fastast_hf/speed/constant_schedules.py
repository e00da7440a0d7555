"""Schedules that are the same at every layer: what a search starts from, is told beside, and has to be better than."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastast_hf.evaluation.tuning import fit_to_saving
from fastast_hf.hub.tuning_tables import KL_DIGITS
from fastast_hf.speed.schedule_savings import SavingsOfSchedules


def constant_ratios(savings: SavingsOfSchedules, targets: Iterable[float]) -> list[tuple[float, ...]]:
    """Give the schedules with one ratio for all layers.

    Args:
        savings: Of the model.
        targets: What they are to save, as far as the model can.

    Returns:
        Ratios, one a layer, of each target; none twice.
    """
    fitted = (fit_to_saving([1.0] * savings.num_layers, savings.saving, target) for target in targets)
    return list(dict.fromkeys(fitted))


def constant_count(savings: SavingsOfSchedules, target: float) -> int | None:
    """Give the papers' r that saves so much.

    Args:
        savings: Of the model.
        target: What it is to save.

    Returns:
        The least tokens that each layer merges away; None if no number saves so much.
    """
    counts = range(1, savings.num_patches // 2 + 1)
    return next((count for count in counts if savings.saving(count) >= target), None)


def better_constant(
    rows: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any], *, target: float
) -> Mapping[str, Any] | None:
    """Find the constant schedule that moved the answers of the checked clips less than the one that was chosen.

    Nothing is chosen by it: the clips that judge would judge themselves.

    Args:
        rows: Of constant schedules, with `mac_ratio` and `mean_kl`.
        chosen: The row of the schedule that was chosen.
        target: What a schedule is to save.

    Returns:
        The row with the least divergence among those that save `target`; None if it is not less by a digit that tables show.
    """
    best = min((row for row in rows if row["mac_ratio"] >= target), key=lambda row: row["mean_kl"], default=chosen)
    return best if round(best["mean_kl"], KL_DIGITS) < round(chosen["mean_kl"], KL_DIGITS) else None


def conversion_command(checkpoint: str, name: str, row: Mapping[str, Any]) -> str:
    """Write the command that gives a model a constant schedule.

    Args:
        checkpoint: The model: folder, or name on the Hub.
        name: What results call it; the new folder's name begins so.
        row: Of the schedule.

    Returns:
        A line for a shell.

    Example:
        >>> conversion_command("my models/ast", "ast", {"name": "r 20", "merging": {"tokens_merged_per_layer": 20}})
        "fastast convert 'my models/ast' ast-r-20 --tokens-merged-per-layer 20"
    """
    ((field, value),) = row["merging"].items()
    number = str(value) if isinstance(value, int) else f"{value[0]:g}"
    folder = f"{name}-{row['name'].replace(' ', '-')}"
    return shlex.join(["fastast", "convert", checkpoint, folder, f"--{field.replace('_', '-')}", number])
