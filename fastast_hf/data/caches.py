"""Files in the cache of `datasets` that were cut short, as by a crash of the machine: noticed, told, and made again.

`datasets` writes aside and renames, so a process that is killed leaves no half of a file. A machine that loses its power may.
"""

import json
import logging
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, Features, config, load_dataset
from datasets.exceptions import DatasetGenerationError

logger = logging.getLogger(__name__)

UNREADABLE = (ValueError, OSError, StopIteration, DatasetGenerationError)
"""What `load_dataset` raises for a file that it cannot read, the source or its own copy; pyarrow's errors are among them."""


def load_or_reload(reader: str, **options: Any) -> Dataset:
    """Load a split with `datasets.load_dataset`; where that fails, load it once more without the copy in the cache.

    Args:
        reader: As `load_dataset` takes it.
        **options: As `load_dataset` takes them, `split` among them.

    Returns:
        The split.

    Raises:
        ValueError, OSError, StopIteration, DatasetGenerationError: The source itself cannot be read.
    """
    try:
        dataset = load_dataset(reader, **options)
        if len(dataset) > 0:  # a copy that is cut between two batches reads as fewer rows
            return dataset
    except UNREADABLE:
        _drop_broken_infos(reader, options.get("cache_dir"))
    dataset = load_dataset(reader, **options, download_mode="force_redownload")
    logger.warning(
        "The copy of %s in the cache could not be read, and was made again", options.get("data_files", reader)
    )
    return dataset


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
        if len(found) == len(dataset):
            return found
    except (pa.ArrowInvalid, OSError):
        pass
    logger.warning("Columns in the cache cannot be read, and are cast again")
    return dataset.cast(features, load_from_cache_file=False)


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
        by_number[path.stem.rpartition("_of_")[2] if path != whole else "1"].append(path)
    for number, paths in by_number.items():
        if not _are_whole(paths, len(dataset) if len(paths) == int(number) else None):
            logger.warning("%s in the cache cannot be read, and is computed again", whole)
            for path in paths:
                path.unlink()


def _are_whole(paths: list[Path], num_rows: int | None) -> bool:
    """Tell whether files can be read, and hold so many rows if it is known how many."""
    try:
        found = sum(len(Dataset.from_file(str(path))) for path in paths)
    except (pa.ArrowInvalid, OSError):
        return False
    return num_rows in (None, found)
