"""The one way to labelled clips: a folder or a Hub data set becomes two parts, train and eval.

`fastast_hf.data.features` turns a part into what a Trainer reads. Both stand on Hugging Face `datasets`, whose cache
makes the second run fast. Its audiofolder loader is not used: it needs torchcodec even to store a path, and takes a class
folder named "train" for a split.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from datasets import Audio, Dataset, DatasetDict, Features, Value, concatenate_datasets, load_dataset
from datasets.exceptions import DatasetGenerationError

from fastast_hf.data.caches import cast_or_recast
from fastast_hf.data.columns import FILE_NAME, check_column, check_values
from fastast_hf.data.labels import encode_labels
from fastast_hf.data.metadata import PATH, read_folder
from fastast_hf.data.paths import check_brought, check_card


def load_audio_dataset(
    data_dir: str | os.PathLike[str] | None = None,
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    *,
    eval_fold: int | str | None = None,
    fold_column_name: str = "fold",
    split_column: str | None = None,
    train_split_name: str = "train",
    eval_split_name: str | None = None,
    audio_column_name: str = "audio",
    label_column_name: str = "label",
    label_delimiter: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
) -> DatasetDict:
    """Load labelled clips as a train and an eval part.

    The clips come from `data_dir`, a folder with metadata.csv (.jsonl, .parquet) whose `file_name` column holds paths
    relative to it, or from `dataset_name`, a data set on the Hub or on disk. Other files are opened only where a link in
    the folder leads to them, or a table on disk names them as its sounds. Labels come from the label column, never from folder names.
    The parts are the rows of `eval_fold` against all others, or the values of `split_column`, or else the splits of the
    data set itself. For the labels see `fastast_hf.data.labels`.

    Args:
        data_dir: Folder of sound files with a metadata file. It is only read.
        dataset_name: Data set on the Hub or on disk, as `datasets.load_dataset` takes it.
        dataset_config_name: Configuration of that data set.
        eval_fold: Value of the fold column that is evaluated; all other folds train.
        fold_column_name: Column with the folds.
        split_column: Column that names each clip's part, such as "split".
        train_split_name: The part that trains.
        eval_split_name: The part that evaluates. Default: the only other part.
        audio_column_name: Column with the sounds of a named data set; a folder always has them in `file_name`.
        label_column_name: Column with the labels.
        label_delimiter: What stands between the labels of a clip in a multi-label string column, such as ";".
        cache_dir: Where `datasets` keeps its files. Default: its own cache.
        revision: Version of the data set on the Hub.
        token: Token for a private data set.

    Returns:
        Parts "train" and "eval" with the columns `audio` (`Audio(decode=False)`), `label` (`ClassLabel`, or a list of it
        for multi-label data) and `file_name`, the clip's name as in the metadata; from a data set that does not name its
        sounds, without `file_name`. Both parts have the same classes.

    Raises:
        FileNotFoundError: The folder, its metadata file or a clip does not exist.
        ValueError: A column, fold, part or label is missing, a part is empty, a `file_name` leaves the folder, a data set
            of the Hub names files of this machine, one on disk has data files elsewhere, a column of labels, folds or parts
            holds something other than values, the metadata file is packed or too wide, long or deep to be one, or arguments
            contradict each other.
    """
    _check_arguments(data_dir, dataset_name, eval_fold, split_column)
    if data_dir is not None:
        audio_column_name = PATH  # whatever other columns there are, `audio` among them
        parts = {train_split_name: read_folder(Path(data_dir), cache_dir)}
    else:
        parts = _read_named(dataset_name, dataset_config_name, cache_dir=cache_dir, revision=revision, token=token)

    part_column = fold_column_name if eval_fold is not None else split_column
    if part_column is not None:
        parts = {"rows": concatenate_datasets(list(parts.values()))}
    else:
        parts = _choose_parts(parts, train_split_name, eval_split_name)

    parts = _keep_columns(parts, audio_column_name, label_column_name, part_column)
    if (
        dataset_name is not None and not Path(dataset_name).exists()
    ):  # what exists, `datasets` does not ask the Hub for
        for part in parts.values():
            check_brought(part, dataset_name, cache_dir=cache_dir)
    # Labels come before the selection of rows: a column added after it copies the sounds that a Hub data set embeds.
    parts = encode_labels(parts, label_delimiter)
    if eval_fold is not None:
        parts = _split_by_fold(parts["rows"], eval_fold, fold_column_name)
    elif split_column is not None:
        parts = _choose_parts(_group_by_value(parts["rows"], split_column), train_split_name, eval_split_name)

    for name, part in parts.items():
        if len(part) == 0:
            raise ValueError(f"The {name} part must hold at least one clip, got none. Choose another fold or split.")
    columns = ("audio", "label", FILE_NAME)
    return DatasetDict(
        {
            name: part.select_columns([column for column in columns if column in part.column_names])
            for name, part in parts.items()
        }
    )


# Reading


def _check_arguments(data_dir: Any, dataset_name: str | None, eval_fold: Any, split_column: str | None) -> None:
    if (data_dir is None) == (dataset_name is None):
        raise ValueError(
            f"Exactly one of `data_dir` and `dataset_name` must be given, got {data_dir!r} and {dataset_name!r}. "
            "Pass a folder with metadata.csv, or the name of a data set."
        )
    if eval_fold is not None and split_column is not None:
        raise ValueError(
            f"`eval_fold` and `split_column` must not be given together, got {eval_fold!r} and {split_column!r}. "
            "Keep the one that says which clips to evaluate on."
        )
    if data_dir is not None and eval_fold is None and split_column is None:
        raise ValueError(
            "`eval_fold` or `split_column` must be given with `data_dir`, got neither. "
            "Say which clips to evaluate on, for example eval_fold=1 or split_column='split'."
        )


def _read_named(name: str | None, config_name: str | None, **kwargs: Any) -> dict[str, Dataset]:
    if name is not None and Path(name).is_dir():
        check_card(Path(name))
    try:
        return dict(load_dataset(name, config_name, **kwargs))
    except (DatasetGenerationError, RecursionError) as error:
        if any(isinstance(cause, RecursionError) for cause in (error, error.__cause__)):
            raise ValueError(
                f"`dataset_name` must be a data set whose values are a few lists or objects deep, got {name!r}, which nests them "
                "too deep to be read. Do not use it, or write its tables flat."
            ) from error
        if "torchcodec" not in f"{error.__cause__}":
            raise
        raise ValueError(
            f"`dataset_name` must be a data set that `datasets` reads without torchcodec, got {name!r}, which holds "
            "loose sound files. Download it with `hf download --repo-type dataset` and pass the folder as `data_dir`."
        ) from error


def _keep_columns(
    parts: dict[str, Dataset], audio_column: str, label_column: str, part_column: str | None
) -> dict[str, Dataset]:
    """Reduce every part to `audio` without decoding, `label`, `file_name`, and the column that names the parts."""
    wanted = [audio_column, label_column] + ([part_column] if part_column else [])
    if audio_column == PATH:
        # As it was read: `datasets` fails to hand a part to other processes if it keeps no column of the file behind it.
        wanted.append(FILE_NAME)
    kept = {}
    for name, part in parts.items():
        for column in wanted:
            check_column(part, column, "the data set")
            if column != audio_column or column == label_column:  # the sounds are never decoded
                check_values(part, column, "the data set")
        part = part.cast_column(audio_column, Audio(decode=False)).select_columns(list(dict.fromkeys(wanted)))
        renames = {audio_column: "audio", label_column: "label"}
        part = part.rename_columns({old: new for old, new in renames.items() if old != new})
        kept[name] = _name_sounds(part)
    return kept


def _name_sounds(part: Dataset) -> Dataset:
    """Bring `file_name` to strings; make it of what a data set calls the sounds inside, where it names them all."""
    if FILE_NAME in part.column_names:
        if part.features[FILE_NAME] == Value("string"):
            return part
        features = part.features.copy() | {FILE_NAME: Value("string")}
        return cast_or_recast(part, Features(features))
    sounds = part.select_columns("audio").with_format("arrow")[:]["audio"]  # not read, only their names
    names = pc.struct_field(sounds, "path").to_pylist()
    return part if None in names else part.add_column(FILE_NAME, names)


# Parts


def _choose_parts(parts: dict[str, Dataset], train_split_name: str, eval_split_name: str | None) -> dict[str, Dataset]:
    """Pick the train and the eval part by name."""
    others = sorted(set(parts) - {train_split_name})
    if eval_split_name is None and len(others) != 1:
        raise ValueError(
            f"`eval_split_name` must be given unless there is one part besides {train_split_name!r}, got {others}. "
            "Name the part to evaluate on."
        )
    eval_split_name = eval_split_name if eval_split_name is not None else others[0]
    for argument, name in (("train_split_name", train_split_name), ("eval_split_name", eval_split_name)):
        if name not in parts:
            raise ValueError(
                f"`{argument}` must be one of the parts {sorted(parts)}, got {name!r}. Choose one of these."
            )
    return {"train": parts[train_split_name], "eval": parts[eval_split_name]}


def _split_by_fold(dataset: Dataset, eval_fold: int | str, fold_column: str) -> dict[str, Dataset]:
    """Put one fold into the eval part and all others into the train part."""
    folds = _group_by_value(dataset, fold_column)
    if str(eval_fold) not in folds:
        raise ValueError(
            f"`eval_fold` must be one of the folds {sorted(folds)}, got {eval_fold!r}. Choose one of these."
        )
    is_eval = np.array([str(fold) == str(eval_fold) for fold in dataset[fold_column]])
    return {"train": dataset.select(np.flatnonzero(~is_eval)), "eval": folds[str(eval_fold)]}


def _group_by_value(dataset: Dataset, column: str) -> dict[str, Dataset]:
    """Group the rows by the values of a column, as strings."""
    rows: dict[str, list[int]] = {}
    for row, value in enumerate(dataset[column]):
        if value is None:
            raise ValueError(f"`{column}` must be set for every clip, got none in row {row}. Fill it in.")
        rows.setdefault(str(value), []).append(row)
    return {value: dataset.select(indices) for value, indices in rows.items()}
