"""Metadata files before a reader gets them: what a stranger's file may do to a parser is refused here, in bounded memory.

`datasets` unpacks what is called .csv and is an archive, and its parsers take a row of any length, width and depth, up to the
end of the memory or of the stack.
"""

import csv
import json
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Features
from datasets.utils.extract import Extractor

MAX_ROW = 2**20
"""Characters of a row, and bytes of a value of Parquet."""

MAX_COLUMNS = 4096
"""Columns, and fields inside of columns; `datasets` takes a quarter of a minute for so many."""

MAX_DEPTH = 16
"""Objects and lists inside each other. Some hundred end the stack of Python, some thousand that of pyarrow."""

MAX_VALUES = 10**7
"""Values of a column of Parquet, which writes down once what many rows have: a few kilobytes may be billions of rows."""

MAX_TEXT = 2**30
"""Bytes of all columns of Parquet, unpacked."""

_PARQUET = b"PAR1"

# Pairs, since of two values under one name a dictionary would show the last, and pyarrow gets both.
_JSON = json.JSONDecoder(object_pairs_hook=tuple)


def check_metadata(path: Path, reader: str) -> None:
    """Refuse a metadata file that would cost a parser too much, or is not what it is called.

    Args:
        path: Of the file.
        reader: "csv", "json" (lines) or "parquet".

    Raises:
        ValueError: With the reason alone, and the line if there are lines.
    """
    _CHECKS[reader](path)


def _check_csv(path: Path) -> None:
    with _text_of(path, newline="") as file:
        lines = _Lines(file)
        try:
            for row in csv.reader(lines):
                lines.end_row()
                _check_width(len(row), f"line {lines.number}")
        except csv.Error as error:
            raise ValueError(f"line {lines.number}: {error}") from error
    _check_plain(path)


def _check_json_lines(path: Path) -> None:
    fields: set[tuple[str, ...]] = set()
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
                _collect_fields(row, (), fields)
            except RecursionError as error:
                raise ValueError(f"{where} is nested more than {MAX_DEPTH} deep") from error
            except json.JSONDecodeError as error:
                raise ValueError(f"JSON parse error in {where}, column {error.colno}: {error.msg}") from error
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from error
            _check_width(len(fields), f"the file up to {where}")
    _check_plain(path)


def _check_parquet(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_PARQUET)) != _PARQUET:
            raise ValueError("it does not begin as Parquet does, with PAR1")
    footer = pq.read_metadata(path)
    _check_width(footer.num_columns, "it")
    groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
    chunks = [[group.column(index) for group in groups] for index in range(footer.num_columns)]
    num_values = max((sum(chunk.num_values for chunk in column) for column in chunks), default=0)
    if num_values > MAX_VALUES:
        raise ValueError(f"it has {num_values} values in a column, more than {MAX_VALUES}")
    num_bytes = sum(chunk.total_uncompressed_size for column in chunks for chunk in column)
    if num_bytes > MAX_TEXT:
        raise ValueError(f"it has {num_bytes} bytes when unpacked, more than {MAX_TEXT}")
    try:
        Features.from_arrow_schema(pq.read_schema(path))  # which may be any JSON that somebody put there
    except (AttributeError, LookupError, NotImplementedError, RecursionError, TypeError) as error:
        raise ValueError(f"`datasets` cannot tell its columns: {type(error).__name__}: {error}") from error
    _check_texts(path, [column.path for column in map(footer.schema.column, range(len(chunks))) if _has_texts(column)])


def _has_texts(column: pq.ColumnSchema) -> bool:
    return column.physical_type == "BYTE_ARRAY" and column.logical_type.type != "DECIMAL"


def _check_texts(path: Path, columns: list[str]) -> None:
    """Refuse strings that are long, alone or together, by reading each once, however many rows have it."""
    num_bytes = 0
    with pq.ParquetFile(path, read_dictionary=columns) as file:
        for batch in file.iter_batches(batch_size=2**14, columns=columns) if columns else ():
            for texts in chain.from_iterable(map(_texts_in, batch.columns)):
                is_shared = pa.types.is_dictionary(texts.type)
                lengths = pc.binary_length(texts.dictionary if is_shared else texts)
                longest = pc.max(lengths).as_py() or 0
                if longest > MAX_ROW:
                    raise ValueError(f"it has a value of {longest} bytes, more than {MAX_ROW}")
                num_bytes += pc.sum(pc.take(lengths, texts.indices) if is_shared else lengths).as_py() or 0
            if num_bytes > MAX_TEXT:
                raise ValueError(f"it has more than {MAX_TEXT} bytes when unpacked")


def _texts_in(column: pa.Array) -> Iterator[pa.Array]:
    """Find strings and bytes inside of lists and objects."""
    kind = column.type
    if pa.types.is_struct(kind):
        yield from chain.from_iterable(map(_texts_in, column.flatten()))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _texts_in(column.flatten())
    elif _is_text(kind.value_type if pa.types.is_dictionary(kind) else kind):
        yield column


def _is_text(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(kind) for test in tests)


_CHECKS: dict[str, Callable[[Path], None]] = {
    "csv": _check_csv,
    "json": _check_json_lines,
    "parquet": _check_parquet,
}


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
            raise ValueError(f"the row in line {self.number} has more than {MAX_ROW} characters")
        return line

    def end_row(self) -> None:
        """Say that a row ends with the line that was given last; a quoted value goes over many."""
        self._row_length = 0


def _collect_fields(
    value: list[Any] | tuple[tuple[str, Any], ...], path: tuple[str, ...], fields: set[tuple[str, ...]]
) -> None:
    """Add the path of every named value to the others, objects being tuples of pairs.

    Args:
        value: A list, or an object.
        path: Where it is.
        fields: What is added to.

    Raises:
        RecursionError: It is nested too deep.
    """
    if len(path) == MAX_DEPTH:
        raise RecursionError
    for name, inner in value if isinstance(value, tuple) else (("", inner) for inner in value):
        if isinstance(value, tuple):
            fields.add((*path, name))
        if isinstance(inner, list | tuple):
            _collect_fields(inner, (*path, name), fields)


def _check_width(num_columns: int, where: str) -> None:
    if num_columns > MAX_COLUMNS:
        raise ValueError(f"{where} has {num_columns} columns, more than {MAX_COLUMNS}")


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
