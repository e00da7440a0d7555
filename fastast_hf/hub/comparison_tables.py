"""The tables of several models over several folds or seeds: how right and how fast each is, and which differences are real."""

from collections.abc import Callable, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from fastast_hf.hub.fields import COUNT, Rule, check_field, check_numbers, check_rule, check_share
from fastast_hf.hub.markdown import escape_markdown, markdown_table

_NOT_MEASURED = "-"
_PART: Rule = '"fold" or "seed"', lambda value: value in ("fold", "seed")
_NUMBERS: dict[str, tuple[str, Callable[[float], str]]] = {
    "Clips/s": ("speed_up", "{:.2f}x".format),
    "Training step": ("training_speed_up", "{:.2f}x".format),
    "Training MiB": ("training_peak_mib", "{:,.0f}".format),
}


def comparison_table(results: Mapping[str, Any]) -> str:
    """Write all models below each other, with means and standard deviations, and a line on what they are of.

    Args:
        results: Checked results of a comparison.

    Returns:
        A Markdown table, and a line behind it. Columns without any number are left out.
    """
    comparison = results["comparison"]
    rows = comparison["rows"]
    columns = {
        "Learnt from": [row["training"] for row in rows],
        "Accuracy": [_spread(row["accuracy"], 100, "{:.2f} %", "{:.2f} ± {:.2f} %") for row in rows],
        "mAP": [_spread(row["map"], 1, "{:.3f}", "{:.3f} ± {:.3f}") for row in rows],
    }
    for title, (field, write) in _NUMBERS.items():
        if any(row.get(field) is not None for row in rows):
            columns[title] = [_NOT_MEASURED if row.get(field) is None else write(row[field]) for row in rows]
    lines = list(zip([row["name"] for row in rows], *columns.values(), strict=True))
    table = markdown_table([comparison["data"], *columns], lines)
    return f"{table}\n\n{escape_markdown(_what_it_is_of(comparison, columns))}"


def pairs_table(results: Mapping[str, Any]) -> str:
    """Write the differences between pairs of models, and what chance alone would make of them.

    Args:
        results: Checked results of a comparison.

    Returns:
        A Markdown table, and a line behind it; nothing if no pair was compared.
    """
    comparison = results["comparison"]
    if not comparison["pairs"]:
        return ""
    lines = [
        [
            f"{pair['first']} against {pair['second']}",
            f"{100 * pair['mean']:+.2f}",
            f"{100 * pair['low']:+.2f} to {100 * pair['high']:+.2f}",
            f"{pair['only_first']} and {pair['only_second']}" if "p_value" in pair else _NOT_MEASURED,
            f"{pair['p_value']:.2g}" if "p_value" in pair else _NOT_MEASURED,
        ]
        for pair in comparison["pairs"]
    ]
    table = markdown_table(
        ["Accuracy, paired", "Points", "95 % interval", "Right alone: first and second", "p (McNemar)"], lines
    )
    part = comparison["part"]
    if part == "fold":
        whose, kind = "of all folds", "Nadeau and Bengio's, which allows for training clips that folds share"
    else:
        whose, kind = (
            f"that most of the {part}s give",
            "Student's; all have the same clips, so it tells of trainings alone",
        )
    line = (
        f"Interval: of the mean difference over the {comparison['num_parts']} {part}s, one training each, {kind}. Right alone: "
        f"right answers, {whose}, of only one of the two. p: of the trained models as they are, how likely so uneven a division "
        "is if both are equally good, for this pair alone; it knows nothing of other trainings, which the interval does."
    )
    return f"{table}\n\n{escape_markdown(line)}"


def check_comparison(comparison: Mapping[str, Any]) -> None:
    """Check that a comparison holds everything that its tables are rendered from.

    Args:
        comparison: The part of the results.

    Raises:
        ValueError: Naming the first field that is missing or does not fit.
    """
    for name, expected in {"data": str, "part": str, "baseline": str, "rows": list, "pairs": list}.items():
        check_field(comparison, name, expected, path=f"comparison.{name}")
    for name in ("num_parts", "num_clips"):
        check_rule(f"comparison.{name}", comparison.get(name), COUNT)
    check_rule("comparison.part", comparison["part"], _PART)
    for number, row in enumerate(comparison["rows"]):
        path = f"comparison.rows[{number}]"
        for name in ("name", "training"):
            check_field(row, name, str, path=f"{path}.{name}")
        for name in ("accuracy", "map"):
            check_field(row, name, list, path=f"{path}.{name}")
            if len(row[name]) != comparison["num_parts"]:
                raise ValueError(
                    f"`{path}.{name}` must hold one number a {comparison['part']}, {comparison['num_parts']} in all, got "
                    f"{len(row[name])}. Leave a row out until all of its runs are done."
                )
            for value in row[name]:
                check_share(f"{path}.{name}", value)
        measured = [field for field, _ in _NUMBERS.values() if row.get(field) is not None]
        check_numbers(path, row, tuple(measured))
    _check_pairs(comparison)


def _check_pairs(comparison: Mapping[str, Any]) -> None:
    names = [row["name"] for row in comparison["rows"]]
    for number, pair in enumerate(comparison["pairs"]):
        path = f"comparison.pairs[{number}]"
        for side in ("first", "second"):
            check_field(pair, side, str, path=f"{path}.{side}")
            if pair[side] not in names:
                raise ValueError(
                    f"`{path}.{side}` must name one of the rows, got {pair[side]!r}. Compare what is there."
                )
        of_answers = ("only_first", "only_second", "p_value") if "p_value" in pair else ()
        check_numbers(path, pair, ("mean", "low", "high", *of_answers))
        if of_answers:
            check_share(f"{path}.p_value", pair["p_value"])


def _spread(values: Sequence[float], scale: float, one: str, several: str) -> str:
    """Write a mean with its standard deviation, or a number that stands alone."""
    average = scale * mean(values)
    return one.format(average) if len(values) == 1 else several.format(average, scale * stdev(values))


def _what_it_is_of(comparison: Mapping[str, Any], columns: Mapping[str, Any]) -> str:
    """Say what the numbers of the table are."""
    parts, part = comparison["num_parts"], comparison["part"]
    over = f"one {part}" if parts == 1 else f"mean and standard deviation over {parts} {part}s"
    text = f"Accuracy and mAP: {over}, {comparison['num_clips']:,} clips that training did not see."
    if "Clips/s" in columns:
        text += f" Clips/s, model alone, and steps of training: ratios to {comparison['baseline']}."
    if "Training MiB" in columns:
        text += " Training MiB: the most that a step takes beside weights and input."
    return text
