"""What became of each injected fault, as a table and as a results file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from fastast_hf.evaluation import environment
from fastast_hf.experiment.files import write_json
from fastast_hf.hub.results import SCHEMA, check_results, provenance

COLUMNS = ("Injected", "Survived", "Lost", "Impossible here")


@dataclass(frozen=True)
class Outcome:
    """One fault.

    `survived` is None where it could not be injected here, for the reason that `note` gives; of a lost one it says what
    happened.
    """

    kind: str
    fault: str
    survived: bool | None
    note: str = ""


def table_of(outcomes: Sequence[Outcome]) -> Table:
    """Count by kind."""
    table = Table(title="Injected faults")
    table.add_column("Kind", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for kind in kinds_of(outcomes):
        table.add_row(kind, *map(str, _counts([outcome for outcome in outcomes if outcome.kind == kind])))
    table.add_section()
    table.add_row("All", *map(str, _counts(outcomes)))
    return table


def write_outcomes(path: Path, outcomes: Sequence[Outcome], *, seed: int, seconds: float) -> None:
    """Write the counts as a results file, as `fastast_hf.hub.results` describes them, and beside them each fault."""
    results = {
        **{"schema": SCHEMA, "kind": "questions", **provenance(environment()), "command": "make faults"},
        "questions": [question(outcomes, seconds=seconds)],
        "seed": seed,
        "faults": [asdict(outcome) for outcome in outcomes],
    }
    check_results(results)
    write_json(path, results)


def question(outcomes: Sequence[Outcome], *, seconds: float) -> dict[str, Any]:
    """Count by kind, for the pages."""
    by_kind = {kind: [outcome for outcome in outcomes if outcome.kind == kind] for kind in kinds_of(outcomes)}
    return {
        "title": "Injected faults",
        "data": f"{seconds / 60:.0f} minutes; survived: the next start came to the weights or labels of an undisturbed run, to "
        "the last bit, or said in words what only the user can mend, and came to them then.",
        "format": "whole",
        "columns": list(COLUMNS),
        "rows": [
            {"name": kind, "values": list(_counts(those))} for kind, those in (by_kind | {"all": outcomes}).items()
        ],
    }


def kinds_of(outcomes: Sequence[Outcome]) -> list[str]:
    """Name the kinds, in the order in which they came."""
    return list(dict.fromkeys(outcome.kind for outcome in outcomes))


def _counts(outcomes: Sequence[Outcome]) -> tuple[int, int, int, int]:
    """Count injected, survived, lost, not possible here."""
    of = Counter(outcome.survived for outcome in outcomes)
    return of[True] + of[False], of[True], of[False], of[None]
