"""What became of each injected fault, as a table and as a results file."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from fastast_hf.evaluation import environment
from fastast_hf.experiment.files import write_json


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
    for name in ("Injected", "Survived", "Lost", "Impossible here"):
        table.add_column(name, justify="right")
    kinds = list(dict.fromkeys(outcome.kind for outcome in outcomes))
    for kind in kinds:
        table.add_row(kind, *map(str, _counts([outcome for outcome in outcomes if outcome.kind == kind])))
    table.add_section()
    table.add_row("All", *map(str, _counts(outcomes)))
    return table


def write_outcomes(path: Path, outcomes: Sequence[Outcome], *, seed: int, seconds: float) -> None:
    """Write all of it, with how to repeat it."""
    told = environment()
    names = ("injected", "survived", "lost", "not_possible_here")
    kinds = list(dict.fromkeys(outcome.kind for outcome in outcomes))
    counts = {
        kind: dict(zip(names, _counts([outcome for outcome in outcomes if outcome.kind == kind]), strict=True))
        for kind in kinds
    }
    write_json(
        path,
        {
            **{"command": told["command"], "date": told["date"], "environment": told},
            **{"seed": seed, "seconds": round(seconds), "total": dict(zip(names, _counts(outcomes), strict=True))},
            **{"kinds": counts, "faults": [asdict(outcome) for outcome in outcomes]},
        },
    )


def read_outcomes(path: Path) -> dict[str, dict[str, int]]:
    """Read the counts by kind."""
    return json.loads(path.read_text())["kinds"]


def _counts(outcomes: Sequence[Outcome]) -> tuple[int, int, int, int]:
    """Count injected, survived, lost, not possible here."""
    of = Counter(outcome.survived for outcome in outcomes)
    return of[True] + of[False], of[True], of[False], of[None]
