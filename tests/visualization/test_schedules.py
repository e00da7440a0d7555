"""The picture of a search: what is in it, read from its SVG, whose text is kept as text."""

import re

import matplotlib
import pytest

from fastast_hf.visualization.schedules import draw_schedules, plot_schedules
from tests.hub.test_tuning_tables import RESULTS, changed


def words_of(results, folder):
    """Draw as SVG and give all words in it."""
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        svg = plot_schedules(results, folder / "schedules.svg").read_text(encoding="utf-8")
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_kinds_of_schedules_and_the_chosen_one_are_named(tmp_path):
    words = words_of(RESULTS, tmp_path)
    for text in ("mine: answers moved by merging", "one ratio for all layers", "one r for all layers", "tuned"):
        assert words.count(text) == 1
    assert "tuned 4x: what each layer merges" in words
    assert "mean KL to the unmerged model (nats)" in words


def test_every_schedule_is_a_point_and_every_layer_a_bar():
    frontier, layers = draw_schedules(RESULTS).axes
    points = sorted(point for line in frontier.lines for point in line.get_xydata().tolist())
    assert points == sorted([row["mac_ratio"], row["mean_kl"]] for row in RESULTS["tuning"]["rows"])
    assert [bar.get_height() for bar in layers.patches] == [0.4, 0.05]


def test_answers_that_did_not_move_have_a_place():
    rows = [row | {"mean_kl": 0.0} for row in RESULTS["tuning"]["rows"]]
    low, _ = draw_schedules(changed(rows=rows)).axes[0].get_ylim()
    assert low >= 0


@pytest.mark.parametrize("ending", ["png", "pdf"])
def test_the_ending_says_the_format(ending, tmp_path):
    path = plot_schedules(RESULTS, tmp_path / "new" / f"schedules.{ending}")
    assert path.read_bytes()[:4] == (b"%PDF" if ending == "pdf" else b"\x89PNG")
