"""Columns are looked at before they are read."""

import re

import pytest
from datasets import ClassLabel, Dataset, Features, Image, LargeList, List, Value
from datasets import Json as JsonText

from fastast_hf.data.columns import check_column, check_values


def table_of(feature):
    return Dataset.from_dict({"label": []}, Features({"label": feature}))


@pytest.mark.parametrize(
    "feature",
    [
        Value("string"),
        Value("int64"),
        ClassLabel(names=["dog"]),
        List(Value("string")),
        List(ClassLabel(names=["dog"])),
        LargeList(Value("float32")),
    ],
)
def test_values_are_taken(feature):
    check_values(table_of(feature), "label", "the data set")


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        (Image(), "the type Image"),
        (Image(decode=False), "the type Image"),
        (List(Image()), "lists of the type Image"),
        (List(List(Value("string"))), "lists of lists of the type Value"),
        ({"path": Value("string")}, "objects with fields"),
        (List({"path": Image()}), "lists of objects with fields"),
        (JsonText(), "the type Json"),
    ],
)
def test_what_may_open_a_file_is_refused(feature, words):
    message = (
        rf"`label` must hold strings, numbers, classes or lists of them in 'x', got {re.escape(words)}\. Write all"
    )
    with pytest.raises(ValueError, match=message):
        check_values(table_of(feature), "label", "'x'")


def test_a_column_that_is_not_there():
    table = table_of(Value("string"))
    check_column(table, "label", "'x'")
    with pytest.raises(ValueError, match=r"`fold` must be a column of 'x', got the columns \['label'\]\. Name"):
        check_column(table, "fold", "'x'")
