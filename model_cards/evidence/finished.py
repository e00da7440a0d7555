"""Runs that are done: their numbers, which clips they answered rightly, and how they came about."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastast_hf.experiment.files import read_json
from fastast_hf.hub.results import SCHEMA
from model_cards.evidence import places
from model_cards.evidence.sets import SETS

TITLES = {"esc10": "ESC-10", "speech": "Speech Commands, 12 classes"}
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


def names_of(set_name: str, runs: Iterable[str]) -> list[str]:
    """Name the runs of some rows of the plan, on all parts."""
    return [f"{set_name}-{part}-{run}" for run in runs for part in SETS[set_name].parts]


def right_answers(set_name: str, by_run: Mapping[str, tuple[Mapping[str, Any], Sequence[str]]]) -> list[bool]:
    """Tell of each clip, in the order of their names, whether a model answered it rightly.

    Folds follow each other; of several models of one division it is whether most of them were right.

    Args:
        set_name: the data set.
        by_run: of each fold's or seed's run, the clips and references, and the predictions in the same order.

    Returns:
        As many as clips that were judged by.

    Raises:
        ValueError: if the clips are not those of AST.
    """
    found = []
    for part, (name, (answers, predictions)) in zip(SETS[set_name].parts, by_run.items(), strict=True):
        right = {
            clip: given == wanted
            for clip, given, wanted in zip(answers["clips"], predictions, answers["references"], strict=True)
        }
        if right.keys() != set(read_run(f"{set_name}-{part}-ast")["answers"]["clips"]):
            raise ValueError(f"`clips` must be those of AST in {name}, got others. Run it again.")
        found.append([right[clip] for clip in sorted(right)])
    if PART[set_name] == "fold":
        return [right for part in found for right in part]
    return [2 * sum(of_a_clip) > len(found) for of_a_clip in zip(*found, strict=True)]


def provenance(names: Iterable[str], *, kind: str, only: str | None = None) -> dict[str, Any]:
    """Say how some runs came about.

    Args:
        names: the runs that numbers are taken from.
        kind: of the results.
        only: what names them to the command; None: all.

    Returns:
        The fields that every results file has, of the newest run, and the machines of all.
    """
    runs = sorted((read_run(name) for name in names), key=lambda run: str(run["date"]))
    hardware = [run["environment"]["hardware"] for run in runs]
    return {
        "schema": SCHEMA,
        "kind": kind,
        "command": "python -m model_cards.evidence" + (f" --only {only}" if only else ""),
        "date": runs[-1]["date"],
        "environment": runs[-1]["environment"],
        "machines": sorted({f"{parts['cpu']} ({parts.get('cpu_capability')})" for parts in hardware}),
    }
