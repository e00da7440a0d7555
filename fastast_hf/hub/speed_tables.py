"""The tables of a speed measurement: every row against the baseline of its batch size, and the front end."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastast_hf.hub.fields import check_field, check_numbers, check_share
from fastast_hf.hub.file_to_label_tables import check_file_to_label
from fastast_hf.hub.markdown import escape_markdown, markdown_table

_NOT_MEASURED = "-"

_FIELDS_OF_A_ROW = (
    *("clips_per_second", "latency_ms", "latency_iqr_ms", "speed_up", "gmacs_per_clip"),
    *("mac_ratio", "share_of_mac_ratio", "batch_size", "num_frames"),
)
_OPTIONAL_FIELDS_OF_A_ROW = ("agreement", "peak_memory_mib", "speed_up_high", "speed_up_low")
_FIELDS_OF_A_FRONT_END = (
    *("num_clips", "clip_seconds", "turns", "stock_ms_per_clip", "fast_ms_per_clip"),
    *("speed_up", "speed_up_low", "speed_up_high", "largest_difference"),
)


def three_digits(value: float) -> str:
    """Write a positive number with three digits, or all of those before the point.

    Args:
        value: The number.

    Returns:
        Text.

    Example:
        >>> three_digits(1577.5), three_digits(46.29), three_digits(4.207)
        ('1,578', '46.3', '4.21')
    """
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:,.{digits}f}"


_COLUMNS: dict[str, tuple[tuple[str, ...], Callable[..., str]]] = {
    "Clips/s": (("clips_per_second",), three_digits),
    "Latency ms": (("latency_ms",), three_digits),
    "Latency IQR ms": (("latency_iqr_ms",), three_digits),
    "Speed-up": (("speed_up",), "{:.2f}x".format),
    "Speed-up IQR": (("speed_up_low", "speed_up_high"), "{:.2f}x to {:.2f}x".format),
    "GMACs per clip": (("gmacs_per_clip",), "{:.2f}".format),
    "MAC ratio": (("mac_ratio",), "{:.2f}x".format),
    "Share reached": (("share_of_mac_ratio",), "{:.2f}".format),
    "Peak MiB": (("peak_memory_mib",), three_digits),
    "Same answer": (("agreement",), "{:.1%}".format),
}
_SPREADS = {"Latency ms": "Latency IQR ms", "Speed-up": "Speed-up IQR"}
"""Medians and their interquartile ranges, by the titles of their columns."""


def speed_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Write what each row takes, and how much of the saved work became saved time.

    Args:
        rows: Checked rows of a speed measurement.

    Returns:
        Cells by the title of their column. Columns without any number are left out.
    """
    columns = {}
    for title, (fields, write) in _COLUMNS.items():
        values = [[row[field] for field in fields if _is_told(row, title, field)] for row in rows]
        if any(values):
            columns[title] = [write(*found) if len(found) == len(fields) else _NOT_MEASURED for found in values]
    return columns


def _is_told(row: Mapping[str, Any], title: str, field: str) -> bool:
    """Tell whether a row has a number; one turn has no spread."""
    return row.get(field) is not None and not (row.get("repeats") == 1 and title in _SPREADS.values())


def narrow_speed_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Write the same for a terminal, which has no room for columns of spreads: each stands below its median.

    Args:
        rows: Checked rows of a speed measurement.

    Returns:
        Cells by the title of their column, of one line or two.
    """
    columns = speed_columns(rows)
    narrow = {}
    for title, cells in columns.items():
        spread = columns.get(_SPREADS.get(title, ""))
        if spread is not None:
            below = [found.replace("x", "").replace(" to ", "-") for found in spread]
            narrow[f"{title} (IQR)"] = [f"{cell}\n({found})" for cell, found in zip(cells, below, strict=True)]
        elif title not in _SPREADS.values():
            narrow[title] = cells
    return narrow


def speed_table(results: Mapping[str, Any]) -> str:
    """Write all rows below each other.

    Args:
        results: Checked results of speed alone.

    Returns:
        A Markdown table, with a column for the batch if there is more than one size.
    """
    rows = results["benchmark"]["rows"]
    columns = speed_columns(rows)
    if len({row["batch_size"] for row in rows}) > 1:
        columns = {"Batch": [str(row["batch_size"]) for row in rows], **columns}
    lines = zip([row["name"] for row in rows], *columns.values(), strict=True)
    return markdown_table([results["model"], *columns], list(lines))


def paying_rows_table(results: Mapping[str, Any]) -> str:
    """Write the rows that a reader would choose from: without dtypes and runtimes that only cost time.

    Args:
        results: Checked results of speed alone.

    Returns:
        A Markdown table and, if rows are left out, a line that names them.
    """
    rows = results["benchmark"]["rows"]
    references = _references(results)
    paying = [row for row in rows if _pays(row, references)]
    table = speed_table({**results, "benchmark": {"rows": paying}})
    speed_ups: dict[str, list[str]] = {}
    for row in rows:
        if row not in paying:
            speed_ups.setdefault(row["name"], []).append(f"{row['speed_up']:.2f}x")
    if not speed_ups:
        return table
    left_out = "; ".join(f"{escape_markdown(name)}: {' and '.join(values)}" for name, values in speed_ups.items())
    return f"{table}\n\nLeft out, because the same row in float32 and eager is faster on this machine: {left_out}."


def front_end_table(results: Mapping[str, Any]) -> str:
    """Write what the two feature extractors take, and how it was measured.

    Args:
        results: Checked results of speed alone, with a `front_end`.

    Returns:
        A Markdown table, and a line after it.
    """
    part = results["front_end"]
    columns = speed_columns([part])
    table = markdown_table(
        ["Front end", "Per clip", "Speed-up", "Speed-up IQR"],
        [
            ["ASTFeatureExtractor", f"{part['stock_ms_per_clip']:,.1f} ms", "1.00x", _NOT_MEASURED],
            [
                "FastASTFeatureExtractor",
                f"{part['fast_ms_per_clip']:,.1f} ms",
                *columns["Speed-up"],
                *columns["Speed-up IQR"],
            ],
        ],
    )
    line = (
        f"Front end: {part['num_clips']:,} clips of {part['clip_seconds']:.2f} s of noise in one call, on the CPU; "
        f"transformers' by {part['stock_features']}; {part['turns']} turns, medians over the turns. Both gave the same "
        f"features to within {part['largest_difference']:.1e}, log-mel before normalisation."
    )
    return f"{table}\n\n{escape_markdown(line)}"


def check_speed(results: Mapping[str, Any]) -> None:
    """Check the rows of a speed measurement, the part from file to label and the front end.

    Args:
        results: Results of speed alone.

    Raises:
        ValueError: Naming the first field that is missing, of the wrong type or out of range.
    """
    rows = results["benchmark"]["rows"]
    if not rows:
        raise ValueError("`benchmark.rows` must hold at least one row, got none. Run `fastast benchmark` again.")
    for number, row in enumerate(rows):
        path = f"benchmark.rows[{number}]"
        if not isinstance(row, Mapping):
            raise ValueError(f"`{path}` must be a dictionary, got {row!r}. Run `fastast benchmark` again.")
        for name in ("name", "dtype", "runtime"):
            check_field(row, name, str, path=f"{path}.{name}")
        measured = tuple(name for name in _OPTIONAL_FIELDS_OF_A_ROW if row.get(name) is not None)
        check_numbers(path, row, (*_FIELDS_OF_A_ROW, *measured))
        if "agreement" in measured:
            check_share(f"{path}.agreement", row["agreement"])
    if "random_weights" in results and not isinstance(results["random_weights"], bool):
        raise ValueError(
            f"`random_weights` must be true or false, got {results['random_weights']!r}. Leave it out for trained weights."
        )
    check_field(results, "unreadable", dict, optional=True)
    if results["benchmark"].get("num_clips") is not None:
        check_numbers("benchmark", results["benchmark"], ("num_clips",))
    if "file_to_label" in results:
        check_file_to_label(results["file_to_label"])
    if "front_end" in results:
        _check_front_end(results)


def _check_front_end(results: Mapping[str, Any]) -> None:
    """Check what the two feature extractors take."""
    check_field(results, "front_end", dict)
    part = results["front_end"]
    check_numbers("front_end", part, _FIELDS_OF_A_FRONT_END)
    if part.get("stock_features") not in ("numpy", "torchaudio"):
        raise ValueError(
            f'`front_end.stock_features` must be "numpy" or "torchaudio", got {part.get("stock_features")!r}. Run `fastast '
            "benchmark` again."
        )


def _references(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """List the rows in float32 and eager; not those of another model, which the first row of a batch size may be."""
    rows = results["benchmark"]["rows"]
    if results.get("against") is not None:
        before = [None, *(row["batch_size"] for row in rows)]
        rows = [row for row, size in zip(rows, before, strict=False) if row["batch_size"] == size]
    return [row for row in rows if row["dtype"] == "float32" and row["runtime"] == "eager"]


def _pays(row: Mapping[str, Any], references: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether no row does the same faster without another dtype and runtime."""
    if row["dtype"] == "float32" and row["runtime"] == "eager":
        return True
    same = ("merging", "num_frames", "batch_size")
    return not any(
        all(other.get(field) == row.get(field) for field in same) and other["speed_up"] > row["speed_up"]
        for other in references
    )
