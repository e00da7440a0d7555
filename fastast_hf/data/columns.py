"""Columns of a data set, before a value is read: a column of pictures or sounds opens what its rows name, here or on the net."""

from typing import Any

from datasets import ClassLabel, Dataset, LargeList, List, Value

FILE_NAME = "file_name"
"""The column with a clip's name: relative to the folder, as in its metadata, or as a data set calls the file inside."""


def check_column(dataset: Dataset, column: str, where: str) -> None:
    """Refuse a column that is not there.

    Args:
        dataset: What should have it.
        column: Its name.
        where: What to call the data set.

    Raises:
        ValueError: It is not there.
    """
    if column not in dataset.column_names:
        raise ValueError(
            f"`{column}` must be a column of {where}, got the columns {dataset.column_names}. "
            "Name the right column or add this one."
        )


def check_values(dataset: Dataset, column: str, where: str) -> None:
    """Refuse a column that holds something other than values, by what the data set declares; nothing is read.

    A table declares what its columns are, and `datasets` decodes a value when it is read: an `Image` opens the path or the
    address in its row, wherever that is.

    Args:
        dataset: What has the column.
        column: Its name.
        where: What to call the data set.

    Raises:
        ValueError: It is neither strings, numbers or classes, nor lists of them.
    """
    feature = dataset.features[column]
    element = feature.feature if isinstance(feature, List | LargeList) else feature
    if not isinstance(element, Value | ClassLabel):
        raise ValueError(
            f"`{column}` must hold strings, numbers, classes or lists of them in {where}, got {_kind_of(feature)}. Write all "
            "values as strings or all as numbers, or name another column."
        )


def _kind_of(feature: Any) -> str:
    """Name a type without its settings, which may be long."""
    if isinstance(feature, List | LargeList):
        return f"lists of {_kind_of(feature.feature)}"
    return "objects with fields" if isinstance(feature, dict) else f"the type {type(feature).__name__}"
