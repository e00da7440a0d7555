"""What a sound may be given as: a path, the bytes of a file, an open file, or what `datasets` has of one."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from fastast_hf.data.decoding import not_read

AudioSource = str | os.PathLike[str] | bytes | BinaryIO | Mapping[str, Any]
"""A path, the bytes of a sound file, an open binary file, or the dict `{"bytes", "path"}` of `Audio(decode=False)`."""


def path_of(source: AudioSource) -> Path | None:
    """Give the path that a sound is to be read from.

    Args:
        source: A sound.

    Returns:
        The path; None of one that is in memory, or open, already.
    """
    if isinstance(source, Mapping):
        source = source.get("path") if source.get("bytes") is None else None  # type: ignore[assignment]
    return Path(source) if isinstance(source, str | os.PathLike) else None


def is_file_with_bytes(path: Path) -> bool:
    """Tell what can be decoded where it lies from what there is more to say of.

    Args:
        path: Any path.

    Returns:
        Whether a file is there that is not empty.
    """
    try:
        return path.is_file() and path.stat().st_size > 0
    except (OSError, ValueError):  # a name that the system refuses, of which the reading tells
        return False


def read_source(source: AudioSource) -> tuple[bytes, str]:
    """Read a sound file.

    Args:
        source: A sound.

    Returns:
        Its bytes, and the name by which errors call it.

    Raises:
        FileNotFoundError: The path does not exist.
        OSError: The path is a folder, or the file cannot be read.
        TypeError: `source` is none of the kinds above.
        ValueError: It is a device or a named pipe, or a dict without a sound.
    """
    if isinstance(source, Mapping):
        return _read_mapping(source)
    if isinstance(source, bytes):
        return source, f"<{len(source)} bytes>"
    if isinstance(source, str | os.PathLike):
        return _read_path(Path(source))
    data = source.read() if hasattr(source, "read") else None
    if isinstance(data, bytes):
        return data, repr(getattr(source, "name", source))
    raise TypeError(
        "`source` must be a path, bytes, a binary file or a {'bytes', 'path'} dict, "
        f"got {type(source).__name__}. Waveforms that are arrays already need no decoding, only `resample`."
    )


def _read_mapping(source: Mapping[str, Any]) -> tuple[bytes, str]:
    data, path = source.get("bytes"), source.get("path")
    if data is not None:
        return data, repr(path) if path else f"<{len(data)} bytes>"
    if path is not None:
        return _read_path(Path(path))
    raise ValueError(
        f"`source` must hold 'bytes' or a 'path', got a dict with the keys {sorted(source)}. "
        "Cast the column to `datasets.Audio(decode=False)`."
    )


def _read_path(path: Path) -> tuple[bytes, str]:
    name = repr(str(path))
    if path.is_dir():
        raise IsADirectoryError(f"`source` must be a sound file, got the folder {name}. Pass one file of it.")
    if path.is_char_device() or path.is_block_device():
        raise ValueError(
            f"`source` must be a sound file, got the device {name}, which may never end. Record it into a file first."
        )
    # A shell's own, such as <(ffmpeg ...), leads to no place in the file system.
    if Path(os.path.realpath(path)).is_fifo():
        raise ValueError(
            f"`source` must be a sound file, got the named pipe {name}, which waits until somebody writes. Record it into a file "
            "first."
        )
    try:
        return path.read_bytes(), name
    except FileNotFoundError as error:
        raise FileNotFoundError(f"`source` must be an existing sound file, got {name}. Check the path.") from error
    except OSError as error:
        raise not_read(error, name) from error
