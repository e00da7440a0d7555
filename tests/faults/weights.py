"""Weights that are cut short or altered: of a checkpoint, of the final model, of a teacher."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.faults.damage import Damage, empty_end, flip, truncate
from tests.faults.outcomes import Outcome
from tests.faults.runs import GONE_ON_FROM, Runs

KIND = "Corrupt or truncated weights"
NAMES: dict[Damage, str] = {truncate: "cut short", flip: "with one bit changed", empty_end: "with zeros at the end"}

IN_A_CHECKPOINT = [("model.safetensors", damage) for damage in NAMES] + [
    ("optimizer.pt", truncate),
    ("optimizer.pt", flip),
]
IN_A_MODEL = [(folder, damage) for folder in (".", "_teacher") for damage in NAMES]


def damage_weights(runs: Runs) -> Iterator[Outcome]:
    """Damage one file at a time and start the same command again."""
    for index, (file, damage) in enumerate(IN_A_CHECKPOINT):
        yield damage_checkpoint(runs, f"checkpoint-damaged-{index}", file, damage)
    for index, (folder, damage) in enumerate(IN_A_MODEL):
        yield damage_model(runs, f"model-damaged-{index}", folder, damage)
    yield damage_given_teacher(runs)


def damage_checkpoint(runs: Runs, run: str, file: str, damage: Damage) -> Outcome:
    """Damage the newest checkpoint of a run in the middle: it must be passed over, and so be told."""
    checkpoint = runs.in_the_middle(run) / f"checkpoint-{GONE_ON_FROM}"
    damage(checkpoint / file, runs.rng)
    return _go_on(runs, run, f"{file} of a checkpoint {NAMES[damage]}", f"{checkpoint.name} is passed over: {file}")


def damage_model(runs: Runs, run: str, folder: str, damage: Damage) -> Outcome:
    """Damage a model that is done: it must not be read back, and learn from its last checkpoint on."""
    damage(runs.finished(run) / folder / "model.safetensors", runs.rng)
    name = "the final model" if folder == "." else "the run's teacher"
    return _go_on(runs, run, f"model.safetensors of {name} {NAMES[damage]}", "is not read back")


def damage_given_teacher(runs: Runs) -> Outcome:
    """Damage a teacher that a user names: nobody but its owner can mend that, so the run must refuse."""
    teacher = Path(shutil.copytree(runs.reference / "_teacher", runs.folder / "given-teacher"))
    whole = (teacher / "model.safetensors").read_bytes()
    truncate(teacher / "model.safetensors", runs.rng)
    options = {"teacher": ("--teacher_name_or_path", "given-teacher")}
    said = runs.start("taught", **options).not_said(
        "`teacher_name_or_path` must hold weights that are whole, got given-teacher"
    )
    (teacher / "model.safetensors").write_bytes(whole)
    trouble = said or runs.start("taught", **options).trouble or runs.what_differs("taught")
    return Outcome(KIND, "model.safetensors of a teacher that a user names cut short", not trouble, trouble)


def _go_on(runs: Runs, run: str, fault: str, words: str) -> Outcome:
    ended = runs.start(run)
    trouble = ended.trouble or ended.left_unsaid(words) or runs.what_differs(run)
    return Outcome(KIND, fault, not trouble, trouble)
