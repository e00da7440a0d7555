"""Label an archive of 10,000 sounds, ESC-10 named over and over in a list, with two processes (`make archive`).

    python -m model_cards.archive [--data ../shared/data/esc10]

Nothing else may run on the machine meanwhile: it tells a time.
"""

import argparse
import tempfile
from itertools import cycle, islice
from pathlib import Path

from fastast_hf.classification.files import find_sound_files
from fastast_hf.experiment.files import write_json
from model_cards.commands import ROOT, run_all

NUM_SOUNDS = 10_000
COMMANDS = (
    "accelerate launch --multi_gpu --num_processes 2 examples/classify_archive.py ten-thousand.txt --output-dir labels",
    # the same again: nothing is left to do
    "accelerate launch --multi_gpu --num_processes 2 examples/classify_archive.py ten-thousand.txt --output-dir labels",
)


def main() -> None:
    """Run it, and write down what it prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "esc10", help="ESC-10")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "model_cards" / "results" / "archive.json", help="results (%(default)s)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder), arguments.data)
        results = run_all(COMMANDS, Path(folder), command="make archive")
    write_json(arguments.output, results)
    print(f"{arguments.output}: {results['commands'][0]['output']}")


def lay_out(folder: Path, data: Path, num_sounds: int = NUM_SOUNDS) -> None:
    """Put the examples there, and a list of sounds, each as often as it takes."""
    (folder / "examples").symlink_to(ROOT / "examples")
    sounds = islice(cycle(list(find_sound_files(data.resolve()))), num_sounds)
    (folder / "ten-thousand.txt").write_text("".join(f"{sound}\n" for sound in sounds), encoding="utf-8")


if __name__ == "__main__":
    main()
