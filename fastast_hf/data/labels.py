"""Labels of clips: from strings, numbers or lists of them to class ids, names and multi-hot rows.

One label a clip stands in a column of strings or numbers. Several labels a clip stand in a column of lists, or in a
string column that a delimiter cuts; a string is never cut without being asked to, since names such as
"Gunshot, gunfire" are common. Class names are sorted, numbers by value, unless the column is a `ClassLabel` that
brings its own order.

An empty name is none: "dog;" is dog alone. A string without a name is a label that someone forgot, and is refused; a
clip that has none of the classes on purpose has an empty list in a column of lists.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, LargeList, List


def label_names(dataset: Dataset) -> list[str]:
    """Return the classes of a part from `load_audio_dataset`, in the order of their ids."""
    return list(_element(dataset).names)


def problem_type(dataset: Dataset) -> str:
    """Return transformers' `problem_type`: single_label_classification or multi_label_classification."""
    return "multi_label_classification" if _is_list(dataset) else "single_label_classification"


def label_mappings(names: Sequence[str]) -> tuple[dict[int, str], dict[str, int]]:
    """Return `id2label` and `label2id` for a model configuration.

    >>> label_mappings(["cat", "dog"])
    ({0: 'cat', 1: 'dog'}, {'cat': 0, 'dog': 1})
    """
    return dict(enumerate(names)), {name: i for i, name in enumerate(names)}


def multi_hot(label_ids: Iterable[Sequence[int]], num_labels: int) -> np.ndarray:
    """Turn lists of class ids into rows of zeros and ones, float32 of shape (clips, num_labels).

    >>> multi_hot([[0, 2], []], 3).tolist()
    [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    return np.stack([np.isin(np.arange(num_labels), ids) for ids in label_ids]).astype(np.float32)


def encode_labels(parts: dict[str, Dataset], delimiter: str | None = None) -> dict[str, Dataset]:
    """Turn the `label` column of all parts into class ids over one list of names.

    Args:
        parts: Data sets by name, with the columns `audio` (undecoded) and `label`.
        delimiter: What stands between the labels of a clip in a string column; empty names between two delimiters or
            at the ends are dropped. Default: a clip has one label.

    Returns:
        The parts with `label` as `ClassLabel`, or as a list of it.

    Raises:
        ValueError: A clip has no label, or the parts have different classes.
    """
    labels = {name: _read_labels(part, delimiter) for name, part in parts.items()}
    elements = [_element(part) for part in parts.values()]
    if all(isinstance(element, ClassLabel) for element in elements):
        _check_same_classes(elements)
        return parts
    multi_label = delimiter is not None or any(_is_list(part) for part in parts.values())
    rows = chain.from_iterable(labels.values())
    names = sorted(set(chain.from_iterable(rows) if multi_label else rows))
    ids = {name: i for i, name in enumerate(names)}
    class_label = ClassLabel(names=[str(name) for name in names])
    feature = List(class_label) if multi_label else class_label

    def encode(label: Any) -> Any:
        return [ids[name] for name in label] if multi_label else ids[label]

    return {
        name: part.remove_columns("label").add_column("label", [encode(row) for row in labels[name]], feature=feature)
        for name, part in parts.items()
    }


def _is_list(dataset: Dataset) -> bool:
    return isinstance(dataset.features["label"], List | LargeList)


def _element(dataset: Dataset) -> Any:
    """Return the feature of one label, also where a clip has a list of them."""
    feature = dataset.features["label"]
    return feature.feature if _is_list(dataset) else feature


def _read_labels(dataset: Dataset, delimiter: str | None) -> list[Any]:
    """Return every clip's label, or its list of labels."""
    labels = dataset["label"][:]
    is_class_label = isinstance(dataset.features["label"], ClassLabel)
    if not is_class_label and not _is_list(dataset):
        labels = [_read_names(label, delimiter) for label in labels]
    # -1 is how `ClassLabel` writes the hidden labels of a test split.
    hidden = -1 if is_class_label else None
    missing = [row for row, label in enumerate(labels) if label is None or label == hidden]
    if missing:
        path = dataset[missing[0]]["audio"]["path"]  # None for a sound that the data set embeds
        raise ValueError(
            f"`label` must be set for every clip, got {len(missing)} of {len(labels)} without one, first in row "
            f"{missing[0]}{f' ({path!r})' if path else ''}. Label them or remove their rows."
        )
    return labels


def _read_names(label: Any, delimiter: str | None) -> Any:
    """Return a clip's label, or the list that a delimiter cuts it into; None where there is no name."""
    if label is None or not str(label).strip():
        return None
    if delimiter is None:
        return label
    return [name.strip() for name in str(label).split(delimiter) if name.strip()] or None


def _check_same_classes(elements: list[ClassLabel]) -> None:
    for element in elements[1:]:
        if element.names != elements[0].names:
            raise ValueError(
                f"`label` must have the same classes in both parts, got {elements[0].names} and {element.names}. "
                "Rename the classes of one part."
            )
