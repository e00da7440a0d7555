"""A comparison of models as a picture: accuracy against throughput."""

from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastast_hf.visualization.colors import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILION
from fastast_hf.visualization.kinds import check_kind
from fastast_hf.visualization.pictures import save_picture

_STYLES = ((BLACK, "s"), (ORANGE, "D"), (GREEN, "^"), (PURPLE, "v"), (VERMILION, "*"), (SKY_BLUE, "P"))

_STEP = 0.025  # of the fastest model's speed, between models of one speed

_POINTS_SHOWN = 25.0  # below the best: models that nobody would run take the room of all others


def plot_comparison(results: Mapping[str, Any], path: str | Path) -> Path:
    """Draw a comparison into a file.

    Args:
        results: See `draw_comparison`.
        path: The file; its ending (.png, .pdf, .svg) says the format, and its folder is made if it is not there.

    Returns:
        The file.

    Raises:
        ValueError: See `check_picture_path` and `draw_comparison`.
    """
    return save_picture(draw_comparison(results), path)


def draw_comparison(results: Mapping[str, Any]) -> Figure:
    """Draw each model's accuracy against its throughput, a line through the ratios that one set of weights is run at.

    Models of one throughput stand side by side around it. The line may leave the picture more than 25 points below the best; its
    first point and all other models stay.

    Args:
        results: Checked results of a comparison, see `fastast_hf.hub.results`. Rows without a speed are left out.

    Returns:
        The figure.

    Raises:
        ValueError: If they are of another kind.
    """
    check_kind(results, "comparison")
    comparison = results["comparison"]
    rows = [row for row in comparison["rows"] if row.get("speed_up") is not None]
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    of_baseline = [row for row in rows if _has_weights_of_the_baseline(row, comparison)]
    _draw_one_set_of_weights(axes, of_baseline, comparison["baseline"])
    others = [row for row in rows if not _has_weights_of_the_baseline(row, comparison)]
    speeds = _side_by_side(others)
    for index, (row, speed) in enumerate(zip(others, speeds, strict=True)):
        color, marker = _STYLES[index % len(_STYLES)]
        axes.errorbar(
            speed, _mean(row), yerr=_deviation(row), color=color, marker=marker,
            markersize=12 if marker == "*" else 9, markerfacecolor="none", markeredgewidth=2, linestyle="none", capsize=4,
            label=row["name"],
        )  # fmt: skip
    note = "" if speeds == [row["speed_up"] for row in others] else "; models of one speed side by side"
    axes.set_xlabel(f"times the clips/s of {comparison['baseline']}{note}", parse_math=False)
    is_cut = _cut_the_line_off(axes, rows, [*of_baseline[:1], *others])
    axes.set_ylabel(f"accuracy, %{'; the line goes on below' if is_cut else ''}")
    axes.set_title(f"{comparison['data']}, {_over(comparison)}", loc="left", parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    if rows:
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small")  # no model lies under it
    return figure


def _side_by_side(rows: list[Any]) -> list[float]:
    """Give each row its place: its speed, or one beside it where others have the same."""
    step = _STEP * max((row["speed_up"] for row in rows), default=0.0)
    speeds = [row["speed_up"] for row in rows]
    return [
        speed + step * (speeds[:index].count(speed) - (speeds.count(speed) - 1) / 2)
        for index, speed in enumerate(speeds)
    ]


def _draw_one_set_of_weights(axes: Axes, rows: list[Any], name: str) -> None:
    """Draw the baseline's weights as they are run with more and more merging."""
    if not rows:
        return
    speeds = [row["speed_up"] for row in rows]  # in the order of their ratios
    means, deviations = ([of(row) for row in rows] for of in (_mean, _deviation))
    axes.plot(speeds, means, color=BLUE, marker="o", markersize=6, label=f"{name}'s weights, merging more and more")
    low, high = ([at + sign * by for at, by in zip(means, deviations, strict=True)] for sign in (-1, 1))
    axes.fill_between(speeds, low, high, color=BLUE, alpha=0.15, linewidth=0)


def _cut_the_line_off(axes: Axes, rows: list[Any], kept: list[Any]) -> bool:
    """End the picture a while below the best, or below the lowest of the rows to keep; tell whether the line goes on."""
    floor = max((_mean(row) for row in rows), default=0.0) - _POINTS_SHOWN
    floor = min([floor, *(_mean(row) - _deviation(row) - 1 for row in kept)])
    is_cut = any(_mean(row) < floor for row in rows)
    if is_cut:
        axes.set_ylim(bottom=floor)
    return is_cut


def _has_weights_of_the_baseline(row: Mapping[str, Any], comparison: Mapping[str, Any]) -> bool:
    return row.get("weights", row["name"]) == comparison["baseline"]


def _mean(row: Mapping[str, Any]) -> float:
    """Give the mean over the parts, in percent."""
    return float(100 * mean(row["accuracy"]))


def _deviation(row: Mapping[str, Any]) -> float:
    """Give the standard deviation over the parts, in points."""
    return 100 * stdev(row["accuracy"]) if len(row["accuracy"]) > 1 else 0.0


def _over(comparison: Mapping[str, Any]) -> str:
    """Say what points, bars and the band are."""
    count, part = comparison["num_parts"], comparison["part"]
    return f"one {part}" if count == 1 else f"mean and standard deviation over {count} {part}s"
