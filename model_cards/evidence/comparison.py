"""The table of a data set: every row over all folds or seeds, and which differences are real."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fastast_hf.evaluation import mcnemar, paired_interval
from fastast_hf.experiment.files import read_json
from model_cards.evidence import places
from model_cards.evidence.finished import (
    PART,
    TITLES,
    at_ratio,
    is_complete,
    names_of,
    provenance,
    read_run,
    right_answers,
    speed_rows,
)
from model_cards.evidence.sets import RATIOS, SETS

TEACHER = "CNN teacher"
TEACHES = "fastast-cmkd"
"""The row of the plan that trains it."""


class TableRow(NamedTuple):
    """A row of the table.

    Attributes:
        name: what the table calls it, and the speed of a step of its training if it is measured under this name.
        training: what it learnt from.
        run: whose weights it has: a row of the plan.
        ratio: what it is run at.
        speed: the name of the row that is as fast.
        step: the name of the step that trains it.
    """

    name: str
    training: str
    run: str
    ratio: float
    speed: str
    step: str | None = None


def compare_rows(set_name: str) -> dict[str, Any] | None:
    """Compare the rows of a set; none as long as AST is not trained on all parts."""
    complete = [row for row in table_rows(set_name) if is_complete(set_name, row.run)]
    if not complete or complete[0].run != "ast":
        return None
    speed, steps = speed_rows(f"speed-{set_name}"), speed_rows(f"speed-{set_name}-training")
    rows = []
    for row in complete:
        answers = [_answers(set_name, part, row) for part in SETS[set_name].parts]
        rows.append(
            {
                "name": row.name,
                "training": row.training,
                "weights": next(other.name for other in complete if other.run == row.run),
                "accuracy": [answer["metrics"]["accuracy"] for answer in answers],
                "map": [answer["metrics"]["map"] for answer in answers],
                "speed_up": speed.get(row.speed, {}).get("speed_up"),
                "training_speed_up": steps.get(row.step, {}).get("speed_up"),
                "training_peak_mib": steps.get(row.step, {}).get("peak_memory_mib"),
            }
        )
    if is_complete(set_name, TEACHES):
        rows.append(_teacher(set_name, speed))
    clips = {clip for part in SETS[set_name].parts for clip in read_run(f"{set_name}-{part}-ast")["answers"]["clips"]}
    measured = places.result_file(f"speed-{set_name}")
    return {
        **provenance(names_of(set_name, dict.fromkeys(row.run for row in complete)), kind="comparison"),
        "comparison": {
            "data": TITLES[set_name],
            "part": PART[set_name],
            "num_parts": len(SETS[set_name].parts),
            "num_clips": len(clips),
            "baseline": "AST",
            "rows": rows,
            "pairs": list(_pairs(set_name, complete, rows)),
        },
        **({"speed": read_json(measured)} if measured.exists() else {}),
    }


def table_rows(set_name: str) -> list[TableRow]:
    """List the rows of a set's table, AST on labels first."""
    trained = float(SETS[set_name].merge_ratio)
    name = f"FastAST, ratio {trained:g}"
    return [
        TableRow("AST", "labels", "ast", 0.0, "AST", "AST"),
        TableRow("AST, stride 16", "labels", "ast-stride16", 0.0, "AST, stride 16", "AST, stride 16"),
        *(
            TableRow(f"FastAST, ratio {ratio:g}, AST's weights", "labels", "ast", ratio, f"FastAST, ratio {ratio:g}")
            for ratio in RATIOS
            if ratio
        ),
        TableRow(f"{name}", "labels, merging", "fastast", trained, name, name),
        TableRow("AST, CMKD", "labels and teacher", "ast-cmkd", 0.0, "AST", "AST, CMKD"),
        TableRow(f"{name}, CMKD", "labels and teacher, merging", "fastast-cmkd", trained, name, f"{name}, CMKD"),
        TableRow(
            *(f"{name}, CMKD, 60 epochs", "labels and teacher, merging"),
            *("fastast-cmkd-long", trained, name, f"{name}, CMKD"),
        ),
    ]


def _teacher(set_name: str, speed: dict[str | None, dict[str, Any]]) -> dict[str, Any]:
    """Tell of the CNN that taught."""
    found = [read_run(f"{set_name}-{part}-{TEACHES}")["models"]["teacher"]["metrics"] for part in SETS[set_name].parts]
    return {
        "name": TEACHER,
        "training": "AudioSet, then labels",
        "accuracy": [metrics["accuracy"] for metrics in found],
        "map": [metrics["map"] for metrics in found],
        "speed_up": speed.get(TEACHER, {}).get("speed_up"),
    }


def _pairs(set_name: str, complete: Sequence[TableRow], rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Compare every row with AST, and what was trained with what else a reader would choose or ask after."""
    accuracy = {row["name"]: row["accuracy"] for row in rows}
    known = {row.name: row for row in complete}
    # folds share clips to learn from; seeds share a division, and vary by their seed alone
    test_share = 1 / len(SETS[set_name].parts) if PART[set_name] == "fold" else 0.0
    wanted = [(name, "AST") for name in [*known, TEACHER] if name != "AST"]
    for row in (row for row in complete if row.run.startswith("fastast")):
        of_ast = next(other.name for other in complete if (other.run, other.ratio) == ("ast", row.ratio))
        is_taught = row.run.startswith(TEACHES)
        merging = [other.name for other in complete if other.run in ("fastast", TEACHES) and other.run != row.run]
        others = [*merging, "AST, stride 16", "AST, CMKD", TEACHER] if is_taught else []
        wanted += [(row.name, second) for second in (of_ast, *others)]
    wanted = [pair for pair in wanted if accuracy.keys() >= {*pair}]
    for first, second in wanted:
        interval = paired_interval(accuracy[first], accuracy[second], test_share=test_share)
        right = (_right(set_name, known.get(name)) for name in (first, second))
        yield {"first": first, "second": second, **interval._asdict(), **mcnemar(*right)._asdict()}


def _right(set_name: str, row: TableRow | None) -> list[bool]:
    """Tell of each clip whether a row, or the teacher, answered it rightly."""
    by_run = {}
    for name in names_of(set_name, [row.run if row else TEACHES]):
        answers = read_run(name)["answers" if row else "answers_teacher"]
        by_run[name] = answers, (at_ratio(answers, row.ratio) if row else answers)["predictions"]
    return right_answers(set_name, by_run)


def _answers(set_name: str, part: str, row: TableRow) -> dict[str, Any]:
    """Give what a row answered on a part."""
    return at_ratio(read_run(f"{set_name}-{part}-{row.run}")["answers"], row.ratio)
