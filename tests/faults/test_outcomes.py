"""Outcomes: counted by kind, printed, kept."""

import io
import json

from rich.console import Console

from tests.faults.__main__ import KINDS, describe
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
    write_outcomes(tmp_path / "faults.json", OUTCOMES, seed=3, seconds=12.4)
    told = json.loads((tmp_path / "faults.json").read_text())
    assert told["total"] == {"injected": 2, "survived": 1, "lost": 1, "not_possible_here": 1}
    assert told["kinds"]["SIGKILL"] == {"injected": 2, "survived": 1, "lost": 1, "not_possible_here": 0}
    assert told["faults"][1] == {**vars(OUTCOMES[1])}
    assert (told["seed"], told["seconds"]) == (3, 12)
    assert {"command", "date", "environment"} <= told.keys()
    assert {"hardware", "versions"} <= told["environment"].keys()


def test_a_line_tells_of_each():
    assert [describe(outcome) for outcome in OUTCOMES] == [
        "SIGKILL: killed while training: survived",
        "SIGKILL: killed while saving: LOST (other weights)",
        "Disk full: a small tmpfs: not possible here (mounting needs root)",
    ]
    assert len(KINDS) == 8
