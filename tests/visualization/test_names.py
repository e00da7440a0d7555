"""Names beside points, in pixels: each there once, beside its point, on no other name and no point."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from fastast_hf.visualization import names as module
from fastast_hf.visualization.names import MARK_POINTS, name_points

ALONE = [(1.0, 1.0), (3.0, 0.5)]
A_PAIR = [(1.0, 1.0), (1.02, 1.0), (1.5, 1.0)]
A_CROWD = [(1 + 0.1 * number, 1.0) for number in range(9)]
AT_ONE_PLACE = [(1.0, 1.0)] * 5
AT_THE_EDGES = [(0.0, 0.0), (4.0, 0.0), (0.0, 1.2), (4.0, 1.2)]


def named(points, *, names=None, size=(7, 3)):
    """Name points from 0 to 4 and from 0 to 1.2; give the names' boxes and the points, in pixels."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, 4), ylim=(0, 1.2))
    names = names or [f"ratio 0.{number}, bfloat16" for number in range(len(points))]
    name_points(figure, axes, points, names)
    figure.draw_without_rendering()
    assert [note.get_text() for note in axes.texts] == names
    return axes, [Text.get_window_extent(note) for note in axes.texts], axes.transData.transform(points)


@pytest.mark.parametrize("points", [ALONE, A_PAIR, A_CROWD, AT_ONE_PLACE, AT_THE_EDGES])
def test_names_cover_neither_a_point_nor_each_other_and_stay_inside(points):
    axes, boxes, marks = named(points)
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    for box in boxes:
        assert axes.bbox.padded(1).fully_containsx(box.x0)
        assert axes.bbox.padded(1).fully_containsy(box.y0)
        assert axes.bbox.padded(1).fully_containsy(box.y1)
        assert box.x1 <= axes.get_figure().bbox.x1
        for mark in marks:
            half = MARK_POINTS / 2 * axes.get_figure().dpi / 72 - 1
            assert not box.overlaps(Bbox([mark - half, mark + half]))


def test_a_point_that_is_alone_has_its_name_right_of_it():
    _, boxes, marks = named(ALONE)
    for box, (across, up) in zip(boxes, marks, strict=True):
        assert 0 < box.x0 - across < 20
        assert box.y0 < up < box.y1


def test_no_line_runs_through_the_mark_of_a_neighbour():
    _, boxes, marks = named(A_PAIR[:2], names=["AST", "unmerged"])
    assert boxes[0].x1 < marks[0, 0], "the left one has its name on the left"


def test_where_nothing_is_free_every_name_is_still_there():
    _, boxes, _ = named([(2.0, 0.6)] * 20, size=(2, 1))
    assert len(boxes) == 20


def test_a_name_moves_no_axes():
    short, long = (named(ALONE, names=[name, "b"])[0].get_position().bounds for name in ("a", "a" * 60))
    assert short == long


def test_names_are_text_and_letters_that_no_font_has_are_spelled_out(monkeypatch):
    """Warnings are errors in tests."""
    monkeypatch.setattr(module, "legible", lambda words, families: (families, words.replace("\u65e5", "escaped")))
    figure = Figure()
    axes = figure.subplots()
    name_points(figure, axes, [(0.5, 0.5), (0.1, 0.1)], ["$x$ \u65e5", "a"])
    figure.draw_without_rendering()
    assert [note.get_text() for note in axes.texts] == ["$x$ escaped", "a"]
    assert not axes.texts[0].get_parse_math()


def plain_overlaps(one, other):
    """Compare the sides of two boxes, which may touch."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_boxes_and_points_beside_a_plain_twin():
    random = np.random.default_rng(0)
    corners = random.integers(0, 6, (40, 2))
    boxes = np.hstack([corners, corners + random.integers(1, 4, (40, 2))])
    overlaps = module._overlapping(boxes, boxes[:20])
    assert overlaps.tolist() == [[plain_overlaps(one, other) for other in boxes[:20]] for one in boxes]
    points = random.integers(0, 8, (5, 3, 2))
    held = module._holding(boxes, points)
    assert held.shape == (5, 3, 40)
    for index in np.ndindex(held.shape):
        (across, up), (left, bottom, right, top) = points[index[:2]], boxes[index[2]]
        assert held[index] == (left < across < right and bottom < up < top)
