"""A folder of sounds with a metadata file, read as a table with the full paths of the sounds."""

import glob
from pathlib import Path
from typing import Any

from datasets import Dataset
from datasets.exceptions import DatasetGenerationError
from datasets.fingerprint import Hasher

from fastast_hf.data.caches import UNREADABLE, load_or_reload
from fastast_hf.data.columns import FILE_NAME, check_column, check_values
from fastast_hf.data.metadata_checks import check_metadata
from fastast_hf.data.metadata_limits import TooMuchError
from fastast_hf.data.paths import check_inside

METADATA_READERS = {"metadata.csv": "csv", "metadata.jsonl": "json", "metadata.parquet": "parquet"}
"""Metadata files of an audiofolder, and the `datasets` builder that reads each."""

PATH = "_path"
"""The column with the full path of a clip."""

_ADVICE = {
    "csv": "Save it in UTF-8, with a row for each file below the column names.",
    "json": "Save it in UTF-8, with one JSON object for each file, each on a line of its own.",
    "parquet": "Copy it again if it was cut short, or write it with `Dataset.to_parquet` or pandas.",
}
"""What to do about a metadata file that its reader cannot read."""

_ADVICE_IF_TOO_MUCH = "Leave out what is no file name, label, fold or split, or make several folders of it."


def read_folder(folder: Path, cache_dir: Any = None) -> Dataset:
    """Read an audiofolder's metadata, with full paths in a column of their own.

    Not `load_dataset("audiofolder")`: it needs torchcodec even to store a path, and a class folder called "train" is a
    split to it, for which it drops all other folders (ESC-50 has such a class).

    Args:
        folder: Of sound files, with a metadata file.
        cache_dir: Where `datasets` keeps its files. Default: its own cache.

    Returns:
        The columns of the metadata, and `_path`.

    Raises:
        FileNotFoundError: The folder, its metadata file or a clip does not exist.
        ValueError: The metadata file cannot be read, has no row or no `file_name`, or names a file outside.
    """
    metadata = _find_metadata(folder)
    dataset = _read_table(metadata, cache_dir)
    check_column(dataset, FILE_NAME, str(metadata))
    check_values(dataset, FILE_NAME, str(metadata))
    if PATH in dataset.column_names:
        raise ValueError(
            f"`{PATH}` must be no column of {str(metadata)!r}, got the columns {dataset.column_names}. Rename it; the "
            "name is kept for the full paths of the clips."
        )
    names = dataset[FILE_NAME][:]
    if None in names:
        raise ValueError(
            f"`file_name` must be set for every clip, got none in row {names.index(None)} of {str(metadata)!r}. Fill it in."
        )
    check_inside(names, str(metadata))
    paths = [folder.absolute() / str(name) for name in names]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"`file_name` must name files in {str(folder)!r}, got {len(missing)} of {len(paths)} that do not exist, "
            f"first {missing[0]!r}. Copy them there or remove their rows from {metadata.name}."
        )
    stats = {str(path): path.stat() for path in [metadata.absolute(), *paths]}
    versions = [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()]
    return dataset.add_column(PATH, [str(path) for path in paths], new_fingerprint=Hasher.hash(versions))


def _find_metadata(folder: Path) -> Path:
    if not folder.is_dir():
        raise FileNotFoundError(f"`data_dir` must be an existing folder, got {str(folder)!r}. Check the path.")
    for name in METADATA_READERS:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"`data_dir` must hold a metadata file, got {str(folder)!r} without one. "
        "Write a metadata.csv with the columns file_name, label and fold or split."
    )


def _read_table(metadata: Path, cache_dir: Any) -> Dataset:
    # A class may be called "null" or "NA", which pandas would read as missing.
    options = {"keep_default_na": False, "na_values": [""]} if metadata.suffix == ".csv" else {}
    reader = METADATA_READERS[metadata.name]
    try:
        check_metadata(metadata, reader)
        # Escaped, since `datasets` takes paths for patterns.
        return load_or_reload(
            reader, data_files=glob.escape(str(metadata)), split="train", cache_dir=cache_dir, **options
        )
    except (*UNREADABLE, MemoryError, NotImplementedError) as error:  # the last, of types that pyarrow does not know
        if any(isinstance(cause, OSError) and cause.errno is not None for cause in (error, error.__cause__)):
            raise  # of the disk, such as one that is full, and not of what the file says
        if "corresponds to no data" in str(error) or isinstance(error, StopIteration):
            raise ValueError(
                f"`data_dir` must hold at least one clip, got {str(metadata)!r} without rows. Add a row for each file."
            ) from error
        # Our own words have all that their cause says.
        cause = (error.__cause__ or error) if isinstance(error, DatasetGenerationError) else error
        is_too_much = isinstance(cause, TooMuchError | MemoryError)
        reason = f"too little memory: {cause}" if isinstance(cause, MemoryError) else cause
        raise ValueError(
            f"`data_dir` must hold a metadata file that can be read, got {str(metadata)!r} ({reason}). "
            f"{_ADVICE_IF_TOO_MUCH if is_too_much else _ADVICE[reader]}"
        ) from error
