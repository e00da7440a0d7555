"""Where the evidence lies: numbers, which stay, and trained models, which do not."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "model_cards" / "results" / "evidence"
RUNS = ROOT / "runs" / "evidence"


def result_file(name: str) -> Path:
    """Name the file that holds a run's numbers; its presence says that the run is over."""
    return RESULTS / f"{name}.json"


def run_folder(name: str) -> Path:
    """Name the folder of a run's model and checkpoints."""
    return RUNS / name
