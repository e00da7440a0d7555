"""Measure how time and memory grow with length, batch and model, and put a ten-hour recording on paper (`make growth`).

    python -m model_cards.growth [--output growth.json]

Random weights: what a model has learnt does not change its speed. Nothing else may run on the machine meanwhile.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import soundfile
import torch

from fastast_hf.evaluation import Row, compare_throughput, count_macs, eager_forward, environment
from fastast_hf.experiment.files import write_json
from fastast_hf.hub.results import SCHEMA, check_results, provenance
from fastast_hf.model import FastASTConfig, FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.model.log_mel import HOP_SECONDS

ROOT = Path(__file__).resolve().parents[1]
RATE = 16_000
FRAMES_PER_SECOND = round(1 / HOP_SECONDS)
RATIOS = {"unmerged": 0.0, "ratio 0.25": 0.25}
REPEATS = 7

SECONDS = (1, 2, 5, 10)
BATCH_SIZES = (1, 2, 4, 8, 16)
HIDDEN_SIZES = (192, 384, 768)
MINUTES = (1, 3, 10)
HOURS_ON_PAPER = 10

Measured = Mapping[str, Sequence[float]]
"""By the names of `RATIOS`, a number for each size."""


def main() -> None:
    """Measure, print, and write down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--output", type=Path, default=ROOT / "model_cards" / "results" / "growth.json", help="results (%(default)s)"
    )
    arguments = parser.parse_args()
    results = {
        **{"schema": SCHEMA, "kind": "questions", **provenance(environment()), "command": "make growth"},
        "questions": measure(),
    }
    check_results(results)
    write_json(arguments.output, results)
    print(f"{arguments.output}: {len(results['questions'])} tables")


def measure() -> list[dict[str, Any]]:
    """Measure everything; give the tables."""
    torch.manual_seed(0)
    tables = []
    exponents: dict[str, list[float]] = {name: [] for name in RATIOS}
    columns = []
    sweeps = {
        "length": (
            SECONDS,
            "{} s",
            "hidden size 192, batch 1",
            lambda size: point(num_frames=size * FRAMES_PER_SECOND),
        ),
        "batch": (BATCH_SIZES, "{}", "hidden size 192, 5 s", lambda size: point(batch_size=size)),
        "hidden size": (HIDDEN_SIZES, "{}", "5 s, batch 1", lambda size: point(hidden_size=size)),
        "recording": (
            MINUTES,
            "{} min",
            "hidden size 192, windows of 5 s, the process of fastast classify",
            recording,
        ),
    }
    for name, (sizes, column, rest, measure_at) in sweeps.items():
        points = [measure_at(size) for size in sizes]
        for number, (title, form) in enumerate((("Seconds", "seconds"), ("MiB", "whole"))):
            found = {ratio: [at_size[ratio][number] for at_size in points] for ratio in RATIOS}
            tables.append(
                table(f"{title} by {name}", f"{rest}.", form, [column.format(size) for size in sizes], found)
            )
            columns.append(f"{title.lower() if number == 0 else title} by {name}")
            for ratio, values in found.items():
                exponents[ratio].append(exponent(sizes, values))
    tables.append(
        table(
            "Exponent",
            "Of the power law that fits best: 1 grows as fast, 2 as the square.",
            "exponent",
            columns,
            exponents,
        )
    )
    last = points[-1]
    longer = HOURS_ON_PAPER * 60 / MINUTES[-1]
    on_paper = {
        ratio: [last[ratio][0] * longer ** exponents[ratio][-2], last[ratio][1] * longer ** exponents[ratio][-1]]
        for ratio in RATIOS
    }
    hours = f"A recording of {HOURS_ON_PAPER} hours, on paper"
    tables.append(
        table(hours, "What ten minutes take, by the exponents above.", "whole", ["seconds", "MiB"], on_paper)
    )
    return tables


def point(
    *, num_frames: int = 5 * FRAMES_PER_SECOND, batch_size: int = 1, hidden_size: int = 192
) -> dict[str, tuple[float, float]]:
    """Measure a forward pass, merging or not: seconds of the batch, and the most MiB that it takes beside weights and input."""
    clips = torch.randn(batch_size, num_frames, 128)
    models = {name: classifier(num_frames, hidden_size, ratio) for name, ratio in RATIOS.items()}
    rows = {name: Row(eager_forward(model), clips, count_macs(model, clips)) for name, model in models.items()}
    found = compare_throughput(rows, repeats=REPEATS, warmup=1)
    return {name: (row.latency_ms / 1e3, float(row.peak_memory_mib or 0)) for name, row in found.items()}


def recording(minutes: int) -> dict[str, tuple[float, float]]:
    """Classify a recording of noise by windows, in processes of their own: seconds, and the most MiB that one held."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "recording.flac"
        random = np.random.default_rng(0)
        with soundfile.SoundFile(sound, "w", RATE, 1, "PCM_16") as file:
            for _ in range(60 * minutes):
                file.write(random.uniform(-0.3, 0.3, RATE))
        for name, ratio in RATIOS.items():
            model = Path(folder) / name
            classifier(512, 192, ratio).save_pretrained(model)
            FastASTFeatureExtractor(max_length=512).save_pretrained(model)
            found[name] = seconds_and_mib("classify", str(sound), "-m", str(model), "--window", "5", "--json")
    return found


def seconds_and_mib(*arguments: str) -> tuple[float, float]:
    """Run `fastast` in a process of its own; give the time, start included, and the most memory that it ever held."""
    start = perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "fastast_hf", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # of this process alone
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"`fastast` must end with 0, got {process.returncode}. Its message is above.")
    return perf_counter() - start, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def classifier(num_frames: int, hidden_size: int, merge_ratio: float) -> FastASTForAudioClassification:
    """Make an AST of twelve layers whose heads are 64 wide, as all published ones are."""
    config = FastASTConfig(
        **{"hidden_size": hidden_size, "num_attention_heads": hidden_size // 64, "intermediate_size": 4 * hidden_size},
        **{"max_length": num_frames, "merge_ratio": merge_ratio, "num_labels": 10, "attn_implementation": "sdpa"},
    )
    return FastASTForAudioClassification(config).eval()


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Fit values = constant * size ** exponent, by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def table(title: str, data: str, form: str, columns: Sequence[str], found: Measured) -> dict[str, Any]:
    """Write a question of a results file."""
    rows = [{"name": name, "values": list(values)} for name, values in found.items()]
    return {"title": title, "data": data, "format": form, "columns": list(columns), "rows": rows}


if __name__ == "__main__":
    main()
