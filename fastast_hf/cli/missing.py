"""What files got no label, or not for all of their sound: said alike by all programs that classify."""

from collections.abc import Iterable

from fastast_hf.cli.console import print_note, printable

EXIT_CODE_UNREADABLE = 3
"""Some files could not be read, and are listed."""


def print_truncated(count: int, num_files: int, *, advice: str = "give --window, in seconds") -> None:
    """Say that of some files only the beginning was heard, if there are any.

    Args:
        count: Such files.
        num_files: All files.
        advice: What helps.
    """
    if count:
        print_note(
            f"longer than the model hears at a time: {count} of {num_files} files. For labels of what follows there, {advice}."
        )


def print_unreadable(errors: Iterable[tuple[str, str]], num_files: int, *, goes_on: bool = False) -> bool:
    """List the files that could not be read, if there are any.

    Args:
        errors: Path and error of each.
        num_files: All files.
        goes_on: Whether the work has yet to be done, without them, so that the list is a note and no error.

    Returns:
        Whether there are any.
    """
    lines = [f"{printable(path)}: {printable(error)}" for path, error in errors]
    if lines:
        heading = f"could not be read: {len(lines)} of {num_files} files"
        kind = {"title": "Left out"} if goes_on else {"title": "Error", "style": "bold red"}
        print_note("\n  ".join([heading, *lines]), **kind)
    return bool(lines)
