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
        if not path.is_dir():
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
        if entry.is_dir():
            if not entry.is_symlink():
                yield from _sound_files_below(entry)
        elif entry.suffix.lower() in SOUND_SUFFIXES and (entry.is_file() or not entry.exists()):
            yield entry  # a link to nothing too: whoever opens it is told
