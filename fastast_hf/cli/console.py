"""What all commands say: results on stdout, and all that is for a person alone on stderr."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import Progress
from rich.text import Text

from fastast_hf.hub.markdown import printable
from fastast_hf.progress import SECONDS_WITHOUT_BAR, without_other_bars
from fastast_hf.writing import naming

STDOUT = "stdout"
"""What an error calls it, where a file would have its name."""


def print_result(text: str) -> None:
    """Print what a command was asked for, to stdout.

    Args:
        text: As it stands.

    Raises:
        OSError: If stdout cannot take it, such as a file on a disk that is full.
    """
    with naming(STDOUT):
        print(text, flush=True)


def print_json(document: dict[str, Any], *, indent: int | None = None) -> None:
    """Print what a command was asked for as one JSON document.

    Args:
        document: What goes into it.
        indent: Spaces of a level; None for one line.

    Raises:
        OSError: See `print_result`.
    """
    print_result(json.dumps(document, indent=indent))


def print_error(error: Exception) -> None:
    """Print what went wrong, and what was noted beside it, such as what is not lost.

    Args:
        error: Of the system, or with a message for the user.
    """
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        message = f"{error.strerror}: {error.filename}"
    else:
        message = str(error) or type(error).__name__
    lines = "\n".join([message, *getattr(error, "__notes__", [])]).splitlines()
    print_note("\n".join(map(printable, lines)), title="Error", style="bold red")


def print_note(message: str, *, title: str = "Note", style: str = "bold yellow") -> None:
    """Print a message that is no result.

    Args:
        message: Printable text, taken as it stands.
        title: Printed before it.
        style: Of the title.
    """
    Console(stderr=True).print(Text.assemble((f"{title}: ", style), message), soft_wrap=True)


@contextmanager
def progress_bar(
    description: str, total: float | None, *, console: Console | None = None
) -> Iterator[Callable[[float], None]]:
    """Show a bar on stderr while a block runs, if that takes more than two seconds and a person looks on.

    Args:
        description: What goes on.
        total: What is there to do, in any unit; None if nobody knows.
        console: Where; stderr if not given.

    Yields:
        A function that takes what is done so far, of `total`.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield lambda completed: None
        return
    # Results go to stdout meanwhile: rich must not take them for its own.
    bar = _LateProgress(
        *Progress.get_default_columns(),
        console=console,
        transient=True,
        redirect_stdout=False,
    )
    task = bar.add_task(description, total=total)
    with without_other_bars(), bar:
        yield lambda completed: bar.update(task, completed=completed)


@contextmanager
def working(description: str, *, console: Console | None = None) -> Iterator[None]:
    """Show that a block runs, and for how long, where nobody can tell which share of it is done.

    Args:
        description: What goes on.
        console: Where; stderr if not given.
    """
    with progress_bar(description, None, console=console):
        yield


class _LateProgress(Progress):
    """A bar that waits before it shows itself."""

    def get_renderables(self) -> Iterable[RenderableType]:
        if any((task.elapsed or 0) >= SECONDS_WITHOUT_BAR for task in self.tasks):
            yield from super().get_renderables()
