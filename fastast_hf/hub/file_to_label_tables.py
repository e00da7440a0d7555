"""What `measure_file_to_label` found, checked and as Markdown: the `file_to_label` of a results file of speed.

```
num_clips  median_clip_seconds  max_length (frames)  batch_size  num_workers  turns  pipeline_batch_size
merge_ratio  tokens_merged_per_layer   of the row that merges: numbers, or lists of one a layer; the second may be null
stock_features  "numpy" or "torchaudio"
rows   {name: {ms_per_clip, clips_per_second, speed_up, speed_up_range [lowest, highest], step, share or null,
       and if it applies seconds [one a turn], agreement (0 to 1)}}
parts  {name of a row: {decode, features, model}}, in ms a clip
```
"""

from collections.abc import Mapping
from typing import Any

from fastast_hf.hub.fields import COUNT, Rule, is_finite_number
from fastast_hf.hub.markdown import escape_markdown, markdown_table

_NOTHING = "-"
_SPEED_UP, _SPREAD, _STEP, _SHARE, _SAME = (
    "Speed-up",
    "In single turns",
    "This step",
    "Share of the speed-up",
    "Same label",
)
_NARROW_TITLES = {
    _SPEED_UP: "Speed-up\n(range)",
    _STEP: "This\nstep",
    _SHARE: "Share of\nspeed-up",
    _SAME: "Same\nlabel",
}
_RANDOM_MODELS = ("ast-base", "ast-tiny")
"""Names of models with random weights in results that do not tell it in a field of their own, as the first ones."""
_PARTS = ("decode", "features", "model")
_WHAT_PARTS_ARE = (
    "Parts one after the other, in ms a clip; decoding in one thread. The pipeline was given decoded clips: its row has no "
    "decoding in it. `classify_files` decodes, computes features and runs the model at the same time."
)


def check_file_to_label(part: Mapping[str, Any]) -> None:
    """Check that a part holds everything that its tables are rendered from.

    Args:
        part: See the module.

    Raises:
        ValueError: Naming the first field that is missing, of the wrong type or out of range.
    """
    _check_fields("file_to_label", part, _FIELDS)
    for name, row in part["rows"].items():
        _check_fields(f"file_to_label.rows.{name}", row, _ROW_FIELDS)
    for name, times in part["parts"].items():
        if name not in part["rows"]:
            raise ValueError(_message("file_to_label.parts", f"named as rows are, {', '.join(part['rows'])}", name))
        _check_fields(f"file_to_label.parts.{name}", times, dict.fromkeys(_PARTS, _POSITIVE))


def file_to_label_table(results: Mapping[str, Any]) -> str:
    """Write what each step saves, how it was measured, and where the time of a clip goes.

    Args:
        results: Checked results of speed alone, with a `file_to_label`. Of random weights, whose labels mean nothing, it is
            not told how many stay the same.

    Returns:
        Two Markdown tables, each with a line after it.
    """
    columns = _columns(results)
    lines = zip(results["file_to_label"]["rows"], *columns.values(), strict=True)
    return f"{markdown_table([results['model'], *columns], list(lines))}\n\n{file_to_label_notes(results)}"


def file_to_label_notes(results: Mapping[str, Any]) -> str:
    """Write how the steps were measured, and where the time of a clip goes: what stands below the first table.

    Args:
        results: As in `file_to_label_table`.

    Returns:
        A Markdown table between two lines.
    """
    part = results["file_to_label"]
    return "\n\n".join([_conditions_line(results), _parts_table(part), _WHAT_PARTS_ARE])


def narrow_file_to_label_columns(results: Mapping[str, Any]) -> dict[str, list[str]]:
    """Write what each step saves for a terminal, which has no room for a column of spreads: each stands below its median.

    Args:
        results: As in `file_to_label_table`.

    Returns:
        Cells by the title of their column, both of one line or two, a cell for each row.
    """
    columns = _columns(results)
    spreads = [cell.replace("x", "").replace(" to ", "-") for cell in columns.pop(_SPREAD)]
    cells = zip(columns[_SPEED_UP], spreads, strict=True)
    columns[_SPEED_UP] = [cell if spread == _NOTHING else f"{cell}\n({spread})" for cell, spread in cells]
    return {_NARROW_TITLES.get(title, title): found for title, found in columns.items()}


def _columns(results: Mapping[str, Any]) -> dict[str, list[str]]:
    """Write a cell for each row, which has all steps of the rows above it, by the title of their column."""
    rows = results["file_to_label"]["rows"].values()
    columns = {
        "Per clip": [f"{row['ms_per_clip']:,.1f} ms" for row in rows],
        _SPEED_UP: [f"{row['speed_up']:.2f}x" for row in rows],
        _SPREAD: ["{:.2f}x to {:.2f}x".format(*row["speed_up_range"]) for row in rows],
        _STEP: [f"{row['step']:.2f}x" for row in rows],
        _SHARE: [_NOTHING if row.get("share") is None else f"{row['share']:.0%}" for row in rows],
    }
    for title in (_SPREAD, _STEP, _SHARE):
        columns[title][0] = _NOTHING  # the first row is no step, and its ratio to itself is 1
    agreements = [row.get("agreement") for row in rows]
    if not _is_random(results) and any(agreement is not None for agreement in agreements):
        columns[_SAME] = [_NOTHING if agreement is None else f"{agreement:.1%}" for agreement in agreements]
    return columns


def _is_random(results: Mapping[str, Any]) -> bool:
    """Tell whether the labels mean nothing."""
    return results.get("random_weights", results["model"] in _RANDOM_MODELS)


def _conditions_line(results: Mapping[str, Any]) -> str:
    """Say what was measured, and how."""
    part, left_out = results["file_to_label"], len(results.get("unreadable") or {})
    ratio, counts = part["merge_ratio"], part.get("tokens_merged_per_layer")
    conditions = [
        f"{part['num_clips']:,} files, median {part['median_clip_seconds']:.1f} s",
        f"AST pads to {part['max_length']:,} frames, its features by {part['stock_features']}",
        f"merge ratio {_listed(ratio)}" if counts is None else f"r {_listed(counts)}",
        f"batch {part['batch_size']}, {part['pipeline_batch_size']} in the pipeline",
        f"{part['num_workers']} threads that decode",
        f"rows in {part['turns']} turns, medians over the turns",
    ]
    line = f"File to label: {escape_markdown('; '.join(conditions))}."
    return f"{line} Left out because they cannot be read: {left_out:,}." if left_out else line


def _parts_table(part: Mapping[str, Any]) -> str:
    """Write where the time of a clip goes, beside what the row took."""
    lines = [
        [name, *(f"{ms:,.1f} ms" for ms in (*times, sum(times), part["rows"][name]["ms_per_clip"]))]
        for name, times in ((name, [found[of] for of in _PARTS]) for name, found in part["parts"].items())
    ]
    return markdown_table(["Parts", "Decode", "Features", "Model", "Sum", "The row"], lines)


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _are_numbers(value: Any) -> bool:
    return is_finite_number(value) or (isinstance(value, list) and all(map(is_finite_number, value)))


def _are_positive(value: Any) -> bool:
    return isinstance(value, list) and all(is_finite_number(each) and each > 0 for each in value)


_POSITIVE: Rule = "a positive finite number", lambda value: is_finite_number(value) and value > 0
_COUNTS = ("num_clips", "max_length", "batch_size", "num_workers", "turns", "pipeline_batch_size")

_FIELDS: dict[str, Rule] = dict.fromkeys(_COUNTS, COUNT) | {
    "median_clip_seconds": _POSITIVE,
    "merge_ratio": ("a number or a list of numbers", _are_numbers),
    "tokens_merged_per_layer": (
        "null, a number or a list of numbers",
        lambda value: value is None or _are_numbers(value),
    ),
    "stock_features": ('"numpy" or "torchaudio"', lambda value: value in ("numpy", "torchaudio")),
    "rows": ("a dictionary of two or more rows", lambda value: isinstance(value, Mapping) and len(value) >= 2),
    "parts": ("a dictionary", lambda value: isinstance(value, Mapping)),
}
_ROW_FIELDS: dict[str, Rule] = dict.fromkeys(("ms_per_clip", "clips_per_second", "speed_up", "step"), _POSITIVE) | {
    "speed_up_range": (
        "a list, the lowest and the highest speed-up of a turn",
        lambda value: isinstance(value, list) and len(value) == 2 and _are_numbers(value),
    ),
    "share": ("a finite number, or null without a speed-up", lambda value: value is None or is_finite_number(value)),
    "seconds": (
        "a list of positive numbers, one a turn, if it is given",
        lambda value: value is None or _are_positive(value),
    ),
    "agreement": (
        "a share of the clips, 0 to 1, if it is given",
        lambda value: value is None or (is_finite_number(value) and 0 <= value <= 1),
    ),
}


def _check_fields(path: str, values: Any, rules: Mapping[str, Rule]) -> None:
    """Hold a dictionary's fields to their rules; a missing one counts as null."""
    if not isinstance(values, Mapping):
        raise ValueError(_message(path, "a dictionary", values))
    for name, (constraint, holds) in rules.items():
        if not holds(values.get(name)):
            raise ValueError(_message(f"{path}.{name}", constraint, values.get(name)))


def _message(path: str, constraint: str, value: Any) -> str:
    return f"`{path}` must be {constraint}, got {value!r}. Run `fastast benchmark MODEL --data-dir DIR` again."
