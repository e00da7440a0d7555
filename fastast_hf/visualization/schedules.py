"""A search for a merge schedule as a picture: answers against saved work, and what each layer merges."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastast_hf.visualization.colors import BLUE, ORANGE, SKY_BLUE, VERMILION
from fastast_hf.visualization.kinds import check_kind
from fastast_hf.visualization.pictures import save_picture

_KINDS = {
    "ratio": (BLUE, "o", "one ratio for all layers"),
    "r": (ORANGE, "s", "one r for all layers"),
    "tuned": (VERMILION, "^", "tuned"),
}
_LEAST_KL = 1e-9  # where answers did not move at all, which no logarithm shows


def plot_schedules(results: Mapping[str, Any], path: str | Path) -> Path:
    """Draw a search into a file.

    Args:
        results: See `draw_schedules`.
        path: The file; its ending (.png, .pdf, .svg) says the format, and its folder is made if it is not there.

    Returns:
        The file.

    Raises:
        ValueError: See `check_picture_path` and `draw_schedules`.
    """
    return save_picture(draw_schedules(results), path)


def draw_schedules(results: Mapping[str, Any]) -> Figure:
    """Draw how far the answers moved against the saved work, and below it how much each layer of the chosen schedule merges.

    Args:
        results: Checked results of a search, see `fastast_hf.hub.results`.

    Returns:
        The figure.

    Raises:
        ValueError: If they are of another kind.
    """
    check_kind(results, "tuning")
    tuning = results["tuning"]
    figure = Figure(figsize=(7, 6), layout="constrained")
    frontier, layers = figure.subplots(2, height_ratios=(3, 2))
    _draw_frontier(frontier, tuning["rows"])
    frontier.set_title(f"{results['model']}: answers moved by merging", loc="left", parse_math=False)
    chosen = next(row for row in tuning["rows"] if row["name"] == tuning["chosen"])
    _draw_layers(layers, chosen["merging"]["merge_ratio"])
    layers.set_title(f"{chosen['name']}: what each layer merges", loc="left", parse_math=False)
    return figure


def _draw_frontier(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw the divergence of each schedule, lines between those of one kind."""
    for kind, (color, marker, label) in _KINDS.items():
        points = sorted(
            (row["mac_ratio"], max(row["mean_kl"], _LEAST_KL)) for row in rows if row["name"].split()[0] == kind
        )
        if points:
            axes.plot(*zip(*points, strict=True), color=color, marker=marker, markersize=8, label=label)
    axes.set_yscale("log")
    axes.set_xlabel("times less work (multiply-accumulates)")
    axes.set_ylabel("mean KL to the unmerged model (nats)")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_layers(axes: Axes, ratios: Sequence[float]) -> None:
    """Draw the merge ratio of each layer."""
    layers = range(1, len(ratios) + 1)
    axes.bar(layers, ratios, color=SKY_BLUE, edgecolor="black", linewidth=0.8)
    axes.set_xticks(layers)
    axes.set_ylim(0, 0.55)
    axes.set_xlabel("layer")
    axes.set_ylabel("merge ratio")
    axes.spines[["top", "right"]].set_visible(False)
