"""Results as Parquet files of so many sound files each. A shard is whole or not there, and tells what it was made with."""

import json
import logging
import os
import socket
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fastast_hf.classification.results import Classification
from fastast_hf.writing import naming

logger = logging.getLogger(__name__)

SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "start": pa.float64(),
        "end": pa.float64(),
        "labels": pa.list_(pa.string()),
        "scores": pa.list_(pa.float32()),
        "is_truncated": pa.bool_(),
        "error": pa.string(),
    }
)
"""The columns: those of a Classification, its labels best first."""

_SETTINGS = b"fastast_hf.settings"
_PATTERN = "shard-*.parquet"


class Shards:
    """The shards of a run in their folder. Shard k holds the files from `k * shard_size` on, whoever writes it."""

    def __init__(self, folder: str | os.PathLike[str], settings: dict[str, Any], *, num_files: int, shard_size: int):
        """Look at no file yet.

        Args:
            folder: Where the shards are. It need not be there.
            settings: All that decides the results, as JSON knows it. Each shard carries it.
            num_files: Sound files of the run.
            shard_size: Files of a shard; the last one may have fewer.
        """
        self.folder = Path(folder)
        self.settings = settings
        self.num_files = num_files
        self.shard_size = shard_size
        self._finished: dict[int, int] = {}  # files by shard
        self._told: set[Path] = set()  # that they are not whole

    def __len__(self) -> int:
        """Count the shards of the whole run."""
        return -(-self.num_files // self.shard_size)

    def path(self, number: int) -> Path:
        """Name a shard as `datasets` does, so that its name tells whether others are missing."""
        return self.folder / f"shard-{number:05}-of-{len(self):05}.parquet"

    def files_of(self, number: int) -> range:
        """Tell which files of the run a shard holds."""
        return range(number * self.shard_size, min((number + 1) * self.shard_size, self.num_files))

    @property
    def num_files_finished(self) -> int:
        """Files in the shards that `finished` and `write` have seen."""
        return sum(self._finished.values())

    def check_folder(self) -> None:
        """Hold all shards that are there to the settings, and make the folder if there is something to write.

        Raises:
            OSError: If shards are missing, and none can be written.
            ValueError: If one was made with other settings.
        """
        for path in sorted(self.folder.glob(_PATTERN)):
            self._is_whole(path)
        if len(self.finished()) == len(self):
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise type(error)(
                f"`output_dir` must be where files can be written, got {self.folder} ({error.strerror}). Give another folder."
            ) from error

    def finished(self) -> set[int]:
        """Look which shards are there and whole. One that was cut short, as by a crash of the machine, is not.

        Returns:
            Their numbers.

        Raises:
            ValueError: If one was made with other settings.
        """
        for number in range(len(self)):
            if number not in self._finished and self._is_whole(self.path(number)):
                self._finished[number] = len(self.files_of(number))
        return set(self._finished)

    def write(self, number: int, results: Iterable[Classification]) -> None:
        """Write a shard aside and rename it into its place.

        Args:
            number: Of the shard.
            results: Of its files. Bytes of a name that are no text are written as escapes, since Parquet holds text.

        Raises:
            OSError: If it cannot be written.
        """
        table = pa.Table.from_pylist([_row(result) for result in results], schema=SCHEMA)
        table = table.replace_schema_metadata({_SETTINGS: json.dumps(self.settings)})
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(number)
        # What a process leaves that is killed here is called like no shard, and goes when the shard is there.
        aside = path.with_name(f"_{path.name}.{socket.gethostname()}.{os.getpid()}")
        try:
            with naming(path, aside=aside):
                pq.write_table(table, aside, write_page_checksum=True)
                aside.replace(path)
        except FileNotFoundError:  # another start was here first, and took it for such a left-over
            if not path.exists():
                raise
        finally:
            aside.unlink(missing_ok=True)
        for left_over in self.folder.glob(f"_{path.name}.*"):
            left_over.unlink(missing_ok=True)
        self._finished[number] = len(self.files_of(number))

    def _is_whole(self, path: Path) -> bool:
        """Tell whether a shard can be read, and refuse one of another run."""
        try:
            metadata = pq.read_table(path, page_checksum_verification=True).schema.metadata or {}
        except FileNotFoundError:
            return False
        except (pa.ArrowInvalid, OSError) as error:
            if path not in self._told:
                logger.warning("%s is not whole, and is made again: %s", path, error)
                self._told.add(path)
            return False
        before = json.loads(metadata.get(_SETTINGS, b"{}"))
        differing = [name for name in self.settings | before if before.get(name) != self.settings.get(name)]
        differing = [name for name in differing if name != "model"]  # a name, of which one model may have several
        if differing:
            name = differing[0]
            raise ValueError(
                f"`output_dir` must be new or hold the same run, got {self.folder}, whose run differs in "
                f"{', '.join(differing)} ({name}: {before.get(name)!r} there, {self.settings.get(name)!r} now). Choose "
                "another folder, or remove this one."
            )
        return True


def unreadable_files(folder: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
    """List what could not be read, in the memory of a shard.

    Args:
        folder: Of the shards.

    Yields:
        Path and error, in the order of the files.
    """
    for path in sorted(Path(folder).glob(_PATTERN)):
        table = pq.read_table(path, columns=["path", "error"], filters=pc.field("error").is_valid())
        for row in table.to_pylist():
            yield row["path"], row["error"]


def count_truncated(folder: str | os.PathLike[str]) -> int:
    """Count the files of which only the beginning was heard.

    Args:
        folder: Of the shards.

    Returns:
        Their number; with windows there are none.
    """
    tables = (pq.read_table(path, columns=["is_truncated"]) for path in Path(folder).glob(_PATTERN))
    return sum(pc.sum(table["is_truncated"]).as_py() or 0 for table in tables)


def _row(result: Classification) -> dict[str, Any]:
    return {
        "path": _text(result.path),
        "start": result.start,
        "end": result.end,
        "labels": [label for label, _ in result.labels],
        "scores": [score for _, score in result.labels],
        "is_truncated": result.is_truncated,
        "error": None if result.error is None else _text(result.error),
    }


def _text(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")
