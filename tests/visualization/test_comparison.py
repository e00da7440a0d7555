"""The picture of a comparison: what is in it, read from its SVG, whose text is kept as text."""

import re
from statistics import mean, stdev

import matplotlib
import pytest

from fastast_hf.visualization.comparison import draw_comparison, plot_comparison
from tests.hub.results_example import comparison_example


def test_rows_and_axes_are_named(tmp_path):
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        svg = plot_comparison(comparison_example(), tmp_path / "comparison.svg").read_text(encoding="utf-8")
    words = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    for text in ("FastAST | CMKD", "CNN teacher", "times the clips/s of AST", "accuracy, %"):
        assert words.count(text) == 1
    assert "ESC-10, mean and standard deviation over 2 folds" in words
    assert "AST's weights, merging more and more" in words


def test_the_weights_of_the_baseline_are_a_line_and_all_others_points():
    rows = comparison_example()["comparison"]["rows"]
    (axes,) = draw_comparison(comparison_example()).axes
    line, *points = (drawn for drawn in axes.lines if drawn.get_marker() not in ("_", "|"))
    assert line.get_xydata().tolist() == [[row["speed_up"], 100 * mean(row["accuracy"])] for row in rows[:2]]
    assert [point.get_xydata().tolist()[0] for point in points] == [
        [row["speed_up"], pytest.approx(100 * mean(row["accuracy"]))] for row in rows[2:]
    ]


def test_models_of_one_speed_stand_side_by_side():
    results = comparison_example()
    *_, first, second = results["comparison"]["rows"]
    second["speed_up"] = first["speed_up"] = 8.0
    (axes,) = draw_comparison(results).axes
    left, right = [line.get_xdata()[0] for line in axes.lines if line.get_marker() in ("s", "D")]
    assert (left + right) / 2 == 8.0
    assert right - left == pytest.approx(0.2)
    assert axes.get_xlabel() == "times the clips/s of AST; models of one speed side by side"


def test_the_line_goes_on_below_the_picture_and_no_other_model_does():
    results = comparison_example()
    rows = results["comparison"]["rows"]
    assert draw_comparison(results).axes[0].get_ylabel() == "accuracy, %"
    rows[0]["accuracy"], rows[1]["accuracy"] = [0.9, 0.9], [0.1, 0.1]
    for row in rows[2:]:
        row["accuracy"] = [0.8, 0.8]
    (axes,) = draw_comparison(results).axes
    assert axes.get_ylim()[0] == pytest.approx(65)
    assert axes.get_ylabel() == "accuracy, %; the line goes on below"
    rows[2]["accuracy"] = [0.3, 0.3]
    assert draw_comparison(results).axes[0].get_ylim()[0] == pytest.approx(29)
    rows[0]["accuracy"] = [0.2, 0.2]
    assert draw_comparison(results).axes[0].get_ylim()[0] == pytest.approx(19)


def test_the_deviation_of_every_row_is_drawn():
    rows = comparison_example()["comparison"]["rows"]
    (axes,) = draw_comparison(comparison_example()).axes
    band, *bars = axes.collections
    for row in rows[:2]:
        low, high = (100 * (mean(row["accuracy"]) + sign * stdev(row["accuracy"])) for sign in (-1, 1))
        heights = [y for x, y in band.get_paths()[0].vertices if x == row["speed_up"]]
        assert (min(heights), max(heights)) == (pytest.approx(low), pytest.approx(high))
    for row, bar in zip(rows[2:], bars, strict=True):
        (ends,) = bar.get_segments()
        assert ends[1][1] - ends[0][1] == pytest.approx(200 * stdev(row["accuracy"]))


def test_rows_without_a_speed_are_left_out_and_one_part_has_no_bars():
    results = comparison_example()
    results["comparison"] |= {"num_parts": 1}
    for row in results["comparison"]["rows"]:
        row["accuracy"] = row["accuracy"][:1]
    results["comparison"]["rows"][-1]["speed_up"] = None
    figure = draw_comparison(results)
    (legend,), (axes,) = figure.legends, figure.axes
    assert [text.get_text() for text in legend.get_texts()][-1] == "FastAST | CMKD"
    assert axes.get_title(loc="left") == "ESC-10, one fold"


def test_pictures_are_files_of_the_format_that_their_name_asks_for(tmp_path):
    assert plot_comparison(comparison_example(), tmp_path / "a" / "b.png").read_bytes().startswith(b"\x89PNG")
