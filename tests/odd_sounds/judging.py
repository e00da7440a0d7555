"""What becomes of a file, and whether that is what must become of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from rich.table import Table

from tests.odd_sounds.corpus import OddFile

Kind = Literal["answered", "refused", "crashed", "hung", "too much memory"]
COLUMNS = {
    "files": "Files",
    "answered": "Answered",
    "refused": "Refused with words",
    "crashed": "Crashed",
    "hung": "Hung",
    "too much memory": "Too much memory",
    "lied": "Lied",
}
"""What is counted, and what it is called in tables. A lie: an answer to what must be refused, the refusal of what must be
answered, or one without the file's name or what to do."""

_WHAT_TO_DO = re.compile(r"[.;] (Check|Copy|Divide|Leave it out|Name|Record|Write)\b")


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    Attributes:
        kind: What.
        words: The error, of which a refusal has to have one.
        grown_mib: Memory that it took at its peak, beyond what was taken before; 0 where nobody knows.
    """

    kind: Kind
    words: str = ""
    grown_mib: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """A file, the way that it was sent, what became of it, and what is wrong with that, if anything is."""

    file: OddFile
    way: str
    outcome: Outcome
    fault: str | None


def judge(file: OddFile, way: str, outcome: Outcome) -> Verdict:
    """Hold what became of a file to what must become of it."""
    fault: str | None = None
    if outcome.kind not in ("answered", "refused"):
        fault = f"{outcome.kind}: {outcome.words}"
    elif outcome.kind == "answered" and file.expected == "refused":
        fault = "answered, and had to be refused"
    elif outcome.kind == "refused" and file.expected == "answer":
        fault = f"refused, and had to be answered: {outcome.words}"
    elif outcome.kind == "refused" and not explains(outcome.words, file.path):
        fault = f"refused without the file's name or what to do: {outcome.words!r}"
    return Verdict(file, way, outcome, fault)


def explains(words: str, path: str) -> bool:
    """Tell whether an error has the form of this project's: what must hold, which file, what to do.

    Example:
        >>> explains("`source` must be a sound file, got 'a.wav' with 0 bytes. Copy it again.", "a.wav")
        True
        >>> explains("Error opening file", "a.wav")
        False
    """
    return words.startswith("`source` must ") and repr(path) in words and _WHAT_TO_DO.search(words) is not None


def outcome_table(verdicts: Iterable[Verdict]) -> Table:
    """Draw the counts: a row for each theme and way, and one for each way in all."""
    counts = count_outcomes(verdicts)
    table = Table("Theme", "Way", title="Odd sounds")
    for name in COLUMNS.values():
        table.add_column(name, justify="right")
    themes = list(dict.fromkeys(theme for theme, _ in counts))
    for theme in sorted(themes, key=lambda theme: theme == "all"):
        rows = [(way, row) for (of_theme, way), row in counts.items() if of_theme == theme]
        for number, (way, row) in enumerate(rows):
            cells = [str(row[name]) for name in COLUMNS]
            table.add_row("" if number else theme, way, *cells, end_section=number == len(rows) - 1)
    return table


def question(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """Count each way in all, as a table of a results file."""
    counts = {way: row for (theme, way), row in count_outcomes(verdicts).items() if theme == "all"}
    return {
        "title": "Odd sounds",
        "data": "Files that a test made, each sent by each way; lied: answered what must be refused, refused what must be "
        "answered, or without the file's name or what to do.",
        "format": "whole",
        "columns": list(COLUMNS.values()),
        "rows": [{"name": way, "values": [row[name] for name in COLUMNS]} for way, row in counts.items()],
    }


def count_outcomes(verdicts: Iterable[Verdict]) -> dict[tuple[str, str], dict[str, int]]:
    """Count, by theme and way, and by "all" and way."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for verdict in verdicts:
        for theme in (verdict.file.theme, "all"):
            row = counts.setdefault((theme, verdict.way), dict.fromkeys(COLUMNS, 0))
            row["files"] += 1
            row[verdict.outcome.kind] += 1
            row["lied"] += verdict.fault is not None and verdict.outcome.kind in ("answered", "refused")
    return counts
