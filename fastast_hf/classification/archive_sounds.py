"""What sounds an archive has: files of a folder or a list, or the rows of a data set, any of them by its number."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pyarrow.compute as pc
from datasets import Audio, Dataset, load_dataset

from fastast_hf.classification.files import SOUND_SUFFIXES, find_sound_files
from fastast_hf.data.paths import check_brought, check_card

_LETTERS_SHOWN = 80  # of a line that is no path, and may be a whole file


class ArchiveSounds(Protocol):
    """Sounds in an order that stays."""

    def __len__(self) -> int:
        """Count them."""

    def names(self) -> Iterator[str]:
        """Name all of them, in their order."""

    @contextmanager
    def opened(self, numbers: range) -> Iterator[tuple[Iterable[str], dict[str, str]]]:
        """Give some of them as files while a block runs: paths, and names of those paths that are not the name."""


class ListedSounds:
    """Sound files by their paths. The paths are held in memory, about 150 bytes each; the same one may come many times."""

    def __init__(self, paths: Iterable[str | os.PathLike[str]]) -> None:
        """Find them.

        Args:
            paths: Files, and folders, in place of which the sounds in them stand: see `find_sound_files`.
        """
        self._paths = [str(path) for path in find_sound_files(paths)]

    def __len__(self) -> int:
        return len(self._paths)

    def names(self) -> Iterator[str]:
        """Name all of them, in their order."""
        return iter(self._paths)

    @contextmanager
    def opened(self, numbers: range) -> Iterator[tuple[Iterable[str], dict[str, str]]]:
        """Give the paths as they are."""
        yield self._paths[numbers.start : numbers.stop], {}


class DatasetSounds:
    """The sounds of a data set, which may hold them as bytes: those become files, as many as are asked for at a time."""

    def __init__(self, dataset: Dataset, audio_column_name: str = "audio") -> None:
        """Choose the column.

        Args:
            dataset: A split. It is mapped into memory, not read.
            audio_column_name: Its column with the sounds.

        Raises:
            ValueError: If there is no such column.
        """
        if audio_column_name not in dataset.column_names:
            raise ValueError(
                f"`audio_column_name` must be a column of the data set, got {audio_column_name!r} of "
                f"{dataset.column_names}. Name the one with the sounds."
            )
        column = dataset.select_columns(audio_column_name)
        self._rows = column.cast_column(audio_column_name, Audio(decode=False))
        self._column = audio_column_name

    def __len__(self) -> int:
        return len(self._rows)

    def names(self) -> Iterator[str]:
        """Name all of them as the data set does, or else by their row."""
        start = 0
        for batch in self._rows.with_format("arrow").iter(1000):  # as Arrow, only the names are read
            names = pc.struct_field(batch[self._column], "path").to_pylist()
            yield from (name or f"row {start + index}" for index, name in enumerate(names))
            start += len(names)

    @contextmanager
    def opened(self, numbers: range) -> Iterator[tuple[Iterable[str], dict[str, str]]]:
        """Write the sounds that are bytes into files, each when its turn comes, and remove them at the end."""
        names: dict[str, str] = {}
        with TemporaryDirectory(prefix="fastast-") as folder:
            yield (self._file_of(number, Path(folder), names) for number in numbers), names

    def _file_of(self, number: int, folder: Path, names: dict[str, str]) -> str:
        sound: dict[str, Any] = self._rows[number][self._column] or {"bytes": None, "path": None}
        name = sound["path"] or f"row {number}"
        if sound["bytes"] is None and sound["path"]:
            return str(Path(name))  # as the results spell it
        suffix = Path(name).suffix.lower()
        path = folder / f"{number}{suffix if suffix in SOUND_SUFFIXES else ''}"
        if sound["bytes"] is not None:  # else whoever opens it is told that it is not there
            path.write_bytes(sound["bytes"])
        names[str(path)] = name
        return str(path)


def open_archive(
    sounds: str | os.PathLike[str] | None = None,
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    *,
    split: str = "train",
    audio_column_name: str = "audio",
    revision: str | None = None,
) -> ArchiveSounds:
    """Find the sounds of an archive.

    Args:
        sounds: A folder, a sound file, or a text file with a path a line, from the working folder on. The same line many
            times is the same sound many times.
        dataset_name: Instead of it, a data set on the Hub or on disk, as `datasets.load_dataset` takes it.
        dataset_config_name: Configuration of that data set.
        split: Split of that data set.
        audio_column_name: Its column with the sounds.
        revision: Its version on the Hub.

    Returns:
        The sounds.

    Raises:
        OSError: The list or the data set cannot be read.
        ValueError: There is no sound, not one source, the list is no text or names nothing that is there, or a data set of the
            Hub names files of this machine.
    """
    if (sounds is None) == (dataset_name is None):
        raise ValueError(
            f"Exactly one of `sounds` and `dataset_name` must be given, got {sounds!r} and {dataset_name!r}. Give a folder or "
            "a list of files, or the name of a data set."
        )
    if dataset_name is not None:
        if Path(dataset_name).is_dir():
            check_card(Path(dataset_name))
        try:
            dataset = load_dataset(dataset_name, dataset_config_name, split=split, revision=revision)
        except OSError as error:
            error.add_note(
                "`dataset_name` must be on the Hub, and there for you, or a folder. Look it up, or log in with `hf`."
            )
            raise
        found: ArchiveSounds = DatasetSounds(dataset, audio_column_name)
        if not Path(dataset_name).exists():  # what exists, `datasets` does not ask the Hub for
            raw = dataset.cast_column(audio_column_name, Audio(decode=False))
            check_brought(raw, dataset_name, audio_column_name=audio_column_name)
    else:
        found = ListedSounds(_listed(Path(str(sounds))))
    if len(found) == 0:
        raise ValueError(
            f"`sounds` must have at least one sound, got none in {sounds or dataset_name}. Give a folder of sound files, or a "
            "text file with a path a line."
        )
    return found


def digest_of_names(sounds: ArchiveSounds) -> str:
    """Make a few letters of all names and their order, so that two processes or two starts can tell whether they agree.

    Args:
        sounds: An archive.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name in sounds.names():
        digest.update(os.fsencode(name) + b"\0")
    return digest.hexdigest()[:16]


def _listed(path: Path) -> list[str]:
    if path.is_dir():
        return [str(path)] if next(find_sound_files(path)) != path else []
    if path.suffix.lower() in SOUND_SUFFIXES:
        return [str(path)]
    if not path.exists():
        raise FileNotFoundError(
            f"`sounds` must be a folder, a sound file, or a text file with a path a line, got {path}, which is not there. "
            "Look for the right path."
        )
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        lines = [_path_of(line, path) for line in file if line.strip()]
    if lines and not any(map(_exists, lines)):  # else a page of prose would be an archive of which nothing can be read
        first = lines[0] if len(lines[0]) <= _LETTERS_SHOWN else f"{lines[0][:_LETTERS_SHOWN]}..."
        raise ValueError(
            f"`sounds` must be a folder, a sound file, or a text file with a path a line, got {path}, of whose lines none is a "
            f"path that is there; the first one is {first!r}. Look from which folder on its paths count: it must be the "
            "working folder."
        )
    return lines


def _exists(line: str) -> bool:
    try:
        return Path(line).exists()
    except OSError:  # such as one that is too long for a name
        return False


def _path_of(line: str, path: Path) -> str:
    if "\0" in line:  # which no path has: this is a model, say, or text in UTF-16
        raise ValueError(
            f"`sounds` must be a folder, a sound file, or a text file with a path a line, got {path}, which has bytes that no "
            "text has. Give a folder of sound files, or a text file with a path a line."
        )
    return line.rstrip("\n")
