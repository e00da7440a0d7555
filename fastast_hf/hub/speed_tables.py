"""The table of a speed measurement: every row against the baseline of its batch size."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastast_hf.hub.markdown import escape_markdown, markdown_table

_NOT_MEASURED = "-"


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


_COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "Clips/s": ("clips_per_second", three_digits),
    "Latency ms": ("latency_ms", three_digits),
    "IQR ms": ("latency_iqr_ms", three_digits),
    "Speed-up": ("speed_up", "{:.2f}x".format),
    "GMACs per clip": ("gmacs_per_clip", "{:.2f}".format),
    "MAC ratio": ("mac_ratio", "{:.2f}x".format),
    "Share reached": ("share_of_mac_ratio", "{:.2f}".format),
    "Peak MiB": ("peak_memory_mib", three_digits),
    "Same answer": ("agreement", "{:.1%}".format),
}


def speed_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Write what each row takes, and how much of the saved work became saved time.

    Args:
        rows: Checked rows of a speed measurement.

    Returns:
        Cells by the title of their column. Columns without any number are left out.
    """
    columns = {}
    for title, (field, write) in _COLUMNS.items():
        values = [row.get(field) for row in rows]
        if any(value is not None for value in values):
            columns[title] = [_NOT_MEASURED if value is None else write(value) for value in values]
    return columns


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
    paying = [row for row in rows if _pays(row, rows)]
    table = speed_table({**results, "benchmark": {"rows": paying}})
    speed_ups: dict[str, list[str]] = {}
    for row in rows:
        if row not in paying:
            speed_ups.setdefault(row["name"], []).append(f"{row['speed_up']:.2f}x")
    if not speed_ups:
        return table
    left_out = "; ".join(f"{escape_markdown(name)}: {' and '.join(values)}" for name, values in speed_ups.items())
    return f"{table}\n\nLeft out, because the same row in float32 and eager is faster on this machine: {left_out}."


def _pays(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether no row does the same faster without another dtype and runtime."""
    same = ("merging", "num_frames", "batch_size")
    return not any(
        other["dtype"] == "float32"
        and other["runtime"] == "eager"
        and all(other.get(field) == row.get(field) for field in same)
        and other["speed_up"] > row["speed_up"]
        for other in rows
    )
