"""Measure how time and memory grow with length, batch and model, and put a ten-hour recording on paper (`make growth`).

    python -m model_cards.growth [--output growth.json]

Random weights: what a model has learnt does not change its speed. Nothing else may run on the machine meanwhile.
"""

import argparse
import itertools
import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from fastast_hf.evaluation import Row, compare_throughput, count_macs, eager_forward, environment
from fastast_hf.experiment.files import write_json
from fastast_hf.hub.results import SCHEMA, check_results, provenance
from fastast_hf.model import FastASTConfig, FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.model.log_mel import HOP_SECONDS
from model_cards.processes import run_measured

ROOT = Path(__file__).resolve().parents[1]
RATE = 16_000
FRAMES_PER_SECOND = round(1 / HOP_SECONDS)
RATIOS = {"unmerged": 0.0, "ratio 0.25": 0.25}
REPEATS = 7

SECONDS = (1, 2, 5, 10)
BATCH_SIZES = (1, 2, 4, 8, 16)
HIDDEN_SIZES = (192, 384, 768)
MINUTES_STEP = 3
MINUTES = (5, 15, 45)
TURNS = 2
HOURS_ON_PAPER = 10

Measured = Mapping[str, Sequence[float]]
"""By the names of `RATIOS`, a number for each size."""

Sweep = tuple[Sequence[int], str, str, Callable[[int], dict[str, tuple[float, float]]]]


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
    tables, exponents = [], {}
    for name, (sizes, column, rest, measure_at) in sweeps().items():
        points = [measure_at(size) for size in sizes]
        columns = [column.format(size) for size in sizes]
        for number, (title, form) in enumerate((("Seconds", "seconds"), ("MiB", "whole"))):
            found = {ratio: [at_size[ratio][number] for at_size in points] for ratio in RATIOS}
            tables.append(table(f"{title} by {name}", f"{rest}.", form, columns, found))
            exponents[f"{'seconds' if number == 0 else 'MiB'} by {name}"] = [
                exponent(sizes, values) for values in found.values()
            ]
    recorded, of_recordings, longer = measure_recordings()
    by_ratio = {
        ratio: [values[number] for values in (exponents | of_recordings).values()]
        for number, ratio in enumerate(RATIOS)
    }
    powers = (
        "Of the power law that fits best, without the start of the process: 1 grows in proportion, 2 with the square."
    )
    return [*tables, *recorded, table("Exponent", powers, "exponent", [*exponents, *of_recordings], by_ratio), *longer]


def sweeps() -> dict[str, Sweep]:
    """Say what a forward pass is measured at: the sizes, their names, what stays the same, and how."""
    return {
        "length": (
            *(SECONDS, "{} s", "Hidden size 192, batch 1"),
            lambda size: point(num_frames=size * FRAMES_PER_SECOND),
        ),
        "batch": (BATCH_SIZES, "{}", "Hidden size 192, 5 s", lambda size: point(batch_size=size)),
        "hidden size": (HIDDEN_SIZES, "{}", "5 s, batch 1", lambda size: point(hidden_size=size)),
    }


def measure_recordings() -> tuple[list[dict[str, Any]], dict[str, list[float]], list[dict[str, Any]]]:
    """Measure recordings by windows; give their tables, their exponents, and what follows for longer ones."""
    sounds = recordings(MINUTES)
    columns = [f"{minutes} min" for minutes in MINUTES]
    rest = f"Hidden size 192, windows of 5 s, the process of fastast classify, start included; the least of {TURNS}."
    seconds = {ratio: [at_length[ratio][0] for at_length in sounds] for ratio in RATIOS}
    mib = {ratio: [at_length[ratio][1] for at_length in sounds] for ratio in RATIOS}
    exponents = {
        "seconds by recording": [exponent_of_steps(values) for values in seconds.values()],
        "MiB by recording": [exponent(MINUTES, values) for values in mib.values()],
    }
    held = {name: [on_a_line(MINUTES[:-1], values[:-1], MINUTES[-1]), values[-1]] for name, values in seconds.items()}
    longer = 60 * HOURS_ON_PAPER
    on_paper = {
        name: [
            on_a_line(MINUTES, seconds[name], longer),
            mib[name][-1] * (longer / MINUTES[-1]) ** exponents["MiB by recording"][number],
        ]
        for number, name in enumerate(RATIOS)
    }
    by_line = "by what a minute more took between the two longest"
    tables = [
        table("Seconds by recording", rest, "seconds", columns, seconds),
        table("MiB by recording", f"The most that the process held. {rest}", "whole", columns, mib),
    ]
    further = [
        (f"A recording of {MINUTES[-1]} minutes", f"Seconds: from the shorter ones, {by_line} of them, and measured.",
         "whole", ["on paper", "measured"], held),
        (f"A recording of {HOURS_ON_PAPER} hours, on paper", f"Seconds {by_line}, MiB by the exponent.",
         "whole", ["seconds", "MiB"], on_paper),
    ]  # fmt: skip
    return tables, exponents, [table(*parts) for parts in further]


def exponent_of_steps(values: Sequence[float]) -> float:
    """Fit values = start + constant * size ** exponent to three sizes, each `MINUTES_STEP` times the one before.

    A process starts, which takes as long for every recording. In the differences it falls out: their ratio is that of the
    sizes to the power of the exponent.
    """
    first, second, third = values
    return math.log((third - second) / (second - first)) / math.log(MINUTES_STEP)


def on_a_line(sizes: Sequence[float], values: Sequence[float], wanted: float) -> float:
    """Go on from the last size as it went between the last two."""
    slope = (values[-1] - values[-2]) / (sizes[-1] - sizes[-2])
    return values[-1] + slope * (wanted - sizes[-1])


def point(
    *, num_frames: int = 5 * FRAMES_PER_SECOND, batch_size: int = 1, hidden_size: int = 192
) -> dict[str, tuple[float, float]]:
    """Measure a forward pass, merging or not: seconds of the batch, and the most MiB that it takes beside weights and input."""
    clips = torch.randn(batch_size, num_frames, 128)
    models = {name: classifier(num_frames, hidden_size, ratio) for name, ratio in RATIOS.items()}
    rows = {name: Row(eager_forward(model), clips, count_macs(model, clips)) for name, model in models.items()}
    found = compare_throughput(rows, repeats=REPEATS, warmup=1)
    return {name: (row.latency_ms / 1e3, float(row.peak_memory_mib or 0)) for name, row in found.items()}


def recordings(minutes: Sequence[float]) -> list[dict[str, tuple[float, float]]]:
    """Classify recordings of noise by windows, in processes of their own, in turns: seconds, and the most MiB that one held."""
    found: dict[tuple[float, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        models = {name: Path(folder) / name for name in RATIOS}
        for name, ratio in RATIOS.items():
            classifier(512, 192, ratio).save_pretrained(models[name])
            FastASTFeatureExtractor(max_length=512).save_pretrained(models[name])
        for length in minutes:
            write_noise(Path(folder) / f"{length}.flac", round(60 * length))
        for _, length, name in itertools.product(range(TURNS), minutes, RATIOS):
            sound = str(Path(folder) / f"{length}.flac")
            taken = seconds_and_mib("classify", sound, "-m", str(models[name]), "--window", "5", "--json")
            found.setdefault((length, name), []).append(taken)
    # what slows a process down is never its own doing
    return [{name: min(found[length, name]) for name in RATIOS} for length in minutes]


def write_noise(path: Path, seconds: int) -> None:
    """Write a sound file of noise."""
    random = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(seconds):
            file.write(random.uniform(-0.3, 0.3, RATE))


def seconds_and_mib(*arguments: str) -> tuple[float, float]:
    """Run `fastast` in a process of its own; give the time, start included, and the most memory that it ever held."""
    done = run_measured([sys.executable, "-m", "fastast_hf", *arguments])
    if done.code:
        raise RuntimeError(f"`fastast` must end with 0, got {done.code}. Its message is above.")
    return done.seconds, done.mib


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
