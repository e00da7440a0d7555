"""Train everything behind the tables of the README and the cards, one run after the other, each once (`make evidence`).

    python model_cards/evidence.py --data ../shared/data --models ../shared/models [--only esc10-fold1] [--list]

What is done is not done again: a run's numbers are in model_cards/results/evidence/NAME.json, and a run that was interrupted
goes on from its last checkpoint. The two sets share nothing: `--only esc10` and `--only speech` can run side by side.

Settings are chosen first, for each row among as many candidates: for ESC-10 on the training clips of its first fold (fold 2
judges them, which later judges one of five parts, too), for Speech Commands on the training speakers (a fifth of them judges).
To fit into a night, candidates are tried at stride 16, where a run costs a third, AST with a teacher takes over what FastAST
with a teacher was given, and what each part of the method contributes (the ablations) is asked at stride 16, too, on ESC-10's
first fold with one seed.
"""

import argparse
import csv
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Set
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from fastast_hf.distillation import CMKDTrainingArguments
from fastast_hf.experiment.answers import answers_at_ratios
from fastast_hf.experiment.arguments import DataArguments, ModelArguments
from fastast_hf.experiment.files import read_json, write_json
from fastast_hf.experiment.task import compute_features, load_sounds
from fastast_hf.model import FastASTFeatureExtractor, FastASTForAudioClassification

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "model_cards" / "results" / "evidence"
RUNS = ROOT / "runs" / "evidence"

RATIOS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.275, 0.3, 0.35, 0.4, 0.45, 0.5)
"""What every trained model is run at, merging or not while it was trained."""

UNPROTECTED = "fastast_hf.model.layers_fastast.NUM_SPECIAL_TOKENS"
"""With one special token instead of two, the distillation token is merged like a patch, as in the paper's authors' code."""

Options = dict[str, str]
"""Arguments of examples/distill.py, without the dashes."""


class SoundSet(NamedTuple):
    """A data set and what all of its runs share.

    Attributes:
        folder: below `--data`.
        options: length, epochs, augmentation.
        parts: what a row is repeated over: folds, or seeds of one division.
        merge_ratio: of the rows that train with merging.
        teacher: how the CNN learns the labels.
    """

    folder: str
    options: Options
    parts: dict[str, Options]
    merge_ratio: str
    teacher: Options


SETS = {
    "esc10": SoundSet(
        folder="esc10/audio",
        options={"max_length": "512", "num_train_epochs": "20"},
        parts={f"fold{fold}": {"eval_fold": str(fold)} for fold in range(1, 6)},
        merge_ratio="0.35",
        teacher={"teacher_freeze_base_model": "True", "teacher_num_train_epochs": "20"},
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
        # frozen, what AudioSet taught it tells words apart badly
        teacher={"teacher_freeze_base_model": "False", "teacher_num_train_epochs": "20"},
    ),
}

STRIDE_10 = {"frequency_stride": "10", "time_stride": "10"}
STRIDE_16 = {"frequency_stride": "16", "time_stride": "16"}
LABELS = {"distillation_weight": "0"}

ROWS: dict[str, Options] = {
    "fastast-cmkd": STRIDE_10 | {"merge_ratio": "RATIO"},  # its teacher teaches the other row, too
    "ast": STRIDE_10 | LABELS,
    "fastast": STRIDE_10 | LABELS | {"merge_ratio": "RATIO"},
    "ast-stride16": STRIDE_16 | LABELS,
    "ast-cmkd": STRIDE_10,
}

TUNED_AS = {"ast-stride16": "ast", "ast-cmkd": "fastast-cmkd"}
"""Rows without tuning runs of their own, and whose settings they take over."""

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
"""Settings that are tried, as many for rows with a teacher (True) as for rows without; of equals the first is taken."""

RECIPE: Options = {
    "per_device_train_batch_size": "16",
    "weight_decay": "0.05",
    "warmup_steps": "0.1",
    "lr_scheduler_type": "cosine",
    "benchmark_repeats": "1",
    "logging_strategy": "epoch",
    "save_strategy": "epoch",
    "save_total_limit": "1",
}


ABLATIONS: dict[str, Options] = {
    "base": {},
    "labels-weigh-half": {"distillation_weight": "0.5"},
    "teacher-alone": {"distillation_weight": "1"},
    "temperature1": {"distillation_temperature": "1"},
    "temperature4": {"distillation_temperature": "4"},
    "ratio0": {"merge_ratio": "0"},
    "ratio0.15": {"merge_ratio": "0.15"},
    "ratio0.45": {"merge_ratio": "0.45"},
    "no-proportional-attention": {"proportional_attention": "False"},
    "self-distillation": {},
}
"""What differs from the row "fastast-cmkd", settings included, at stride 16. The last has AST as its teacher."""


class Run(NamedTuple):
    """One training.

    Attributes:
        name: of its folder and its results.
        options: what examples/distill.py is told.
        teacher: the run whose model teaches it, where that is none of the CNN.
    """

    name: str
    options: Options
    teacher: "Run | None" = None


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
        start = RECIPE | sounds.options | {"model_name_or_path": str(models / "deit_tiny_patch16_224")}
        released_teacher = models / "efficientat_mn04_as"
        on_tuning_part = start | {"data_dir": str(RUNS / f"{set_name}-tuning-sounds"), "split_column": "split"}
        yield from tuning_runs(set_name, on_tuning_part, released_teacher)
        parts = {part: start | {"data_dir": str(data / sounds.folder)} | own for part, own in sounds.parts.items()}
        teachers = {part: CNNTeacher(released_teacher) for part in parts}
        for part, told in parts.items():
            yield from part_runs(set_name, part, ROWS.keys() - {"ast-cmkd"}, told, teachers[part])
            if (set_name, part) == ("esc10", "fold1"):
                yield from ablation_runs(told, released_teacher)
        for part, told in parts.items():  # the costliest row, and no claim rests on it
            yield from part_runs(set_name, part, {"ast-cmkd"}, told, teachers[part])


def tuning_runs(set_name: str, told: Options, released_teacher: Path) -> Iterator[Run]:
    """Give one run for each candidate of each row that is tuned."""
    teacher = CNNTeacher(released_teacher)
    for row in (row for row in ROWS if row not in TUNED_AS):
        for label, candidate in candidates_of(row).items():
            name = f"{set_name}-tuning-{row}-{label}"
            yield Run(name, told | row_options(set_name, row) | STRIDE_16 | teacher.of(name, row) | candidate)


def part_runs(set_name: str, part: str, rows: Set[str], told: Options, teacher: "CNNTeacher") -> Iterator[Run]:
    """Give the runs of some rows on one part, with the settings chosen for each."""
    for row in (row for row in ROWS if row in rows):
        name = f"{set_name}-{part}-{row}"
        yield Run(name, told | row_options(set_name, row) | teacher.of(name, row) | chosen(set_name, row))


def ablation_runs(told: Options, released_teacher: Path) -> Iterator[Run]:
    """Give one run for each thing that the method could do without."""
    teacher, row = CNNTeacher(released_teacher), "fastast-cmkd"
    base = told | row_options("esc10", row) | STRIDE_16 | chosen("esc10", row)
    ast = Run("esc10-fold1-ast-stride16", told | row_options("esc10", "ast-stride16") | chosen("esc10", "ast"))
    for label, difference in ABLATIONS.items():
        name = f"esc10-ablation-{label}"
        if label == "self-distillation":
            knows_task = {"teacher_name_or_path": str(RUNS / ast.name), "teacher_freeze_base_model": "False"}
            yield Run(name, base | knows_task, teacher=ast)
        else:
            yield Run(name, base | teacher.of(name, row) | difference)


class CNNTeacher:
    """The fine-tuned CNN of one part: its first student's run trains it, the others take it over.

    Where it is lost, they train it again.
    """

    def __init__(self, released: Path) -> None:
        self.released = released
        self.trained: Path | None = None

    def of(self, name: str, row: str) -> Options:
        """Give what a run is told of its teacher; nothing if its row has none."""
        if "distillation_weight" in ROWS[row]:
            return {}
        path = self.trained if self.trained and self.trained.exists() else self.released
        self.trained = self.trained or RUNS / name / "_teacher"
        return {"teacher_name_or_path": str(path)}


def row_options(set_name: str, row: str) -> Options:
    """Give what makes a row what it is."""
    options, sounds = ROWS[row], SETS[set_name]
    merging = {"merge_ratio": sounds.merge_ratio} if "merge_ratio" in options else {}
    return options | merging | ({} if "distillation_weight" in options else sounds.teacher)


def candidates_of(row: str) -> dict[str, Options]:
    """Give the settings that are tried for a row."""
    return CANDIDATES["distillation_weight" not in ROWS[row]]


def chosen(set_name: str, row: str) -> Options:
    """Give the candidate with the best accuracy, then mAP, on the tuning part; the first where none was measured yet."""

    def score(label: str) -> tuple[float, float]:
        file = result_file(f"{set_name}-tuning-{TUNED_AS.get(row, row)}-{label}")
        metrics = read_json(file)["models"]["fastast"]["metrics"] if file.exists() else {}
        return metrics.get("accuracy", 0.0), metrics.get("map", 0.0)

    candidates = candidates_of(row)
    return candidates[max(candidates, key=score)]  # the first of equals


def result_file(name: str) -> Path:
    """Name the file that holds a run's numbers."""
    return RESULTS / f"{name}.json"


def carry_out(run: Run, data: Path) -> None:
    """Train, let the model answer at each ratio, and write the numbers down; their presence says that the run is over."""
    if run.teacher is not None and not (RUNS / run.teacher.name / "results.json").exists():
        train(run.teacher, data)
    train(run, data)
    folder = RUNS / run.name
    results = read_json(folder / "results.json")
    write_json(result_file(run.name), results | {"run": run.name, **answers_of(folder, run)})
    for checkpoint in folder.rglob("checkpoint-*"):
        shutil.rmtree(checkpoint)


def train(run: Run, data: Path) -> None:
    """Run examples/distill.py."""
    print(f"== {run.name}", flush=True)
    set_name, part, *_ = run.name.split("-")
    if part == "tuning" and not Path(run.options["data_dir"]).exists():
        make_tuning_sounds(set_name, data / SETS[set_name].folder, Path(run.options["data_dir"]))
    told = run.options | {"output_dir": str(RUNS / run.name)}
    command = [sys.executable, str(ROOT / "examples" / "distill.py")]
    subprocess.run([*command, *(part for name, value in told.items() for part in (f"--{name}", value))], check=True)


def answers_of(folder: Path, run: Run) -> dict[str, dict[str, object]]:
    """Let a trained model answer its evaluation part at each merge ratio: as it is, and with one thing changed."""
    names = ("data_dir", "eval_fold", "split_column")
    data = DataArguments(**{name: run.options[name] for name in names if name in run.options})  # type: ignore[arg-type]
    training = CMKDTrainingArguments(output_dir=str(folder), use_cpu=True)
    extractor = FastASTFeatureExtractor.from_pretrained(folder)
    task = compute_features(load_sounds(data, ModelArguments(), training), extractor, data, training)
    model = FastASTForAudioClassification.from_pretrained(folder)
    answers = {"answers": answers_at_ratios(model, task, RATIOS)}
    if "-tuning-" in run.name:
        return answers
    with mock.patch(UNPROTECTED, 1):
        answers["answers_distillation_token_unprotected"] = answers_at_ratios(model, task, RATIOS)
    model.config.proportional_attention = not model.config.proportional_attention
    return answers | {"answers_proportional_attention_switched": answers_at_ratios(model, task, RATIOS)}


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
