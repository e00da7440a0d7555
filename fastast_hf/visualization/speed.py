"""A speed measurement as a picture: how much faster each row is, beside the work that it saves and the answers that stay."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastast_hf.visualization.agreement import draw_agreement, height_of_agreement, name_rows
from fastast_hf.visualization.colors import SKY_BLUE
from fastast_hf.visualization.kinds import check_kind
from fastast_hf.visualization.pictures import save_picture

_ROOM_FOR_NUMBERS = 1.25
_INCHES_PER_ROW = 0.32
_INCHES_AROUND_ROWS = 1.1


def plot_speed(results: Mapping[str, Any], path: str | Path) -> Path:
    """Draw a speed measurement into a file.

    Args:
        results: See `draw_speed`.
        path: The file; its ending (.png, .pdf, .svg) says the format, and its folder is made if it is not there.

    Returns:
        The file.

    Raises:
        ValueError: See `check_picture_path` and `draw_speed`.
    """
    return save_picture(draw_speed(results), path)


def draw_speed(results: Mapping[str, Any]) -> Figure:
    """Draw the speed-up of each row as a bar and its MAC ratio as a mark, a panel for each batch size.

    Where answers were compared on sounds, a panel below each shows the share of clips whose best label stays, against the same
    speed-up, a point with its name for each row.

    Args:
        results: Checked results of speed alone, see `fastast_hf.hub.results`.

    Returns:
        The figure.

    Raises:
        ValueError: If they are of another kind.
    """
    check_kind(results, "speed")
    rows = results["benchmark"]["rows"]
    panels = {size: [row for row in rows if row["batch_size"] == size] for size in _in_order(rows)}
    compared = {size: [row for row in panel if row.get("agreement") is not None] for size, panel in panels.items()}
    heights = []
    for size, panel in panels.items():
        heights.append(_INCHES_PER_ROW * len(panel) + _INCHES_AROUND_ROWS)
        heights += [height_of_agreement(len(compared[size]))] if compared[size] else []
    figure = Figure(figsize=(7, sum(heights)), layout="constrained")
    all_axes = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    below = iter(all_axes)
    of_answers = {}
    for size, panel in panels.items():
        axes = next(below)
        _draw_panel(axes, panel)
        axes.set_title(f"{results['model']}, batch {size}", loc="left", parse_math=False)
        if compared[size]:
            of_answers[size] = axes = next(below)
            draw_agreement(axes, compared[size])
            axes.set_title(f"batch {size}: {_clips(results)} whose best label stays", loc="left")
    all_axes[-1].set_xlim(0, _ROOM_FOR_NUMBERS * max(max(row["speed_up"], row["mac_ratio"]) for row in rows))
    all_axes[-1].set_xlabel(f"times as fast as {rows[0]['name']}", parse_math=False)
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=2, frameon=False)
    for size, axes in of_answers.items():
        name_rows(figure, axes, compared[size])
    return figure


def _in_order(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """List the batch sizes, each once."""
    return list(dict.fromkeys(row["batch_size"] for row in rows))


def _clips(results: Mapping[str, Any]) -> str:
    """Say of how many clips a share is."""
    count = results["benchmark"].get("num_clips")
    return "share of clips" if count is None else f"share of {count:,} clip{'' if count == 1 else 's'}"


def _draw_panel(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw the rows of one batch size, the first on top."""
    places = range(len(rows))
    speed_ups = [row["speed_up"] for row in rows]
    mac_ratios = [row["mac_ratio"] for row in rows]
    axes.barh(places, speed_ups, height=0.6, color=SKY_BLUE, edgecolor="black", linewidth=0.8, label="speed-up")
    axes.plot(
        mac_ratios, places, linestyle="none", marker="|", markersize=15, markeredgewidth=2.5, color="black",
        label="MAC ratio: the work that is saved",
    )  # fmt: skip
    # beside whichever reaches further, so that no mark stands on a number
    for place, speed_up, mac_ratio in zip(places, speed_ups, mac_ratios, strict=True):
        text, end = f"{speed_up:.2f}x of {mac_ratio:.2f}x", (max(speed_up, mac_ratio), place)
        axes.annotate(text, end, xytext=(6, 0), textcoords="offset points", va="center")
    axes.set_yticks(places, [row["name"] for row in rows], parse_math=False)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
