"""Small files of a run, written so that nobody ever reads half of one."""

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fastast_hf.writing import naming


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file as `write_bytes` does.

    Args:
        path: the file; its folder is made if it is not there.
        content: what goes into it.

    Raises:
        OSError: if it cannot be written; it names the file.
        ValueError: if `path` is a folder.
    """
    write_bytes(path, f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file aside and rename it into its place. If that fails, nothing of it is left.

    Args:
        path: the file; its folder is made if it is not there.
        content: what goes into it.

    Raises:
        OSError: if it cannot be written; it names the file.
        ValueError: if `path` is a folder.
    """
    _check_is_no_folder(path, "output")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"_{path.name}.{os.getpid()}")
    try:
        with naming(path, aside=aside):
            aside.write_bytes(content)
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def check_output_path(path: Path, *, option: str = "output", in_place: bool = False) -> None:
    """Find out before the work whether what comes of it can be written. Nothing is made that stays.

    Args:
        path: the file; neither it nor its folder need be there.
        option: what its user calls it.
        in_place: whether a file that is there is opened itself, such as /dev/stdout, and not replaced by another one, which
            its folder must take.

    Raises:
        OSError: if no file can be made in its folder, or in the nearest one above that is there, or the one that is there
            cannot be opened.
        ValueError: if `path` is a folder.
    """
    _check_is_no_folder(path, option)
    is_opened = in_place and _is_there(path)
    place = path if is_opened else next(filter(_is_there, path.absolute().parents))
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            path.lstat()  # says that a name is too long
        if not is_opened:
            with tempfile.TemporaryFile(dir=place):
                pass
        elif not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise type(error)(
            f"`{option}` must be where a file can be written, got {path} ({error.strerror}: {place}). Give another place."
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file.

    Args:
        path: the file.

    Returns:
        Its content.
    """
    return json.loads(path.read_text(encoding="utf-8"))


def claim_folder(folder: Path, settings: dict[str, Any]) -> None:
    """Make a folder the place of one run, or find that it is the place of this very run already.

    Args:
        folder: the run's folder.
        settings: everything that decides the outcome of the run.

    Raises:
        ValueError: if the folder belongs to a run with other settings, or nobody can tell.
    """
    file = folder / "_settings.json"
    if not file.exists():
        write_json(file, settings)
        return
    try:
        before = read_json(file)
    except ValueError as error:  # no JSON, or no text
        raise ValueError(
            f"`output_dir` must be new or hold the same run, got {folder}, whose {file.name} cannot be read. If it is this very "
            "run, remove that file and start again; else choose another folder."
        ) from error
    differing = sorted(name for name in before | settings if before.get(name) != settings.get(name))
    if differing:
        name = differing[0]
        raise ValueError(
            f"`output_dir` must be new or hold the same run, got {folder}, whose run differs in {', '.join(differing)} "
            f"({name}: {before.get(name)!r} there, {settings.get(name)!r} now). Choose another folder, or remove this one."
        )


@contextmanager
def telling_what_stays(folder: Path) -> Iterator[None]:
    """Add to an error of the system, such as a full disk, what it means for a run. The words of others say it themselves.

    Args:
        folder: the run's folder.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, ValueError) and not hasattr(error, "__notes__"):
            error.add_note(
                f"The run in {folder} stopped{_why_not_written(folder)}, and what was saved before is still there. Mend what "
                "the message says and run the same command again: it goes on from the last checkpoint that is whole."
            )
        raise


def _why_not_written(folder: Path) -> str:
    """Say why a folder takes no file; nothing if it takes one."""
    place = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(2**20))
    except OSError as error:
        return f" because {place} cannot be written ({error.strerror})"
    return ""


def _check_is_no_folder(path: Path, option: str) -> None:
    if _is_there(path) and path.is_dir():
        raise ValueError(f"`{option}` must be a file, got the folder {path}. Give the name of a file in it.")


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # its name is too long, or it lies where nobody may look: whoever writes there is told
        return False
