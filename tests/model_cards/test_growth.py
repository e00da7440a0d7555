"""How time and memory grow: the arithmetic, and every measurement at a small size."""

import pytest

from fastast_hf.hub.results import SCHEMA, check_results
from fastast_hf.hub.tables import results_block
from model_cards import growth
from tests.hub.results_example import EXAMPLE


@pytest.mark.parametrize("power", [0.0, 1.0, 1.7, -0.5])
def test_the_exponent_of_a_power_law_is_found(power):
    sizes = (1, 2, 5, 10)
    assert growth.exponent(sizes, [3 * size**power for size in sizes]) == pytest.approx(power)


def test_all_tables_are_measured_and_ten_hours_follow_from_them(monkeypatch):
    for name, sizes in {"SECONDS": (1, 2), "BATCH_SIZES": (1, 2), "HIDDEN_SIZES": (64, 128), "REPEATS": 1}.items():
        monkeypatch.setattr(growth, name, sizes)
    monkeypatch.setattr(growth, "recordings", recordings)
    tables = {table["title"]: table for table in growth.measure()}
    powers = tables["Exponent"]
    assert len(powers["columns"]) == len(powers["rows"][0]["values"]) == 8
    for row in tables["MiB by batch"]["rows"]:
        one, two = row["values"]
        assert one < two < 2.1 * one  # what a pass takes beside weights and input grows with the clips
    by_recording = [row["values"][powers["columns"].index("seconds by recording")] for row in powers["rows"]]
    assert by_recording == [pytest.approx(1)] * 2
    results = {name: EXAMPLE[name] for name in ("command", "date", "environment")}
    results |= {"schema": SCHEMA, "kind": "questions", "questions": list(tables.values())}
    check_results(results)
    assert "| Exponent | seconds by length |" in results_block(results)


def recordings(minutes):
    """Ten seconds of start, two for each minute, and memory that stays."""
    return [dict.fromkeys(growth.RATIOS, (10.0 + 2.0 * length, 700.0)) for length in minutes]


@pytest.mark.parametrize("power", [0.5, 1.0, 1.7])
def test_a_start_is_no_part_of_what_grows(power):
    seconds = [10 + 3 * minutes**power for minutes in growth.MINUTES]
    assert growth.exponent_of_steps(seconds) == pytest.approx(power)


def test_longer_recordings_go_on_as_the_longest_did(monkeypatch):
    monkeypatch.setattr(growth, "recordings", recordings)
    _, exponents, (held, on_paper) = growth.measure_recordings()
    assert exponents == {"seconds by recording": [pytest.approx(1)] * 2, "MiB by recording": [pytest.approx(0)] * 2}
    assert [row["values"] for row in held["rows"]] == [pytest.approx([100, 100])] * 2
    assert [row["values"] for row in on_paper["rows"]] == [pytest.approx([1210, 700])] * 2


def test_recordings_are_classified_by_processes(monkeypatch):
    monkeypatch.setattr(growth, "TURNS", 1)
    monkeypatch.setattr(growth, "RATIOS", {"ratio 0.25": 0.25})
    (found,) = growth.recordings((0.1,))
    seconds, mib = found["ratio 0.25"]
    assert seconds > 0
    assert mib > 100


def test_a_process_is_measured_and_its_failure_told():
    seconds, mib = growth.seconds_and_mib("--version")
    assert seconds > 0
    assert mib > 10
    with pytest.raises(RuntimeError, match="`fastast` must end with 0, got 2"):
        growth.seconds_and_mib("no-such-command")
