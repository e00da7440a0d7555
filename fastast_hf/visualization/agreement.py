"""The part of a speed picture that shows what speed costs: how many clips keep their best label."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastast_hf.visualization.colors import SKY_BLUE
from fastast_hf.visualization.names import MARK_POINTS, name_points

_LEAST_SPAN = 5  # per cent that the axis shows, so that one clip of hundreds makes no cliff
_INCHES_PER_NAME = 0.2
_INCHES_AROUND_NAMES = 1.8


def height_of_agreement(num_rows: int) -> float:
    """Give the height of a panel that has room for the names of its points.

    Args:
        num_rows: Points.

    Returns:
        Inches.
    """
    return _INCHES_PER_NAME * num_rows + _INCHES_AROUND_NAMES


def draw_agreement(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw the share of clips whose best label is the baseline's against the speed-up.

    Args:
        axes: Empty ones.
        rows: Those of one batch size, whose answers were compared.
    """
    speed_ups, shares = zip(*_points(rows), strict=True)
    axes.plot(
        speed_ups, shares, linestyle="none", marker="o", markersize=MARK_POINTS, color=SKY_BLUE,
        markeredgecolor="black", markeredgewidth=0.8,
    )  # fmt: skip
    span = max(100 - min(shares), _LEAST_SPAN)
    axes.set_ylim(100 - 1.4 * span, 100 + 0.3 * span)  # names stand above and below
    axes.set_yticks([tick for tick in axes.get_yticks() if 100 - 1.4 * span <= tick <= 100 and tick >= 0])
    axes.set_ylabel("same best label, %")
    axes.spines[["top", "right"]].set_visible(False)


def name_rows(figure: Figure, axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the names of the rows beside their points.

    Args:
        figure: Done otherwise, see `name_points`.
        axes: As `draw_agreement` left them, with the limits of the speed-up.
        rows: As there.
    """
    name_points(figure, axes, _points(rows), [row["name"] for row in rows])


def _points(rows: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Give the speed-up and the share in per cent of each row."""
    return [(row["speed_up"], 100 * row["agreement"]) for row in rows]
