"""Which files of a folder are sounds."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

SOUND_SUFFIXES = frozenset(
    {
        ".aif",
        ".aifc",
        ".aiff",
        ".au",
        ".caf",
        ".flac",
        ".mp3",
        ".oga",
        ".ogg",
        ".opus",
        ".rf64",
        ".w64",
        ".wav",
        ".wave",
    }
)
"""What sound files are called that libsndfile decodes. A file that is named itself may have any name."""


def find_sound_files(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """Walk through files and folders, and find the sound files in them.

    Args:
        paths: Files, which are taken as they are, and folders, which are searched with all that is below them. One path
            or many.

    Yields:
        The files; those of a folder in the order of their names, without hidden ones, pipes and devices, and without
        following links to other folders. A folder that has no sound file or cannot be listed comes as itself.

    Example:
        >>> list(find_sound_files(["a.wav", "b.flac"]))
        [...Path('a.wav'), ...Path('b.flac')]
    """
    for path in map(Path, [paths] if isinstance(paths, str | os.PathLike) else paths):
        if not _is_folder(path):
            yield path
            continue
        files = _sound_files_below(path)
        yield next(files, path)
        yield from files


def _sound_files_below(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        yield folder  # whoever opens it is told why
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            if not entry.is_symlink():
                yield from _sound_files_below(entry)
        elif entry.suffix.lower() in SOUND_SUFFIXES and not _is_pipe_or_device(entry):
            yield entry  # a link to nothing too: whoever opens it is told


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # its name is too long, or it lies where nobody may look: whoever opens it is told
        return False


def _is_pipe_or_device(path: Path) -> bool:
    """Tell whether something is there that is no file. A folder is taken for one too."""
    try:
        return path.exists() and not path.is_file()
    except OSError:
        return False
