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
    "Training speed-up": ("training_speed_up", "{:.2f}x".format),
    "Training MiB": ("training_peak_mib", "{:,.0f}".format),
}


def comparison_table(results: Mapping[str, Any]) -> str:
    """Write all models below each other, with means and standard deviations, and a line on what they are of.

    Args:
        results: Checked results of a comparison.

    Returns:
        A Markdown table, and a line after it. Columns without any number are left out.
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
        A Markdown table, and a line after it; nothing if no pair was compared.
    """
    comparison = results["comparison"]
    if not comparison["pairs"]:
        return ""
    columns: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
        "Accuracy, paired": lambda pair: f"{pair['first']} against {pair['second']}",
        "Points": lambda pair: f"{100 * pair['mean']:+.2f}",
        "95 % interval": lambda pair: (
            f"{100 * pair['low']:+.2f} to {100 * pair['high']:+.2f}" if "low" in pair else None
        ),
        "Right alone: first and second": lambda pair: (
            f"{pair['only_first']} and {pair['only_second']}" if "p_value" in pair else None
        ),
        "p (McNemar)": lambda pair: f"{pair['p_value']:.2g}" if "p_value" in pair else None,
    }
    cells = {title: [cell(pair) for pair in comparison["pairs"]] for title, cell in columns.items()}
    known = {title: values for title, values in cells.items() if any(value is not None for value in values)}
    lines = [[value or _NOT_MEASURED for value in line] for line in zip(*known.values(), strict=True)]
    table = markdown_table(list(known), lines)
    return f"{table}\n\n{escape_markdown(_what_pairs_are_of(comparison))}"


def _what_pairs_are_of(comparison: Mapping[str, Any]) -> str:
    """Say what the differences and their chances are of."""
    parts, part = comparison["num_parts"], comparison["part"]
    if part == "fold":
        models, kind = "as they are", "Nadeau and Bengio's, which allows for training clips that folds share"
    else:
        models = f"of all {part}s by majority, which no single model answers"
        kind = "Student's; all have the same clips, so it tells of trainings alone"
    interval = (
        f"Interval: of the mean difference over the {parts} {part}s, one training each, {kind}. " if parts > 1 else ""
    )
    return (
        f"{interval}Right alone: clips that only one of the two answers rightly, the trained models {models}. p: how likely so "
        "uneven a division is if both are equally good, for this pair alone, and as if clips were independent: those of one "
        "recording or speaker are not, and p is too small by that. It knows nothing of other trainings."
    )


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
        of_parts = ("low", "high") if comparison["num_parts"] > 1 else ()  # one part has no spread
        check_numbers(path, pair, ("mean", *of_parts, *of_answers))
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
        text += f" Clips/s, model alone, and steps of training in a second: ratios to {comparison['baseline']}."
    if "Training MiB" in columns:
        text += " Training MiB: the most that a step takes beside weights and input."
    return text
