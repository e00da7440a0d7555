"""Inject faults into real processes, and count what survived: `python -m tests.faults [--seed N] [--only KIND] [--list]`.

Each fault must end in one of two ways: the next start of the same command comes to the weights, or labels, of an undisturbed
run, to the last bit; or it refuses in words what nobody but the user can mend, and comes to them once that is done.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console

from tests.faults import clips, disks, halves, hubs, kills, weights
from tests.faults.archives import Archives
from tests.faults.outcomes import Outcome, table_of, write_outcomes
from tests.faults.runs import Runs

FEWEST_FAULTS, FEWEST_KILLS = 50, 25

KINDS: dict[str, Callable[[Runs, Archives], Iterator[Outcome]]] = {
    "kill-run": lambda runs, archives: kills.kill_runs(runs),
    "kill-archive": lambda runs, archives: kills.kill_archives(archives),
    "disk-full": lambda runs, archives: disks.fill_disks(runs),
    "read-only": disks.make_read_only,
    "clips": clips.break_clips,
    "hub": lambda runs, archives: hubs.fail_pushes(runs),
    "weights": lambda runs, archives: weights.damage_weights(runs),
    "halves": halves.halve_files,
}


def main() -> None:
    """Inject, print, write; end with 1 if anything was lost, or too little tried."""
    arguments = read_arguments()
    if arguments.list:
        print("\n".join(KINDS))
        return
    console = Console()
    started = time.monotonic()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="fastast-faults-") as folder:
        runs = Runs(Path(folder), random.Random(arguments.seed))
        archives = Archives(runs)
        for kind in arguments.only or KINDS:
            runs.rng.seed(f"{arguments.seed} {kind}")  # the same faults, with or without the other kinds
            for outcome in KINDS[kind](runs, archives):
                outcomes.append(outcome)
                console.print(
                    f"{time.monotonic() - started:5.0f} s  {describe(outcome)}", soft_wrap=True, markup=False
                )
    console.print(table_of(outcomes))
    if arguments.output is not None:
        write_outcomes(arguments.output, outcomes, seed=arguments.seed, seconds=time.monotonic() - started)
    trouble = too_few(outcomes) if not arguments.only else ""
    if trouble:
        console.print(trouble)
    sys.exit(bool(trouble) or any(outcome.survived is False for outcome in outcomes))


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.split("\n\n")[1])
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the damage (%(default)s)")
    parser.add_argument("--only", action="append", choices=KINDS, help="only this kind; may be given several times")
    parser.add_argument("--list", action="store_true", help="list the kinds, and end")
    parser.add_argument("--output", type=Path, help="JSON file for all outcomes")
    return parser.parse_args()


def too_few(outcomes: Sequence[Outcome]) -> str:
    """Say whether there were fewer faults, or fewer kills among them, than it takes to speak of survival.

    A process may come to its end before its kill; what cannot be injected on a machine counts as if it had been.
    """
    kills = [outcome for outcome in outcomes if outcome.kind.startswith("SIGKILL")]
    if len(outcomes) >= FEWEST_FAULTS and len(kills) >= FEWEST_KILLS:
        return ""
    return (
        f"{len(outcomes)} faults, {len(kills)} of them kills: at least {FEWEST_FAULTS} and {FEWEST_KILLS} are asked for. "
        "Take another --seed."
    )


def describe(outcome: Outcome) -> str:
    """Tell of one fault in a line."""
    state = {True: "survived", False: "LOST", None: "not possible here"}[outcome.survived]
    return f"{outcome.kind}: {outcome.fault}: {state}{f' ({outcome.note})' if outcome.note else ''}"


if __name__ == "__main__":
    main()
