"""Metadata files before a reader gets them: what a stranger's file may do to a parser is refused here, in bounded memory.

`datasets` unpacks what is called .csv and is an archive, and its parsers take a row of any length, width and depth, up to the
end of the memory or of the stack.
"""

import csv
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from datasets.utils.extract import Extractor

from fastast_hf.data.metadata_limits import MAX_DEPTH, MAX_EMPTY, MAX_ROW, TooMuchError, check_width
from fastast_hf.data.metadata_parquet import check_parquet

# Pairs, since of two values under one name a dictionary would show the last, and pyarrow gets both.
_JSON = json.JSONDecoder(object_pairs_hook=tuple)

_FIELD_LIMIT = threading.Lock()


def check_metadata(path: Path, reader: str) -> None:
    """Refuse a metadata file that would cost a parser too much, or is not what it is called.

    Args:
        path: Of the file.
        reader: "csv", "json" (lines) or "parquet".

    Raises:
        ValueError: With the reason alone, and the line if there are lines; `TooMuchError` if less of it could be read.
    """
    _CHECKS[reader](path)


def _check_csv(path: Path) -> None:
    num_rows = num_columns = num_cells = 0
    with _text_of(path, newline="") as file, _long_fields():
        lines = _Lines(file)
        try:
            for row in csv.reader(lines):
                lines.end_row()
                where = f"line {lines.number}"
                check_width(len(row), where)
                num_rows += bool(row)
                num_cells += len(row)
                num_columns = max(num_columns, len(row))
                _check_empty(num_rows * num_columns - num_cells, where)
        except csv.Error as error:
            raise ValueError(f"line {lines.number}: {error}") from error
    _check_plain(path)


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let `csv` read a value as long as a row may be; its own limit is one for the whole process."""
    with _FIELD_LIMIT:
        limit = csv.field_size_limit()
        csv.field_size_limit(max(limit, MAX_ROW))
        try:
            yield
        finally:
            csv.field_size_limit(limit)


def _check_json_lines(path: Path) -> None:
    table = _JsonTable()
    with _text_of(path, newline="\n") as file:
        lines = _Lines(file)
        for line in lines:
            lines.end_row()
            if not line.strip():
                continue
            where = f"line {lines.number}"
            try:
                row = _JSON.decode(line.rstrip())
                if not isinstance(row, tuple):
                    raise ValueError("it is no JSON object")
                table.add([row])
            except RecursionError as error:
                raise TooMuchError(f"{where} is nested more than {MAX_DEPTH} deep") from error
            except json.JSONDecodeError as error:
                raise ValueError(f"JSON parse error in {where}, column {error.colno}: {error.msg}") from error
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from error
            check_width(table.num_fields, f"the file up to {where}")
            _check_empty(table.num_empty, where)
    _check_plain(path)


def _check_empty(num_empty: int, where: str) -> None:
    if num_empty > MAX_EMPTY:
        raise TooMuchError(
            f"the file up to {where} leaves {num_empty} fields of its table empty, more than {MAX_EMPTY}"
        )


_CHECKS: dict[str, Callable[[Path], None]] = {
    "csv": _check_csv,
    "json": _check_json_lines,
    "parquet": check_parquet,
}


_Place = tuple[str, ...]
"""Names from the outermost object on, and an empty one for the elements of a list."""


class _Lines:
    """Lines of a text, counted, each read only as far as a row may be long."""

    def __init__(self, file: TextIO) -> None:
        self.number = 0
        self._file = file
        self._row_length = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = self._file.readline(MAX_ROW + 1)
        except UnicodeDecodeError as error:
            raise ValueError(f"from line {self.number + 1} on it is no UTF-8: {error}") from error
        if not line:
            raise StopIteration
        self.number += 1
        self._row_length += len(line)
        if "\0" in line:
            raise ValueError(f"line {self.number} has a NUL byte, which no text has")
        if self._row_length > MAX_ROW:
            raise TooMuchError(f"the row in line {self.number} has more than {MAX_ROW} characters")
        return line

    def end_row(self) -> None:
        """Say that a row ends with the line that was given last; a quoted value goes over many."""
        self._row_length = 0


class _JsonTable:
    """The table that rows of JSON become, where an object has the fields of all in its place, whether it writes them or not.

    The elements of lists in one place are the rows of a table of their own.
    """

    def __init__(self) -> None:
        self.num_fields = 0
        self.num_empty = 0
        self._num_rows: Counter[_Place] = Counter()
        self._fields: defaultdict[_Place, set[_Place]] = defaultdict(set)

    def add(self, rows: list[Any], table: _Place = ()) -> None:
        """Add rows, objects being tuples of pairs.

        Args:
            rows: Of the whole, or elements of a list.
            table: Where they are.

        Raises:
            RecursionError: One is nested too deep.
        """
        self._num_rows[table] += len(rows)
        self.num_empty += len(rows) * len(self._fields[table])
        for row in rows:
            self._add_value(row, table, table)

    def _add_value(self, value: Any, place: _Place, table: _Place) -> None:
        if not isinstance(value, list | tuple):
            return
        if len(place) == MAX_DEPTH:
            raise RecursionError
        if isinstance(value, list):
            self.add(value, (*place, ""))
            return
        for name, inner in value:
            field = (*place, name)
            if field not in self._fields[table]:
                self._fields[table].add(field)
                self.num_fields += 1
                self.num_empty += self._num_rows[table]
            self.num_empty -= 1
            self._add_value(inner, field, table)


def _text_of(path: Path, newline: str) -> TextIO:
    """Open a file that does not begin as one that `datasets` would unpack."""
    with path.open("rb") as file:
        start = file.read(16)
    for name, extractor in Extractor.extractors.items():
        if any(start.startswith(magic_number) for magic_number in getattr(extractor, "magic_numbers", ())):
            raise ValueError(f"it is packed with {name}, and must be plain text")
    return path.open(encoding="utf-8-sig", newline=newline)  # "-sig": without the mark that Windows puts first


def _check_plain(path: Path) -> None:
    """Refuse a text that is an archive too; of other files, this would unpack a part."""
    packing = Extractor.infer_extractor_format(path)
    if packing is not None:
        raise ValueError(f"it is packed with {packing}, and must be plain text")
