"""How many files are done, counted from the results that come: a file has one, or one a window."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import soundfile

from fastast_hf.classification.results import Classification


def begins_file(result: Classification, previous: Classification | None) -> bool:
    """Tell whether a result is the first of its file. Windows of a file have growing times, so one begins where they do not.

    Args:
        result: Of `classify_files`.
        previous: The result before it, or None.

    Returns:
        Whether it is; also where the same file is given twice in a row.
    """
    return previous is None or result.path != previous.path or result.start <= previous.start


def counted(
    results: Iterable[Classification], tell: Callable[[float], object], *, in_windows: bool
) -> Iterator[Classification]:
    """Pass results on, and tell after each how many files are done.

    Args:
        results: What `classify_files` gives.
        tell: Takes the number of files; of a long one, the windows that are done count as a part.
        in_windows: Whether files have several results.

    Yields:
        The results.
    """
    files_done, seconds = -1, 0.0
    previous: Classification | None = None
    for result in results:
        if begins_file(result, previous):
            files_done += 1
            seconds = _seconds_of(result.path) if in_windows else 0.0
        previous = result
        yield result
        tell(files_done + (min(1.0, result.end / seconds) if seconds else 1))


def _seconds_of(path: str) -> float:
    """Read how long a file is; 0 if it does not tell."""
    try:
        return soundfile.info(path).duration if Path(path).is_file() else 0.0
    except (soundfile.SoundFileError, ValueError):  # soundfile opens no name that is not UTF-8
        return 0.0
