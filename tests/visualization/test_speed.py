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


def compared(*agreements, num_clips=40, **options):
    """Give the example's two rows answers that were compared."""
    results = speed_example(**options)
    results["benchmark"]["num_clips"] = num_clips
    for number, row in enumerate(results["benchmark"]["rows"]):
        row["agreement"] = agreements[number % len(agreements)]
    return results


def test_answers_that_were_compared_are_points_against_the_speed_up():
    bars, answers = draw_speed(compared(1.0, 0.925)).axes
    (drawn,) = answers.lines
    assert drawn.get_xydata().tolist() == [[1.0, 100.0], [3.75, pytest.approx(92.5)]]
    assert [note.get_text() for note in answers.texts] == ["AST", "ratio 0.25, onnxruntime"]
    assert [note.xy for note in answers.texts] == [(1.0, 100.0), (3.75, pytest.approx(92.5))]
    assert answers.get_xlim() == bars.get_xlim()
    low, high = answers.get_ylim()
    assert low < 92.5 < 100 < high
    assert max(answers.get_yticks()) == 100


def test_every_batch_size_has_a_panel_of_answers_below_its_bars(tmp_path):
    results = compared(1.0, 0.9, batch_sizes=(1, 8))
    titles = [axes.get_title(loc="left") for axes in draw_speed(results).axes]
    told = "share of 40 clips whose best label stays"
    assert titles == ["ast-base, batch 1", f"batch 1: {told}", "ast-base, batch 8", f"batch 8: {told}"]
    words = words_of(results, tmp_path)
    assert words.count("same best label, %") == 2
    assert words.count("times as fast as AST") == 1
    assert words.count("ratio 0.25, onnxruntime") == 4


def test_answers_that_were_not_compared_have_no_panel():
    assert len(draw_speed(speed_example(batch_sizes=(1, 8))).axes) == 2
    assert len(draw_speed(speed_example(agreement=None)).axes) == 1


def test_shares_of_nothing_and_of_a_clip_have_their_place():
    _, answers = draw_speed(compared(1.0, 0.0, num_clips=1)).axes
    assert answers.get_title(loc="left") == "batch 1: share of 1 clip whose best label stays"
    assert answers.get_ylim()[0] < 0 <= min(answers.get_yticks())
    results = compared(1.0, 1.0)
    del results["benchmark"]["num_clips"]
    _, answers = draw_speed(results).axes
    assert answers.get_title(loc="left") == "batch 1: share of clips whose best label stays"
    assert answers.get_ylim()[0] <= 95


def test_names_are_text_and_no_formula(tmp_path):
    words = words_of(speed_example(name="$x$") | {"model": r"a_$\b$"}, tmp_path)
    assert words.count("$x$") == 2
    assert r"a_$\b$, batch 1" in words


@pytest.mark.parametrize("ending", ["png", "PNG", "pdf"])
def test_the_ending_says_the_format(ending, tmp_path):
    path = plot_speed(speed_example(), tmp_path / "new" / f"speed.{ending}")
    assert path.read_bytes()[:4] == (b"%PDF" if ending == "pdf" else b"\x89PNG")
