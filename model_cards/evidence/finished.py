"""Runs that are done: their numbers, and how they came about."""

from typing import Any

from fastast_hf.experiment.files import read_json
from fastast_hf.hub.results import SCHEMA
from model_cards.evidence import places
from model_cards.evidence.sets import SETS

TITLES = {"esc10": "ESC-10", "speech": "Speech Commands, 12 words"}
PART = {"esc10": "fold", "speech": "seed"}


def read_run(name: str) -> dict[str, Any]:
    """Give the numbers of a run."""
    found: dict[str, Any] = read_json(places.result_file(name))
    return found


def is_complete(set_name: str, run: str) -> bool:
    """Tell whether a row of the plan is done on all parts."""
    return all(places.result_file(f"{set_name}-{part}-{run}").exists() for part in SETS[set_name].parts)


def at_ratio(answers: dict[str, Any], ratio: float) -> dict[str, Any]:
    """Give the row of one ratio."""
    return next(row for row in answers["rows"] if row["merge_ratio"] == ratio)


def speed_rows(name: str) -> dict[str | None, dict[str, Any]]:
    """Give the rows of a speed measurement by their names, if it was made."""
    file = places.result_file(name)
    return {row["name"]: row for row in read_json(file)["benchmark"]["rows"]} if file.exists() else {}


def provenance(set_name: str, *, kind: str) -> dict[str, Any]:
    """Say how the runs of a set came about."""
    runs = [read_json(path) for path in sorted(places.RESULTS.glob(f"{set_name}-*.json"))]
    only = "" if set_name in SETS else f" --only {set_name}"  # the speed of a set is called otherwise
    hardware = [run["environment"]["hardware"] for run in runs]
    return {
        "schema": SCHEMA,
        "kind": kind,
        "command": "python -m model_cards.evidence" + only,
        "date": max(run["date"] for run in runs),
        "environment": runs[-1]["environment"],
        "machines": sorted({f"{parts['cpu']} ({parts.get('cpu_capability')})" for parts in hardware}),
    }
