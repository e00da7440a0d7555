"""Classifications as a table for people, and as CSV or JSON lines for machines."""

import csv
import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fastast_hf.cli.console import printable

if TYPE_CHECKING:  # it comes with datasets
    from fastast_hf.classification import Classification

Format = Literal["table", "csv", "jsonl"]

_WIDEST = 10_000  # columns, more than any path takes

CSV_COLUMNS = ("path", "start", "end", "label", "score", "is_truncated", "error")


def write_table(results: "Iterable[Classification]", stream: TextIO) -> None:
    """Write one line for each label, below each other for a piece of sound, once all results are there, or Ctrl-C ends them.

    Args:
        results: What `classify_files` gives. Those with an error are left out.
        stream: Where. On a terminal the table has its width; elsewhere paths stay in one line.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("File", overflow="fold")
    table.add_column("Seconds", justify="right", no_wrap=True)
    table.add_column("Label", overflow="fold")
    table.add_column("Score", justify="right", no_wrap=True)
    try:
        for result in results:
            heads = [Text(printable(result.path)), Text(f"{result.start:.2f} - {result.end:.2f}")]
            for label, score in result.labels:
                table.add_row(*heads, Text(printable(label)), f"{score:.3f}")
                heads = [Text(), Text()]
    except KeyboardInterrupt:  # an hour of sound may be in it
        _print_table(table, stream)
        raise
    _print_table(table, stream)


def _print_table(table: Table, stream: TextIO) -> None:
    if table.row_count:
        Console(file=stream, width=None if stream.isatty() else _WIDEST).print(table)


def write_csv(results: "Iterable[Classification]", stream: TextIO) -> None:
    """Write one line for each label, and one for a file that cannot be read, as they come.

    Args:
        results: What `classify_files` gives.
        stream: Where. On a terminal, names are written so that they do nothing there; else as they are.
    """
    text = printable if stream.isatty() else str
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for result in results:
        for label, score in result.labels or [("", "")]:
            row = (text(result.path), result.start, result.end, text(label), score, result.is_truncated)
            writer.writerow([*row, text(result.error or "")])
        stream.flush()


def write_json_lines(results: "Iterable[Classification]", stream: TextIO) -> None:
    """Write `Classification.to_dict()` of each result as a line, as they come, in ASCII.

    Args:
        results: What `classify_files` gives.
        stream: Where.
    """
    for result in results:
        print(json.dumps(result.to_dict()), file=stream, flush=True)


WRITERS: dict[Format, Callable[["Iterable[Classification]", TextIO], None]] = {
    "table": write_table,
    "csv": write_csv,
    "jsonl": write_json_lines,
}
