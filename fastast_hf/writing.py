"""Errors of the system while a file is written, such as a full disk: `write` does not say which file it was."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from safetensors import SafetensorError


@contextmanager
def naming(path: str | os.PathLike[str], *, aside: str | os.PathLike[str] | None = None) -> Iterator[None]:
    """Let an error of the system name what was being written while a block ran, if it does not name one file itself.

    Args:
        path: The file or folder, as its user calls it.
        aside: The file or folder that it is written into first, of which its user knows nothing.

    Raises:
        OSError: That of the block, with its `filename`; also in place of safetensors' own error for one of the system.
    """
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), os.fspath(path)) from error
    except OSError as error:
        named = [name for name in (error.filename, error.filename2) if name is not None]
        # Of a copy or a renaming it names two files, the one that is there first.
        if error.errno is not None and (len(named) != 1 or _is_in(named[0], aside)):
            error.filename = os.fspath(path)
            del error.filename2
        raise


def _is_in(name: object, place: str | os.PathLike[str] | None) -> bool:
    return place is not None and str(name).startswith(os.fspath(place))


__all__ = ["naming"]
