"""Run everything behind the tables of the README and the cards, one run after the other, each once (`make evidence`).

    python -m model_cards.evidence --data ../shared/data --models ../shared/models [--only esc10-fold1] [--list]

What is done is not done again: a run's numbers are in model_cards/results/evidence/NAME.json, and a training that was
interrupted goes on from its last checkpoint. The trainings of the two sets share nothing: `--only esc10` and `--only speech` can
run side by side.
"""

import argparse
import re
from pathlib import Path

from model_cards.evidence.carry_out import carry_out
from model_cards.evidence.places import ROOT, result_file
from model_cards.evidence.plan import plan
from model_cards.evidence.summary import write_summaries


def main() -> None:
    """Run what is missing, or list it."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="esc10, speech_commands12")
    parser.add_argument("--models", type=Path, default=ROOT.parent / "shared" / "models", help="start and teacher")
    parser.add_argument(
        "--only", default="", help="runs whose names begin so; a regular expression, 'esc10-fold1-ast$'"
    )
    parser.add_argument("--list", action="store_true", help="list the runs, and which are done")
    arguments = parser.parse_args()
    for run in plan(arguments.data, arguments.models):
        done = result_file(run.name).exists()
        if arguments.list:
            print(f"{'done' if done else 'to do':6}{run.name}")
        elif not done and re.match(arguments.only, run.name):
            carry_out(run, arguments.data)
    if not arguments.list:
        write_summaries()


if __name__ == "__main__":
    main()
