"""The picture of a speed measurement: what is in it, read from its SVG, whose text is kept as text."""

import re

import matplotlib
import pytest

from fastast_hf.visualization.speed import draw_speed, plot_speed
from tests.hub.results_example import speed_example


def words_of(results, folder):
    """Draw as SVG and give all words in it."""
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        svg = plot_speed(results, folder / "speed.svg").read_text(encoding="utf-8")
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_every_row_has_its_speed_up_beside_its_mac_ratio(tmp_path):
    words = words_of(speed_example(), tmp_path)
    for text in ("AST", "1.00x of 1.00x", "ratio 0.25, onnxruntime", "3.75x of 4.00x", "times as fast as AST"):
        assert words.count(text) == 1
    assert words[-2:] == ["speed-up", "MAC ratio: the work that is saved"]


def test_every_batch_size_has_a_panel(tmp_path):
    words = words_of(speed_example(batch_sizes=(1, 8)), tmp_path)
    for text in ("ast-base, batch 1", "ast-base, batch 8"):
        assert words.count(text) == 1
    assert words.count("3.75x of 4.00x") == 2


def test_all_panels_have_room_for_the_longest_bar_of_any():
    results = speed_example(batch_sizes=(1, 8))
    results["benchmark"]["rows"][-1]["speed_up"] = 12.0
    for axes in draw_speed(results).axes:
        assert axes.get_xlim() == pytest.approx((0, 15))


def test_names_are_text_and_no_formula(tmp_path):
    words = words_of(speed_example(name="$x$") | {"model": r"a_$\b$"}, tmp_path)
    assert words.count("$x$") == 2
    assert r"a_$\b$, batch 1" in words


@pytest.mark.parametrize("ending", ["png", "PNG", "pdf"])
def test_the_ending_says_the_format(ending, tmp_path):
    path = plot_speed(speed_example(), tmp_path / "new" / f"speed.{ending}")
    assert path.read_bytes()[:4] == (b"%PDF" if ending == "pdf" else b"\x89PNG")
