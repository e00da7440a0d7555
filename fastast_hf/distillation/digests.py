"""Digests beside the files that they are of: whether weights are still what was written, to the last byte.

A safetensors file knows its length and no more. What a crash of the machine or a bad disk leaves of one may have its length.
"""

import hashlib
import json
import os
from pathlib import Path

NAME = "_sha256.json"
"""The file with the digests. Like all that begins with `_` it is not pushed."""

_SUFFIXES = (".safetensors", ".pt", ".pth")


def write_digests(folder: Path) -> None:
    """Write down the SHA-256 of a folder's weights and states. The file is written aside and renamed.

    Args:
        folder: Of a model or a checkpoint.
    """
    digests = {path.name: _digest(path) for path in sorted(folder.iterdir()) if path.suffix in _SUFFIXES}
    aside = folder / f"{NAME}.{os.getpid()}"
    aside.write_text(json.dumps(digests, indent=2) + "\n")
    aside.replace(folder / NAME)


def find_altered(folder: Path) -> str | None:
    """Find a file that is not what was written.

    Args:
        folder: Of a model or a checkpoint.

    Returns:
        Its name; None if there is none, or nothing was written down, as by earlier versions. Which files must be there is
        not asked here.
    """
    file = folder / NAME
    if not file.exists():
        return None
    try:
        digests = json.loads(file.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError):
        return NAME
    there = {name: digest for name, digest in digests.items() if (folder / name).exists()}
    return next((name for name, digest in there.items() if _digest(folder / name) != digest), None)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
