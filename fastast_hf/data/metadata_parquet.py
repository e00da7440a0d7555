"""Parquet before a reader gets it: its footer says how much most columns are, and texts are measured without unpacking them.

A footer is believed in what it counts: of a list, pyarrow reads more than that if a page has more.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Features

from fastast_hf.data.metadata_limits import MAX_BYTES, MAX_ROW, MAX_ROWS, TooMuchError, check_width

_MAGIC_NUMBER = b"PAR1"

_BATCH = 2**14
"""Rows that are read at once where a text that many have is read once."""

_SMALL_BATCH = 2**8
"""Rows that are read at once where it is read as often as they have it."""

_MAX_UNPACKED = 2**28
"""Bytes of a small batch, at most, where a row has one text."""

_OPEN_ENCODINGS = {"PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "RLE", "BIT_PACKED"}
"""Encodings that write all texts in full. The last two are of what says which rows have one."""

_WIDTHS = {"INT64": 8, "INT96": 12, "DOUBLE": 8}
"""Bytes of a value; 4 of the others, with what says whether it is there, or where its text begins."""

_MAX_DECIMAL = 32
"""Bytes of a decimal number, however it is written."""


def check_parquet(path: Path) -> None:
    """Refuse Parquet that would take too much memory or time, or that `datasets` does not know.

    Args:
        path: Of the file.

    Raises:
        ValueError: With the reason alone; `TooMuchError` if less of it could be read.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC_NUMBER)) != _MAGIC_NUMBER:
            raise ValueError("it does not begin as Parquet does, with PAR1")
    footer = pq.read_metadata(path)
    check_width(footer.num_columns, "it")
    if footer.num_rows > MAX_ROWS:
        raise TooMuchError(f"it has {footer.num_rows} rows, more than {MAX_ROWS}")
    try:
        Features.from_arrow_schema(pq.read_schema(path))  # which may be any JSON that somebody put there
    except (AttributeError, LookupError, NotImplementedError, RecursionError, TypeError) as error:
        raise ValueError(f"`datasets` cannot tell its columns: {type(error).__name__}: {error}") from error
    widths = [_width_of(footer.schema.column(index)) for index in range(footer.num_columns)]
    num_bytes = num_packed = 0
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for index, width in enumerate(widths):
            chunk = group.column(index)
            num_bytes += max(chunk.num_values, 0) * width
            num_packed += max(chunk.total_uncompressed_size, 0)
    if max(num_bytes, num_packed) > MAX_BYTES:
        raise TooMuchError(f"it has {max(num_bytes, num_packed)} bytes when unpacked, more than {MAX_BYTES}")
    _check_texts(path, footer, num_bytes)


def _width_of(column: pq.ColumnSchema) -> int:
    if column.logical_type.type == "DECIMAL":
        return _MAX_DECIMAL
    return max(column.length, _WIDTHS.get(column.physical_type, 4))


def _check_texts(path: Path, footer: pq.FileMetaData, num_bytes: int) -> None:
    """Refuse texts that are long, alone or together with so many other bytes."""
    for column in chain.from_iterable(batch.columns for batch in _read_texts(path, footer)):
        for texts in _texts_in(column):
            is_shared = pa.types.is_dictionary(texts.type)
            lengths = pc.binary_length(texts.dictionary if is_shared else texts)
            longest = pc.max(lengths).as_py() or 0
            if longest > MAX_ROW:
                raise TooMuchError(f"it has a value of {longest} bytes, more than {MAX_ROW}")
            num_bytes += pc.sum(pc.take(lengths, texts.indices) if is_shared else lengths).as_py() or 0
        if num_bytes > MAX_BYTES:
            raise TooMuchError(f"it has more than {MAX_BYTES} bytes when unpacked")


def _read_texts(path: Path, footer: pq.FileMetaData) -> Iterator[pa.RecordBatch]:
    """Read a text that many rows have once, as the entry of a dictionary that it is; few rows at once where that cannot be.

    Nothing reads the encodings DELTA_... as a dictionary, and DELTA_BYTE_ARRAY leaves out of each text what the one before
    begins with.
    """
    schema = [footer.schema.column(index) for index in range(footer.num_columns)]
    texts = {index: column.path for index, column in enumerate(schema) if _is_text(column)}
    # Without extensions, since a column of JSON would be read with each text as often as rows have it.
    shared = pq.ParquetFile(path, read_dictionary=list(texts.values()), arrow_extensions_enabled=False)
    with shared, pq.ParquetFile(path) as plain:
        for number in range(footer.num_row_groups):
            chunks = {index: footer.row_group(number).column(index) for index in texts}
            unshared = [index for index, chunk in chunks.items() if any("DELTA" in name for name in chunk.encodings)]
            columns = [name for index, name in texts.items() if index not in unshared]
            yield from shared.iter_batches(_BATCH, row_groups=[number], columns=columns)
            for index in unshared:
                size = _rows_at_once(chunks[index], schema[index])
                yield from plain.iter_batches(size, row_groups=[number], columns=[texts[index]])


def _is_text(column: pq.ColumnSchema) -> bool:
    return column.physical_type == "BYTE_ARRAY" and column.logical_type.type != "DECIMAL"


def _rows_at_once(chunk: pq.ColumnChunkMetaData, column: pq.ColumnSchema) -> int:
    """How many rows to unpack, when a text may be as long as all that is written.

    Raises:
        ValueError: It has lists, of which one row may be too much.
    """
    num_bytes = max(chunk.total_uncompressed_size, 1)
    is_open = set(chunk.encodings) <= _OPEN_ENCODINGS
    if column.max_repetition_level > 0 and not is_open and chunk.num_values * num_bytes > MAX_BYTES:
        raise ValueError(f"it has lists of texts in `{column.path}` whose size its encodings hide: {chunk.encodings}")
    return max(min(_MAX_UNPACKED // num_bytes, _SMALL_BATCH), 1)


def _texts_in(column: pa.Array) -> Iterator[pa.Array]:
    """Find strings and bytes inside of lists and objects."""
    kind = column.type
    if isinstance(column, pa.ExtensionArray):
        yield from _texts_in(column.storage)
    elif pa.types.is_struct(kind):
        yield from chain.from_iterable(map(_texts_in, column.flatten()))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _texts_in(column.flatten())
    elif pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        yield column.cast(pa.large_binary())  # pyarrow does not tell the lengths of a view
    else:
        yield column


__all__ = ["check_parquet"]
