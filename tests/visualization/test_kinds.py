"""Results that a picture is not made of: refused with what is needed, what came, and what to do."""

from pathlib import Path

import pytest

from fastast_hf import visualization
from fastast_hf.hub.results import load_results
from fastast_hf.visualization.kinds import check_kind
from tests.hub.results_example import comparison_example, example, questions_example, speed_example
from tests.hub.test_tuning_tables import RESULTS as TUNING

RUN = Path(__file__).resolve().parents[2] / "model_cards" / "fastast-tiny-esc10" / "results.json"
OF_KIND = {
    "run": example(),
    "speed": speed_example(),
    "tuning": TUNING,
    "comparison": comparison_example(),
    "questions": questions_example(),
}
DRAWN = {"speed": "speed", "schedules": "tuning", "comparison": "comparison"}
"""The kind of results that a picture is made of, by the name of its functions."""

NEEDED = {
    "speed": r"as `fastast benchmark MODEL --output FILE` writes them",
    "tuning": r"as `fastast tune MODEL --data-dir DIR --speedup N --results FILE` writes them",
    "comparison": r"models over folds or seeds as fastast_hf\.hub\.results describes them",
}
ADVICE = {
    "run": r"`fastast card FOLDER` writes their tables\. For speed against answers, measure the model with `fastast "
    r"benchmark FOLDER --data-dir SOUNDS --output FILE` and give that file's to plot_speed\.",
    "speed": r"Give those to plot_speed\.",
    "tuning": r"Give those to plot_schedules\.",
    "comparison": r"Give those to plot_comparison\.",
    "questions": r"No picture is made of those\.",
}


@pytest.mark.parametrize("found", OF_KIND)
@pytest.mark.parametrize("name", DRAWN)
def test_every_function_takes_its_kind_alone(name, found, tmp_path):
    draw, plot = (getattr(visualization, f"{verb}_{name}") for verb in ("draw", "plot"))
    needed, picture = DRAWN[name], tmp_path / "picture.svg"
    if found == needed:
        assert plot(OF_KIND[found], picture).exists()
        return
    message = rf'^`results` must be of kind "{needed}", {NEEDED[needed]}, got kind "{found}"\. {ADVICE[found]}$'
    with pytest.raises(ValueError, match=message):
        draw(OF_KIND[found])
    with pytest.raises(ValueError, match=message):
        plot(OF_KIND[found], picture)
    assert not picture.exists()


@pytest.mark.parametrize("name", DRAWN)
def test_results_of_a_training_as_its_run_left_them_are_refused_in_words(name, tmp_path):
    with pytest.raises(ValueError, match=r'must be of kind "\w+", .*, got kind "run"\. `fastast card FOLDER` writes'):
        getattr(visualization, f"plot_{name}")(load_results(RUN), tmp_path / "picture.png")


def test_the_name_of_a_file_is_no_results():
    message = (
        r'`results` must be of kind "speed", .*, got str\. Read a file with fastast_hf\.hub\.results\.load_results\.'
    )
    with pytest.raises(ValueError, match=message):
        check_kind("speed.json", "speed")
    with pytest.raises(ValueError, match=r"`kind` must be one of run, speed, .*, got 'poem'"):
        check_kind({"kind": "poem"}, "speed")


def test_a_merge_map_is_of_a_trace():
    message = (
        r"`trace` must be a Trace, as .*\.trace_waveform gives one, got dict\. Results .* plot_speed, plot_schedules"
    )
    with pytest.raises(ValueError, match=message):
        visualization.draw_merge_map(speed_example())
