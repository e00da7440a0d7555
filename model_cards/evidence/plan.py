"""What is trained and searched for the tables of the README and the cards, in which order, and what each run is told.

Settings are chosen first, for each row among as many candidates: for ESC-10 on the training clips of its first fold (fold 2
judges them, which later judges one of five parts, too), for Speech Commands on the training speakers (a fifth of them judges).
To keep the cost down, candidates are tried at stride 16, where a run costs a third, AST with a teacher takes over what FastAST
with a teacher was given, and what each part of the method contributes (the ablations) is asked at stride 16, too, on ESC-10's
first fold with one seed.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fastast_hf.experiment.files import read_json
from model_cards.evidence.divisions import AUDIO, folder_of
from model_cards.evidence.places import result_file, run_folder
from model_cards.evidence.sets import (
    ABLATIONS,
    FIRST_ROWS,
    LAST_ROWS,
    RECIPE,
    ROWS,
    SETS,
    STRIDE_16,
    TUNED_AS,
    Options,
)

UNSEEN_FOLDS = ("12",)
"""Folds that an AST has not seen, so that a schedule can be searched on one of them and judged on the other. A second AST, for
folds 3 and 4, was cut: it costs as much as two rows of FastAST."""

SEARCHED_PARTS = {
    "esc10": [(f"fold{folds[0]}", f"fold{folds[1]}") for folds in UNSEEN_FOLDS],
    "speech": [("half1", "half2")],
}
"""Parts that an AST has not seen: a schedule is searched on either of two, and the other judges."""

SEARCHED_SPEEDUPS = ("2", "3", "4")


class Training(NamedTuple):
    """One training.

    Attributes:
        name: of its folder and its results.
        options: what examples/distill.py is told.
        division: the part of a data set that has to be made for it, where it is none of the set's own.
        teacher: the training whose model teaches it, where that is none of the CNN.
        is_tuned: whether all candidates for its settings were measured, or it is one of them.
    """

    name: str
    options: Options
    division: str | None = None
    teacher: "Training | None" = None
    is_tuned: bool = True


class Search(NamedTuple):
    """One search for a merge schedule.

    Attributes:
        name: of its folder and its results.
        model: the training whose model it is for.
        options: what `fastast tune` is told.
        divisions: parts of a data set that have to be made for it.
    """

    name: str
    model: Training
    options: Options
    divisions: tuple[str, ...]


class Ideas(NamedTuple):
    """Other ways to choose what merges.

    Attributes:
        name: of its results.
        model: the training whose model merges.
        divisions: by their folds, parts of a data set that it has not seen.
    """

    name: str
    model: Training
    divisions: dict[str, str]


class Speed(NamedTuple):
    """One measurement of all rows of a set, on a machine that does nothing else.

    Attributes:
        name: of its results.
        set_name: whose clips they are as long as.
        training: a step of training, or the model alone.
    """

    name: str
    set_name: str
    training: bool


Run = Training | Search | Ideas | Speed


def plan(data: Path, models: Path) -> Iterator[Run]:
    """Give the runs in their order. What a row is told depends on its tuning runs, which come before."""
    for set_name, sounds in SETS.items():
        start = RECIPE | sounds.options | {"model_name_or_path": str(models / "deit_tiny_patch16_224")}
        released_teacher = models / "efficientat_mn04_as"
        yield from tuning_runs(set_name, start, released_teacher)
        if set_name == "esc10":
            yield from search_runs(start)
        audio = str(data / AUDIO[set_name])
        parts = {part: start | {"data_dir": audio} | own for part, own in sounds.parts.items()}
        teachers = {part: CNNTeacher(released_teacher) for part in parts}
        for part, told in parts.items():
            yield from part_runs(set_name, part, FIRST_ROWS, told, teachers[part])
            if (set_name, part) == ("esc10", "fold1"):
                yield from ablation_runs(told, released_teacher)
            if (set_name, part) == ("speech", "seed1"):
                (ast,) = part_runs(set_name, part, ["ast"], told, teachers[part])
                for parts_unseen in SEARCHED_PARTS[set_name]:
                    yield from searches(set_name, ast, parts_unseen)
        for row in LAST_ROWS[set_name]:
            for part, told in parts.items():
                yield from part_runs(set_name, part, [row], told, teachers[part])
    for set_name in SETS:
        yield Speed(f"speed-{set_name}", set_name, training=False)
        yield Speed(f"speed-{set_name}-training", set_name, training=True)


def tuning_runs(set_name: str, start: Options, released_teacher: Path) -> Iterator[Run]:
    """Give one run for each candidate of each row that is tuned."""
    teacher, division = CNNTeacher(released_teacher), f"{set_name}-tuning"
    told = start | data_of(division)
    for row in (row for row in ROWS if row not in TUNED_AS):
        for label, candidate in candidates_of(set_name, row).items():
            name = f"{set_name}-tuning-{row}-{label}"
            options = told | at_stride16(set_name, row) | teacher.of(name, row) | candidate
            yield Training(name, options, division)


def search_runs(start: Options) -> Iterator[Run]:
    """Give ASTs that leave two folds unseen, other ways to merge, and searches on either fold that the other judges."""
    for folds, parts in zip(UNSEEN_FOLDS, SEARCHED_PARTS["esc10"], strict=True):
        division = f"esc10-without-folds{folds}"
        options = start | data_of(division) | row_options("esc10", "ast") | chosen("esc10", "ast")
        ast = Training(f"{division}-ast", options, division, is_tuned=is_tuned("esc10", "ast"))
        yield ast
        yield Ideas(f"ideas-esc10-folds{folds}", ast, {fold: f"esc10-fold{fold}" for fold in folds})
        yield from searches("esc10", ast, parts)


def searches(set_name: str, model: Training, parts: tuple[str, str]) -> Iterator[Search]:
    """Search on either of two parts that a model has not seen, at each speed-up, and let the other judge."""
    for searched, judge in (parts, parts[::-1]):
        divisions = f"{set_name}-{searched}", f"{set_name}-{judge}"
        for speedup in SEARCHED_SPEEDUPS:
            told = {"data-dir": str(folder_of(divisions[0])), "check-dir": str(folder_of(divisions[1]))}
            told |= {"limit": "1000"}  # all clips of the part
            told |= {"seconds": "36000"}  # as many trials on a busy machine as on a quiet one
            name = f"search-{set_name}-{searched}-{speedup}x"
            yield Search(name, model, told | {"speedup": speedup}, divisions)


def data_of(division: str) -> Options:
    """Give what a run on a division is told of it."""
    return {"data_dir": str(folder_of(division)), "split_column": "split"}


def part_runs(
    set_name: str, part: str, rows: Sequence[str], told: Options, teacher: "CNNTeacher"
) -> Iterator[Training]:
    """Give the runs of some rows on one part, with the settings chosen for each."""
    for row in rows:
        name = f"{set_name}-{part}-{row}"
        options = told | row_options(set_name, row) | teacher.of(name, row) | chosen(set_name, row)
        yield Training(name, options, is_tuned=is_tuned(set_name, row))


def ablation_runs(told: Options, released_teacher: Path) -> Iterator[Run]:
    """Give one run for each thing that the method could do without."""
    teacher, row = CNNTeacher(released_teacher), "fastast-cmkd"
    base = told | at_stride16("esc10", row) | chosen("esc10", row)
    ast = Training(
        "esc10-fold1-ast-stride16",
        told | row_options("esc10", "ast-stride16") | chosen("esc10", "ast"),
        is_tuned=is_tuned("esc10", "ast"),
    )
    for label, difference in ABLATIONS.items():
        name = f"esc10-ablation-{label}"
        if label == "self-distillation":
            knows_task = {"teacher_name_or_path": str(run_folder(ast.name)), "teacher_freeze_base_model": "False"}
            yield Training(name, base | knows_task, teacher=ast, is_tuned=is_tuned("esc10", row))
        else:
            yield Training(name, base | teacher.of(name, row) | difference, is_tuned=is_tuned("esc10", row))


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
        self.trained = self.trained or run_folder(name) / "_teacher"
        return {"teacher_name_or_path": str(path)}


def row_options(set_name: str, row: str) -> Options:
    """Give what makes a row what it is."""
    options, sounds = ROWS[row], SETS[set_name]
    merging = {"merge_ratio": sounds.merge_ratio} if "merge_ratio" in options else {}
    return options | merging | ({} if "distillation_weight" in options else sounds.teacher)


def at_stride16(set_name: str, row: str) -> Options:
    """Give what makes a row what it is, for a third of the work."""
    options = row_options(set_name, row) | STRIDE_16
    return options | ({"merge_ratio": SETS[set_name].merge_ratio_stride16} if "merge_ratio" in options else {})


def candidates_of(set_name: str, row: str) -> dict[str, Options]:
    """Give the settings that are tried for a row."""
    return SETS[set_name].candidates["distillation_weight" not in ROWS[row]]


def chosen(set_name: str, row: str) -> Options:
    """Give the candidate with the best accuracy, then mAP, on the tuning part; the first where one was not measured yet."""

    def score(label: str) -> tuple[float, float]:
        metrics = read_json(result_file(f"{tuned}-{label}"))["models"]["fastast"]["metrics"]
        return metrics["accuracy"], metrics["map"]

    tuned = f"{set_name}-tuning-{TUNED_AS.get(row, row)}"
    candidates = candidates_of(set_name, row)
    if not is_tuned(set_name, row):
        return next(iter(candidates.values()))
    return candidates[max(candidates, key=score)]  # the first of equals


def is_tuned(set_name: str, row: str) -> bool:
    """Tell whether all candidates of a row were measured."""
    tuned = f"{set_name}-tuning-{TUNED_AS.get(row, row)}"
    return all(result_file(f"{tuned}-{label}").exists() for label in candidates_of(set_name, row))
