"""What is a fault, and how it is counted."""

import io

import pytest
from rich.console import Console

from fastast_hf.hub.results import load_results
from tests.odd_sounds.__main__ import write_results
from tests.odd_sounds.corpus import OddFile
from tests.odd_sounds.judging import Outcome, judge, outcome_table, question

WORDS = "`source` must be a sound file, got 'a.wav' with 0 bytes. Copy it again, or leave it out."


@pytest.mark.parametrize(
    ("expected", "outcome", "fault"),
    [
        ("answer", Outcome("answered"), None),
        ("either", Outcome("answered"), None),
        ("refused", Outcome("answered"), "answered, and had to be refused"),
        ("refused", Outcome("refused", WORDS), None),
        ("either", Outcome("refused", WORDS), None),
        ("answer", Outcome("refused", WORDS), f"refused, and had to be answered: {WORDS}"),
        ("refused", Outcome("refused", WORDS.replace("a.wav", "b.wav")), "without the file's name or what to do"),
        ("refused", Outcome("refused", WORDS.partition(" Copy")[0]), "without the file's name or what to do"),
        ("refused", Outcome("refused", "cannot open 'a.wav'. Copy it"), "without the file's name or what to do"),
        ("either", Outcome("crashed", "SIGSEGV"), "crashed: SIGSEGV"),
        ("either", Outcome("hung", "no word"), "hung: no word"),
        ("refused", Outcome("too much memory", "900 MiB"), "too much memory: 900 MiB"),
    ],
)
def test_faults(expected, outcome, fault):
    verdict = judge(OddFile("cuts", "a.wav", expected), "way", outcome)
    assert (verdict.fault is None) == (fault is None)
    assert fault is None or fault in verdict.fault


def test_the_table_counts_by_theme_and_way_and_in_all():
    verdicts = [
        judge(OddFile("cuts", "a.wav", "answer"), "api", Outcome("answered")),
        judge(OddFile("cuts", "b.wav", "refused"), "api", Outcome("answered")),
        judge(OddFile("names", "c.wav", "answer"), "api", Outcome("crashed", "SIGSEGV")),
        judge(OddFile("names", "c.wav", "answer"), "command", Outcome("hung")),
    ]
    console = Console(width=120, file=io.StringIO())
    console.print(outcome_table(verdicts))
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in console.file.getvalue().splitlines()]
    assert [row for row in cells if row and row[1] in ("api", "command")] == [
        ["cuts", "api", "2", "2", "0", "0", "0", "0", "1"],
        ["names", "api", "1", "0", "0", "1", "0", "0", "0"],
        ["", "command", "1", "0", "0", "0", "1", "0", "0"],
        ["all", "api", "3", "2", "0", "1", "0", "0", "1"],
        ["", "command", "1", "0", "0", "0", "1", "0", "0"],
    ]
    assert [row["values"] for row in question(verdicts)["rows"]] == [[3, 2, 0, 1, 0, 0, 1], [1, 0, 0, 0, 1, 0, 0]]


def test_a_results_file_holds_the_counts_and_what_is_wrong(tmp_path):
    verdicts = [judge(OddFile("cuts", "b.wav", "refused"), "api", Outcome("answered"))]
    write_results(tmp_path / "odd-sounds.json", verdicts, ["cuts/b.wav by api: answered, and had to be refused"])
    results = load_results(tmp_path / "odd-sounds.json")
    assert results["questions"] == [question(verdicts)]
    assert results["faults"] == ["cuts/b.wav by api: answered, and had to be refused"]
