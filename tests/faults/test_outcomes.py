"""Outcomes: counted by kind, printed, kept."""

import io

from rich.console import Console

from fastast_hf.hub.results import load_results
from fastast_hf.hub.tables import results_block
from tests.faults.__main__ import KINDS, describe, too_few
from tests.faults.outcomes import Outcome, table_of, write_outcomes

OUTCOMES = [
    Outcome("SIGKILL", "killed while training", True),
    Outcome("SIGKILL", "killed while saving", False, "other weights"),
    Outcome("Disk full", "a small tmpfs", None, "mounting needs root"),
]


def test_a_table_counts_by_kind():
    console = Console(width=100, file=io.StringIO())
    console.print(table_of(OUTCOMES))
    rows = [line.replace("│", " ").split() for line in console.file.getvalue().splitlines()]
    assert ["SIGKILL", "2", "1", "1", "0"] in rows
    assert ["Disk", "full", "0", "0", "0", "1"] in rows
    assert ["All", "2", "1", "1", "1"] in rows


def test_a_results_file_tells_all(tmp_path):
    write_outcomes(tmp_path / "faults.json", OUTCOMES, seed=3, seconds=124)
    results = load_results(tmp_path / "faults.json")
    table = results_block(results)
    assert "| Injected faults | Injected | Survived | Lost | Impossible here |" in table
    assert "| SIGKILL | 2 | 1 | 1 | 0 |" in table
    assert "| all | 2 | 1 | 1 | 1 |" in table
    assert "2 minutes; survived" in table
    assert results["faults"][1] == {**vars(OUTCOMES[1])}
    assert results["seed"] == 3


def test_a_line_tells_of_each():
    assert [describe(outcome) for outcome in OUTCOMES] == [
        "SIGKILL: killed while training: survived",
        "SIGKILL: killed while saving: LOST (other weights)",
        "Disk full: a small tmpfs: not possible here (mounting needs root)",
    ]
    assert len(KINDS) == 8


def test_too_few_kills_are_told():
    kill, full = Outcome("SIGKILL of a run", "killed", True), Outcome("disk", "a small tmpfs", None)
    assert too_few([kill] * 25 + [full] * 25) == ""
    assert too_few([kill] * 24 + [full] * 26).startswith(
        "50 faults, 24 of them kills: at least 50 and 25 are asked for."
    )
    assert too_few([kill] * 25 + [full] * 24).startswith("49 faults, 25 of them kills")
