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
    monkeypatch.setattr(growth, "recording", lambda minutes: dict.fromkeys(growth.RATIOS, (2.0 * minutes, 600.0)))
    tables = {table["title"]: table for table in growth.measure()}
    assert len(tables["Exponent"]["columns"]) == len(tables["Exponent"]["rows"][0]["values"]) == 8
    for row in tables["MiB by batch"]["rows"]:
        one, two = row["values"]
        assert one < two < 2.1 * one  # what a pass takes beside weights and input grows with the clips
    on_paper = tables["A recording of 10 hours, on paper"]
    assert [row["values"] for row in on_paper["rows"]] == [pytest.approx([1200.0, 600.0])] * 2
    results = {name: EXAMPLE[name] for name in ("command", "date", "environment")}
    results |= {"schema": SCHEMA, "kind": "questions", "questions": list(tables.values())}
    check_results(results)
    assert "| unmerged | 1,200 | 600 |" in results_block(results)


def test_a_process_is_measured_and_its_failure_told():
    seconds, mib = growth.seconds_and_mib("--version")
    assert seconds > 0
    assert mib > 10
    with pytest.raises(RuntimeError, match="`fastast` must end with 0, got 2"):
        growth.seconds_and_mib("no-such-command")
