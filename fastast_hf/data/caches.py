"""Files in the cache of `datasets` that are not what was written, as after a crash of the machine: noticed, told, made again.

`datasets` writes aside and renames, so a process that is killed leaves no half of a file. A machine that loses its power may, and
pages of zeros in a file of the right length, which reads as if nothing had happened. So beside each file lies its SHA-256, which
a start compares at the speed of a disk.
"""

import hashlib
import json
import logging
import os
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, Features, config, load_dataset
from datasets.exceptions import DatasetGenerationError

logger = logging.getLogger(__name__)

UNREADABLE = (ValueError, OSError, StopIteration, RecursionError, DatasetGenerationError)
"""What `load_dataset` raises for a file that it cannot read, the source or its own copy; pyarrow's errors are among them."""


def load_or_reload(reader: str, **options: Any) -> Dataset:
    """Load a split with `datasets.load_dataset`; where that fails, load it once more without the copy in the cache.

    Args:
        reader: As `load_dataset` takes it.
        **options: As `load_dataset` takes them, `split` among them.

    Returns:
        The split.

    Raises:
        ValueError, OSError, StopIteration, RecursionError, DatasetGenerationError: The source itself cannot be read.
    """
    try:
        dataset = load_dataset(reader, **options)
        if len(dataset) > 0 and not _is_altered(dataset):  # a copy that is cut between two batches reads as fewer rows
            return with_digests(dataset)
    except UNREADABLE:
        _drop_broken_infos(reader, options.get("cache_dir"))
    dataset = load_dataset(reader, **options, download_mode="force_redownload")
    logger.warning(
        "The copy of %s in the cache could not be read, and was made again", options.get("data_files", reader)
    )
    return with_digests(dataset, anew=True)


def _drop_broken_infos(reader: str, cache_dir: Any) -> None:
    """Remove copies whose description cannot be read: `datasets` reads it even to replace the copy."""
    for info in Path(cache_dir or config.HF_DATASETS_CACHE).glob(f"{reader}/*/*/*/{config.DATASET_INFO_FILENAME}"):
        try:
            json.loads(info.read_bytes())
        except ValueError:  # no JSON, or no text
            shutil.rmtree(info.parent, ignore_errors=True)


def cast_or_recast(dataset: Dataset, features: Features) -> Dataset:
    """Cast columns; where what was cast before cannot be read back, cast them again.

    Args:
        dataset: What is cast.
        features: Of all its columns.

    Returns:
        The data set with these features.
    """
    try:
        found = dataset.cast(features)
        if len(found) == len(dataset) and not _is_altered(found):
            return with_digests(found)
    except (pa.ArrowInvalid, OSError):
        pass
    logger.warning("Columns in the cache cannot be read, and are cast again")
    return with_digests(dataset.cast(features, load_from_cache_file=False), anew=True)


def drop_broken_cache(dataset: Dataset, fingerprint: str) -> None:
    """Remove what `dataset.map` would read back and cannot, so that it computes it again.

    Args:
        dataset: What is mapped, to as many rows.
        fingerprint: `new_fingerprint` of the mapping.
    """
    # Private, and the one place that knows the name; `map` in several processes adds `_00000_of_00002` to it.
    whole = Path(dataset._get_cache_file_path(fingerprint))
    by_number: dict[str, list[Path]] = defaultdict(list)
    for path in whole.parent.glob(f"{whole.stem}*.arrow"):
        number = path.stem.rpartition("_of_")[2]
        if path == whole or number.isdecimal():
            by_number[number if path != whole else "1"].append(path)
    for number, paths in by_number.items():
        if not _are_whole(paths, len(dataset) if len(paths) == int(number) else None):
            logger.warning("%s in the cache cannot be read, and is computed again", whole)
            for path in paths:
                path.unlink()
                _digest_of(path).unlink(missing_ok=True)


def with_digests(dataset: Dataset, *, anew: bool = False) -> Dataset:
    """Write down what the files of a data set are, for the next start.

    Args:
        dataset: What was read or computed.
        anew: Also of files of which it was written down before, since they were made again.

    Returns:
        The same.
    """
    for path in _files_of(dataset):
        beside = _digest_of(path)
        if anew or not beside.exists():
            aside = beside.with_name(f"{beside.name}.{os.getpid()}")
            try:
                aside.write_text(_sha256(path))
                aside.replace(beside)
            except OSError:  # a cache that belongs to somebody else: what cannot be written down is not compared
                aside.unlink(missing_ok=True)
    return dataset


def _are_whole(paths: list[Path], num_rows: int | None) -> bool:
    """Tell whether files are what was written, can be read, and hold so many rows if it is known how many."""
    try:
        found = sum(len(Dataset.from_file(str(path))) for path in paths)
    except (pa.ArrowInvalid, OSError):
        return False
    return num_rows in (None, found) and not any(map(_differs, paths))


def _is_altered(dataset: Dataset) -> bool:
    """Tell whether a file of a data set is another one than what was written."""
    return any(map(_differs, _files_of(dataset)))


def _differs(path: Path) -> bool:
    """Compare a file with its digest; where there is none, as of earlier versions, nothing is known."""
    beside = _digest_of(path)
    return beside.exists() and beside.read_text(errors="replace") != _sha256(path)


def _files_of(dataset: Dataset) -> list[Path]:
    return [Path(file["filename"]) for file in dataset.cache_files]


def _digest_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
