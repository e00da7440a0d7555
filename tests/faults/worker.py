"""Start the programs of `examples/` as processes, each as it is, and tell what they are at: fed by `tests.faults.processes`.

Importing what they need takes longer than all they do, so it is done once: each program is a fork of this process, with an id
and an end of its own, that has not run anything yet. Orders come as lines of JSON on standard input: `program`, `arguments`,
`words` (a file for all that the program says) and `phases` (a named pipe). Answers go to standard output: `pid`, and `code`
when it has ended. The pipe gets a line `begin PHASE` and `end PHASE` for each of the phases below, so that whoever ends the
process knows when to.
"""

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import pandas  # noqa: F401  and below, what a program would import when it needs it
import sklearn.metrics  # noqa: F401
from datasets.packaged_modules.csv import csv  # noqa: F401

import fastast_hf.classification.archive
import fastast_hf.experiment.run
from fastast_hf.classification.shards import Shards
from fastast_hf.distillation import CMKDTrainer

EXAMPLES = Path(__file__).parents[2] / "examples"

PHASES = {
    "computing features": (fastast_hf.experiment.run, "compute_features"),
    "training": (CMKDTrainer, "training_step"),
    "evaluating": (CMKDTrainer, "evaluate"),
    "saving a checkpoint": (CMKDTrainer, "_save_checkpoint"),
    "saving a model": (CMKDTrainer, "save_model"),
    "measuring": (fastast_hf.experiment.run, "measure_speed"),
    "publishing": (fastast_hf.experiment.run, "_publish"),
    "pushing": (fastast_hf.experiment.run.HfApi, "upload_folder"),
    "classifying an archive": (fastast_hf.classification.archive, "classify_archive"),
    "writing a shard": (Shards, "write"),
}
"""Phases of a run or an archive, and the function that each is."""


def mark(phase: str, owner: Any, name: str, descriptor: int) -> None:
    """Tell of every call of a function when it begins and when it ends."""
    original = getattr(owner, name)

    def marked(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("_internal_call"):  # the model of a checkpoint
            return original(*args, **kwargs)
        os.write(descriptor, f"begin {phase}\n".encode())
        try:
            return original(*args, **kwargs)
        finally:
            os.write(descriptor, f"end {phase}\n".encode())

    setattr(owner, name, marked)


def serve() -> dict[str, Any] | None:
    """Fork for each order and tell of its end; in the fork, return the order."""
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            return order
        print(json.dumps({"pid": pid}), flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)
    return None


def run(order: dict[str, Any]) -> None:
    """Be the program."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    words = os.open(order["words"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for source, target in ((nothing, 0), (words, 1), (words, 2)):
        os.dup2(source, target)
    phases = os.open(order["phases"], os.O_WRONLY)
    for phase, (owner, name) in PHASES.items():
        mark(phase, owner, name, phases)
    program = EXAMPLES / order["program"]
    sys.argv = [str(program), *order["arguments"]]
    sys.path[0] = str(EXAMPLES)
    runpy.run_path(str(program), run_name="__main__")


if __name__ == "__main__":
    the_order = serve()
    if the_order is not None:
        run(the_order)
