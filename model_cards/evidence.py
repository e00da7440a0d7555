"""Train everything behind the tables of the README and the cards, one run after the other, each once (`make evidence`).

    python model_cards/evidence.py --data ../shared/data --models ../shared/models [--only esc10-fold1] [--list]

What is done is not done again: a run's numbers are in model_cards/results/evidence/NAME.json, and a run that was interrupted
goes on from its last checkpoint. Settings are chosen first, for each row among as many candidates: for ESC-10 on the training
clips of its first fold (fold 2 judges them, which later judges one of five parts, too), for Speech Commands on the training
speakers (a fifth of them judges).
"""

import argparse
import csv
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from fastast_hf.distillation import CMKDTrainingArguments
from fastast_hf.experiment.answers import answers_at_ratios
from fastast_hf.experiment.arguments import DataArguments, ModelArguments
from fastast_hf.experiment.files import read_json, write_json
from fastast_hf.experiment.task import compute_features, load_sounds
from fastast_hf.model import FastASTFeatureExtractor, FastASTForAudioClassification

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "model_cards" / "results" / "evidence"
RUNS = ROOT / "runs" / "evidence"

RATIOS = (0.0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
"""What every trained model is run at, merging or not while it was trained."""

Options = dict[str, str]
"""Arguments of examples/distill.py, without the dashes."""


class SoundSet(NamedTuple):
    """A data set and what all of its runs share.

    Attributes:
        folder: below `--data`.
        options: length, epochs, augmentation.
        parts: what a row is repeated over: folds, or seeds of one division.
        merge_ratio: of the rows that train with merging.
    """

    folder: str
    options: Options
    parts: dict[str, Options]
    merge_ratio: str


SETS = {
    "esc10": SoundSet(
        folder="esc10/audio",
        options={"max_length": "512", "num_train_epochs": "20"},
        parts={f"fold{fold}": {"eval_fold": str(fold)} for fold in range(1, 6)},
        merge_ratio="0.3",
    ),
    "speech": SoundSet(
        folder="speech_commands12/audio",
        # AST's masks for Speech Commands; a word that is rolled over its end is another word
        options={
            **{"max_length": "128", "num_train_epochs": "10"},
            **{"time_roll": "False", "frequency_mask_bins": "48", "time_mask_frames": "48"},
        },
        parts={f"seed{seed}": {"split_column": "split", "seed": str(seed)} for seed in range(1, 4)},
        merge_ratio="0.15",
    ),
}

STRIDE_10 = {"frequency_stride": "10", "time_stride": "10"}
STRIDE_16 = {"frequency_stride": "16", "time_stride": "16"}
LABELS, TAUGHT = {"distillation_weight": "0"}, {"teacher_freeze_base_model": "True", "teacher_num_train_epochs": "20"}

ROWS: dict[str, Options] = {
    "fastast-cmkd": STRIDE_10 | TAUGHT | {"merge_ratio": "RATIO"},  # its teacher teaches the other row, too
    "ast": STRIDE_10 | LABELS,
    "fastast": STRIDE_10 | LABELS | {"merge_ratio": "RATIO"},
    "ast-cmkd": STRIDE_10 | TAUGHT,
    "ast-stride16": STRIDE_16 | LABELS,
}

CANDIDATES: dict[bool, dict[str, Options]] = {
    False: {f"lr{rate}": {"learning_rate": rate} for rate in ("3e-4", "1e-4", "6e-4")},
    True: {
        f"lr{rate}-weight{weight}": {
            "learning_rate": rate,
            "distillation_weight": weight,
            "distillation_temperature": temperature,
        }
        for rate, weight, temperature in (("3e-4", "0.9", "2"), ("3e-4", "0.5", "1"), ("6e-4", "0.9", "2"))
    },
}
"""Settings that are tried, as many for rows with a teacher as for rows without; of equals the first is taken."""

RECIPE: Options = {
    "per_device_train_batch_size": "16",
    "weight_decay": "0.05",
    "warmup_steps": "0.1",
    "lr_scheduler_type": "cosine",
    "bf16": "True",
    "benchmark_repeats": "1",
    "logging_strategy": "epoch",
    "save_strategy": "epoch",
    "save_total_limit": "1",
}


class Run(NamedTuple):
    """One training: its name, and what examples/distill.py is told."""

    name: str
    options: Options


def main() -> None:
    """Run what is missing, or list it."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="esc10, speech_commands12")
    parser.add_argument("--models", type=Path, default=ROOT.parent / "shared" / "models", help="start and teacher")
    parser.add_argument("--only", default="", help="runs whose name holds this")
    parser.add_argument("--list", action="store_true", help="list the runs, and which are done")
    arguments = parser.parse_args()
    for run in plan(arguments.data, arguments.models):
        done = result_file(run.name).exists()
        if arguments.list:
            print(f"{'done' if done else 'to do':6}{run.name}")
        elif not done and arguments.only in run.name:
            carry_out(run, arguments.data)


def plan(data: Path, models: Path) -> Iterator[Run]:
    """Give the runs in their order. What a row is told depends on its tuning runs, which come before."""
    for set_name, sounds in SETS.items():
        tuning = RUNS / f"{set_name}-tuning-sounds"
        yield from runs_of(set_name, "tuning", tuning, {"split_column": "split"}, models, tune=True)
        for part, options in sounds.parts.items():
            yield from runs_of(set_name, part, data / sounds.folder, options, models, tune=False)


def runs_of(set_name: str, part: str, folder: Path, division: Options, models: Path, *, tune: bool) -> Iterator[Run]:
    """Give the runs of all rows on one part of a set; with `tune` one for each candidate."""
    sounds = SETS[set_name]
    # The first run with a teacher trains it, the others of the part take it over; where it is lost they train it again.
    released, trained = models / "efficientat_mn04_as", None
    for row, options in ROWS.items():
        is_taught = "distillation_weight" not in options
        told = RECIPE | sounds.options | division | options | {"data_dir": str(folder)}
        told["model_name_or_path"] = str(models / "deit_tiny_patch16_224")
        if "merge_ratio" in told:
            told["merge_ratio"] = sounds.merge_ratio
        candidates = CANDIDATES[is_taught]
        if not tune:
            candidates = {"": candidates[chosen(set_name, row, list(candidates))]}
        for label, candidate in candidates.items():
            name = "-".join(filter(None, [set_name, part, row, label]))
            if is_taught:
                told["teacher_name_or_path"] = str(trained if trained and trained.exists() else released)
                trained = trained or RUNS / name / "_teacher"
            yield Run(name, told | candidate)


def chosen(set_name: str, row: str, labels: list[str]) -> str:
    """Give the candidate with the best accuracy, then mAP, on the tuning part; the first where none was measured yet."""

    def score(label: str) -> tuple[float, float]:
        file = result_file(f"{set_name}-tuning-{row}-{label}")
        metrics = read_json(file)["models"]["fastast"]["metrics"] if file.exists() else {}
        return metrics.get("accuracy", 0.0), metrics.get("map", 0.0)

    return max(labels, key=score)  # the first of equals


def result_file(name: str) -> Path:
    """Name the file that holds a run's numbers."""
    return RESULTS / f"{name}.json"


def carry_out(run: Run, data: Path) -> None:
    """Train, let the model answer at each ratio, and write the numbers down; their presence says that the run is over."""
    print(f"== {run.name}", flush=True)
    set_name, part, *_ = run.name.split("-")
    if part == "tuning" and not Path(run.options["data_dir"]).exists():
        make_tuning_sounds(set_name, data / SETS[set_name].folder, Path(run.options["data_dir"]))
    folder = RUNS / run.name
    told = run.options | {"output_dir": str(folder)}
    if not torch.accelerator.is_available():
        told["use_cpu"] = "True"  # without it transformers refuses bf16
    command = [sys.executable, str(ROOT / "examples" / "distill.py")]
    subprocess.run([*command, *(part for name, value in told.items() for part in (f"--{name}", value))], check=True)

    results = read_json(folder / "results.json")
    write_json(result_file(run.name), results | {"run": run.name, "answers": answers_of(folder, run.options)})
    for checkpoint in folder.rglob("checkpoint-*"):
        shutil.rmtree(checkpoint)


def answers_of(folder: Path, options: Options) -> dict[str, object]:
    """Let a trained model answer its evaluation part at each merge ratio."""
    names = ("data_dir", "eval_fold", "split_column")
    data = DataArguments(**{name: options[name] for name in names if name in options})  # type: ignore[arg-type]
    training = CMKDTrainingArguments(output_dir=str(folder), use_cpu=True)
    extractor = FastASTFeatureExtractor.from_pretrained(folder)
    task = compute_features(load_sounds(data, ModelArguments(), training), extractor, data, training)
    return answers_at_ratios(FastASTForAudioClassification.from_pretrained(folder), task, RATIOS)


def make_tuning_sounds(set_name: str, source: Path, folder: Path) -> None:
    """Divide the training clips of a set's first part once more, recordings and speakers apart, as a folder of links."""
    with (source / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if set_name == "esc10":
        rows = [row | {"split": "test" if row["fold"] == "2" else "train"} for row in rows if row["fold"] != "1"]
    else:
        rows = [row for row in rows if row["split"] == "train"]
        # a clip without a speaker, silence, is one of its own
        speakers = sorted({row["speaker"] or row["file_name"] for row in rows})
        judges = set(random.Random(0).sample(speakers, len(speakers) // 5))
        rows = [row | {"split": "test" if (row["speaker"] or row["file_name"]) in judges else "train"} for row in rows]
    aside = folder.with_name(f"_{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for entry in filter(Path.is_dir, source.iterdir()):
        (aside / entry.name).symlink_to(entry.resolve())
    with (aside / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["file_name", "label", "split"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    aside.rename(folder)


if __name__ == "__main__":
    main()
