"""How large a metadata file may be: far more than the sounds that a folder can hold need, and what a small machine bears."""

MAX_ROW = 2**20
"""Characters of a row, and bytes of a value of Parquet."""

MAX_COLUMNS = 4096
"""Columns, and fields inside of columns; `datasets` takes a quarter of a minute for so many."""

MAX_DEPTH = 16
"""Objects and lists inside each other. Some hundred end the stack of Python, some thousand that of pyarrow."""

MAX_EMPTY = 2**27
"""Cells that a table has and its file does not write, at up to 8 bytes each: of short rows, and of objects without a field."""

MAX_ROWS = 10**7
"""Rows of Parquet, which writes down once what many have: a few kilobytes may be billions. AudioSet has two million clips."""

MAX_BYTES = 2**30
"""Bytes of all columns of Parquet, in memory."""


class TooMuchError(ValueError):
    """A file is beyond a limit, and can be read when something is left out."""


def check_width(num_columns: int, where: str) -> None:
    """Refuse a table that is too wide.

    Args:
        num_columns: With the fields inside of columns.
        where: What has them.

    Raises:
        TooMuchError: They are more than `MAX_COLUMNS`.
    """
    if num_columns > MAX_COLUMNS:
        raise TooMuchError(f"{where} has {num_columns} columns, more than {MAX_COLUMNS}")


__all__ = ["MAX_BYTES", "MAX_COLUMNS", "MAX_DEPTH", "MAX_EMPTY", "MAX_ROW", "MAX_ROWS", "TooMuchError", "check_width"]
