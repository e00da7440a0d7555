"""A speed measurement on a terminal: tables that fit it, where nothing is cut."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from fastast_hf.cli.console import print_result
from fastast_hf.hub.file_to_label_tables import file_to_label_notes, narrow_file_to_label_columns
from fastast_hf.hub.speed_tables import front_end_table, narrow_speed_columns
from fastast_hf.hub.tables import conditions_line, results_block


def print_speed(results: Mapping[str, Any]) -> None:
    """Print tables that fit a terminal; into a file or a pipe, the same as Markdown with what is needed to repeat it.

    Args:
        results: Checked results of speed alone.
    """
    console = Console()
    if not console.is_terminal:
        print_result(results_block(results))
        return
    rows = results["benchmark"]["rows"]
    for batch_size in dict.fromkeys(row["batch_size"] for row in rows):
        of_this_size = [row for row in rows if row["batch_size"] == batch_size]
        columns = narrow_speed_columns(of_this_size)
        head = f"{results['model']}\nbatch {batch_size}"
        console.print(
            _table(
                head,
                [row["name"] for row in of_this_size],
                {title.replace(" ", "\n"): cells for title, cells in columns.items()},
            )
        )
        console.print()
    if "file_to_label" in results:
        head = f"{results['model']}\nfile to label"
        console.print(_table(head, results["file_to_label"]["rows"], narrow_file_to_label_columns(results)))
        console.print()
        console.print(Markdown(file_to_label_notes(results)))
    if "front_end" in results:
        console.print(Markdown(front_end_table(results)))
    console.print(Markdown(conditions_line(results)))


def _table(head: str, names: Iterable[str], columns: Mapping[str, Sequence[str]]) -> Table:
    """Lay out a row for each name; a name or a head that is too long goes on in the next line."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column(Text(head, overflow="fold"), min_width=12, overflow="fold")
    for title in columns:
        table.add_column(title, justify="right", no_wrap=True)
    for name, *cells in zip(names, *columns.values(), strict=True):
        table.add_row(Text(name), *cells)
    return table
