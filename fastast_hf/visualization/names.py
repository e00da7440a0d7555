"""Names beside the points of a picture, where they cover neither a point nor each other."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from fastast_hf.visualization.colors import BLACK
from fastast_hf.visualization.fonts import legible

MARK_POINTS = 9
_WORSE = 4  # a name on a name, and outside of its axes, than a line under it
_DISTANCES = np.arange(9, 160, 10)  # from a mark to its name, in points
_DIRECTIONS = np.deg2rad([0, 180, 270, 90, 315, 225, 45, 135, 340, 200, 290, 250, 20, 160, 70, 110])  # the best first
_UNITS = np.tile(np.stack([np.cos(_DIRECTIONS), np.sin(_DIRECTIONS)], axis=1), (len(_DISTANCES), 1))  # (C, 2)
_OFFSETS = np.repeat(_DISTANCES, len(_DIRECTIONS))[:, None] * _UNITS
_SIDES = np.select([_OFFSETS[:, 0] > 4, _OFFSETS[:, 0] < -4], [0.0, 1.0], 0.5)  # the share of a name left of its place
_ALIGNMENTS = {0.0: "left", 0.5: "center", 1.0: "right"}
_STEPS_OF_A_LINE = np.linspace(0, 1, 24)[:, None]  # (S, 1), from the edge of the mark to the name


def name_points(figure: Figure, axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Write a name beside each point, with a line from it to the point.

    Each takes the nearest place that is free; where a crowd leaves none, the one with the least under it.

    Args:
        figure: Done otherwise: names do not move with what is drawn later.
        axes: One of the figure's, with its limits.
        points: In data; their marks measure at most nine points of 1/72 inch.
        names: One a point, taken as they stand, in fonts that have their letters, see `legible`.
    """
    figure.draw_without_rendering()
    pixels = figure.dpi / 72
    marks = axes.transData.transform(points)  # (N, 2)
    half = pixels * MARK_POINTS / 2
    taken = np.hstack([marks - half, marks + half])  # (N, 4): left, bottom, right, top
    lines = np.empty((0, len(_STEPS_OF_A_LINE), 2))  # (L, S, 2)
    room = np.array([axes.bbox.x0, axes.bbox.y0, figure.bbox.x1, axes.bbox.y1])
    for number, (name, point, mark) in enumerate(zip(names, points, marks, strict=True)):
        note = _note(axes, name, point)
        size = Text.get_window_extent(note)
        ends = mark + pixels * _OFFSETS  # (C, 2)
        sizes = np.tile([size.width, size.height], (len(ends), 1))
        corners = ends - sizes * np.stack([_SIDES, np.full(len(ends), 0.5)], axis=1)
        places = np.hstack([corners, corners + sizes])  # (C, 4)
        edges = mark + half * _UNITS
        steps = edges[:, None] + _STEPS_OF_A_LINE * (ends - edges)[:, None]  # (C, S, 2)
        crowd = (
            _WORSE * ((places[:, :2] < room[:2]) | (places[:, 2:] > room[2:])).any(axis=1)
            + _WORSE * _overlapping(places, taken).sum(axis=1)
            + _holding(places, lines).any(axis=1).sum(axis=0)
            + _holding(np.delete(taken, number, axis=0), steps).any(axis=1).sum(axis=1)
        )
        best = int(crowd.argmin())  # the first of the least, which is the nearest
        note.remove()
        _note(axes, name, point, offset=_OFFSETS[best], side=float(_SIDES[best]))
        taken = np.vstack([taken, places[best]])
        lines = np.concatenate([lines, steps[best : best + 1]])


def _note(
    axes: Axes, name: str, point: tuple[float, float], *, offset: np.ndarray = _OFFSETS[0], side: float = 0.0
) -> Annotation:
    """Write a name at an offset (2,) in points, with a line from one of its sides."""
    families, words = legible(name, rcParams["font.family"])
    line = {"arrowstyle": "-", "color": BLACK, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0, "relpos": (side, 0.5)}
    note = axes.annotate(
        words, point, xytext=tuple(offset), textcoords="offset points", ha=_ALIGNMENTS[side], va="center",
        family=families, fontsize="small", parse_math=False, arrowprops=line, zorder=1,
    )  # fmt: skip
    note.set_in_layout(False)  # else the axes would shrink for it
    return note


def _overlapping(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Tell (C, N) which of some boxes (C, 4) overlap which others (N, 4)."""
    apart = (boxes[:, None, :2] >= others[:, 2:]) | (boxes[:, None, 2:] <= others[:, :2])
    return np.asarray(~apart.any(axis=2))


def _holding(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Tell (..., C) which points (..., 2) lie in which boxes (C, 4)."""
    points = points[..., None, :]
    return np.asarray(((points > boxes[:, :2]) & (points < boxes[:, 2:])).all(axis=-1))
