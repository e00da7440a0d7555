"""Teacher logits that are computed once and kept: a table by the names of the clips.

The table has the clip's name in `file_name` and a column for each of the teacher's labels, so it can be read and checked
anywhere, and its order of labels does not matter. A teacher that is stored has seen each clip once, as it is: it goes with
no augmentation.

    logits = compute_teacher_logits(teacher, features)
    save_teacher_logits(logits, "teacher.parquet")
    ...
    features = add_teacher_logits(features, load_teacher_logits("teacher.parquet"), student_labels)
    CMKDTrainer(student, arguments, train_dataset=features).train()
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import Column, Dataset, List, Value
from torch import nn

from fastast_hf.data.datasets import FILE_NAME
from fastast_hf.distillation.teacher_labels import label_names, list_some

TEACHER_LOGITS = "teacher_logits"
"""The column that CMKDTrainer reads: floats, one a label, in the student's order."""


def compute_teacher_logits(teacher: nn.Module, dataset: Dataset, *, batch_size: int = 32) -> Dataset:
    """Run a teacher over clips, once.

    Args:
        teacher: A model that takes `input_values` and returns `.logits`, with its label names in `config.id2label`. It runs
            where its weights are, in their dtype, and is left in evaluation mode.
        dataset: Columns `input_values`, a spectrogram a clip, and `file_name`, as `fastast_hf.data.extract_features` makes
            them.
        batch_size: Clips at a time.

    Returns:
        A row a clip: `file_name`, and the teacher's float32 logit of each label in a column of the label's name.

    Raises:
        ValueError: If there is no clip, or the clips or the teacher's labels have no names.
    """
    labels = label_names(teacher, "teacher")
    names = _clip_names(dataset, "dataset")
    _check_not_empty(dataset)
    weight = next(teacher.parameters())
    batches = dataset.select_columns("input_values").with_format("torch").iter(batch_size)
    teacher.eval()
    with torch.inference_mode():
        rows = [teacher(input_values=batch["input_values"].to(weight)).logits.float().cpu() for batch in batches]
    logits = torch.cat(rows).numpy()  # (N, C)
    return Dataset.from_dict({FILE_NAME: names, **dict(zip(labels, logits.T, strict=True))})


def save_teacher_logits(logits: Dataset, path: str | os.PathLike[str]) -> None:
    """Write logits into a Parquet file, aside, and rename it into its place.

    Args:
        logits: What `compute_teacher_logits` returned.
        path: The file; its folder must be there.

    Raises:
        OSError: If it cannot be written. Nothing of it is left then.
    """
    path = Path(path)
    aside = path.with_name(f"_{path.name}.{os.getpid()}")
    try:
        pq.write_table(logits.with_format("arrow")[:], aside, write_page_checksum=True)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def load_teacher_logits(path: str | os.PathLike[str]) -> Dataset:
    """Read what `save_teacher_logits` wrote.

    Args:
        path: The file.

    Returns:
        The table, in memory.

    Raises:
        FileNotFoundError: If it does not exist.
        ValueError: If it is not whole.
    """
    try:
        return Dataset(pq.read_table(path, page_checksum_verification=True))
    except FileNotFoundError:
        raise
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(
            f"`path` must be a whole Parquet file, got {os.fspath(path)} ({error}). Compute the logits again, with "
            "`compute_teacher_logits`."
        ) from error


def add_teacher_logits(dataset: Dataset, logits: Dataset, labels: Sequence[str]) -> Dataset:
    """Give each clip the logits that are stored under its name.

    Args:
        dataset: Clips or their features, with their names in `file_name`.
        logits: What `compute_teacher_logits` returned, or a table like it. It may hold other clips too.
        labels: The student's label names, in the order of its logits.

    Returns:
        `dataset` with the column `teacher_logits`, float32 of shape (labels,), in the order of `labels`.

    Raises:
        ValueError: If clips are missing, or their logits are not finite; the message names them. If the table has other
            labels, columns that are not numbers, or two rows of one name that differ. If `dataset` is empty or has the
            column already.
    """
    names = _clip_names(dataset, "dataset")
    _check_not_empty(dataset)
    if TEACHER_LOGITS in dataset.column_names:
        raise ValueError(
            f"`dataset` must have no column `{TEACHER_LOGITS}` yet, got the columns {dataset.column_names}. Remove it "
            "first, with `remove_columns`, if other logits are to take its place."
        )
    table = _label_columns(logits, labels)  # (N, C)
    rows = _rows_by_name(_clip_names(logits, "logits"), table)
    missing = sorted({name for name in names if name not in rows})
    if missing:
        raise ValueError(
            f"`logits` must hold every clip of `dataset`, got none for {list_some(missing)}, {len(missing)} of "
            f"{len(set(names))}. Compute them with `compute_teacher_logits`, or leave these clips out."
        )
    found = table[[rows[name] for name in names]]
    broken = sorted({name for name, row in zip(names, found, strict=True) if not np.isfinite(row).all()})
    if broken:
        raise ValueError(
            f"`logits` must be finite numbers, got missing, NaN or infinite ones for {list_some(broken)}. Compute them again, "
            "or leave these clips out."
        )
    return dataset.add_column(TEACHER_LOGITS, list(found), feature=List(Value("float32"), length=len(labels)))


def check_teacher_logits(dataset: Any, num_labels: int) -> None:
    """Refuse stored logits that no loss can be computed from, before anything is trained.

    Args:
        dataset: What gives `teacher_logits`. Only a column of a `datasets.Dataset` is read through; another kind of data
            set, or a transform that adds them, may cost as much to read as an epoch.
        num_labels: The student's.

    Raises:
        ValueError: If a clip has none, or not as many finite numbers as there are labels; the message names the clip.
    """
    if not isinstance(dataset, Dataset) or TEACHER_LOGITS not in dataset.column_names:
        return
    for row, logits in enumerate(_column(dataset, TEACHER_LOGITS)):
        if logits is None:
            fault = "none"
        elif np.shape(logits) != (num_labels,):
            fault = f"an array of shape {np.shape(logits)}"
        elif not np.isfinite(np.asarray(logits, dtype=np.float64)).all():
            fault = "missing, NaN or infinite ones"
        else:
            continue
        clip = repr(_column(dataset, FILE_NAME)[row]) if FILE_NAME in dataset.column_names else "the clip"
        raise ValueError(
            f"`{TEACHER_LOGITS}` must be {num_labels} finite numbers, one a label, got {fault} for {clip} in row {row}. "
            "Add them with `add_teacher_logits`, which looks them up by the clip's name."
        )


def _clip_names(dataset: Dataset, argument: str) -> list[str]:
    if FILE_NAME not in dataset.column_names:
        raise ValueError(
            f"`{argument}` must name its clips in a column `{FILE_NAME}`, got the columns {dataset.column_names}. Add it; "
            "every clip needs a name of its own."
        )
    names = _column(dataset, FILE_NAME)[:]
    if None in names:
        raise ValueError(
            f"`{FILE_NAME}` must be set for every clip, got none in row {names.index(None)} of `{argument}`. Fill it in."
        )
    return [str(name) for name in names]


def _check_not_empty(dataset: Dataset) -> None:
    if len(dataset) == 0:
        raise ValueError("`dataset` must hold at least one clip, got none. Choose another part of the data.")


def _column(dataset: Dataset, name: str) -> Column:
    """Look at a column as it is stored, whatever format or transform is set, without reading the others."""
    return dataset.select_columns(name).with_format(None)[name]


def _label_columns(logits: Dataset, labels: Sequence[str]) -> np.ndarray:
    """Read the logits (N, C) in the order of the labels."""
    columns = set(logits.column_names) - {FILE_NAME}
    if columns != set(labels):
        raise ValueError(
            f"`logits` must have a column for each of the student's labels, got a table that lacks "
            f"{list_some(sorted(set(labels) - columns))} and adds {list_some(sorted(columns - set(labels)))}. Compute them "
            "with a teacher of the student's labels, or rename the columns."
        )
    for label in labels:
        feature = logits.features[label]
        if not _holds_numbers(feature):
            raise ValueError(
                f"`logits` must have numbers in its columns, got {feature} in the column {label!r}. Cast it with "
                "`cast_column`, or compute the logits with `compute_teacher_logits`."
            )
    return np.stack([np.asarray(_column(logits, label)[:], dtype=np.float32) for label in labels], axis=1)


def _holds_numbers(feature: Any) -> bool:
    """Tell numbers from text, lists and class ids; a column of nothing is told later, by the names of its clips."""
    return isinstance(feature, Value) and (
        feature.dtype == "null" or pa.types.is_floating(feature.pa_type) or pa.types.is_integer(feature.pa_type)
    )


def _rows_by_name(names: Sequence[str], table: np.ndarray) -> dict[str, int]:
    """Index a table by its clips' names; a name twice must say the same twice."""
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        first = rows.setdefault(name, row)
        if not np.array_equal(table[first], table[row], equal_nan=True):
            raise ValueError(
                f"`logits` must have one row for each clip, got rows {first} and {row} for {name!r}, which differ. Give "
                "every clip a name of its own, or remove one."
            )
    return rows
