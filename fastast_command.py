"""The command `fastast`, before anything is loaded.

torch and transformers take seconds to import. Meanwhile a terminal shows that something goes on, and Ctrl-C ends the command
without a traceback. Both can only be outside of the package: whatever is in it, imports them first.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

EXIT_CODE_INTERRUPTED = 130  # as of a shell


def main() -> None:
    """Import the command line and run it with the arguments of this process; exit with its code."""
    try:
        # on a terminal alone, and gone when it is done
        with Console(stderr=True).status("Loading torch and transformers"), _without_garbage():
            from fastast_hf.cli import main as run
    except KeyboardInterrupt:
        sys.exit(EXIT_CODE_INTERRUPTED)
    run()


@contextmanager
def _without_garbage() -> Iterator[None]:
    """Look for no garbage among what a block imports, then and later: it stays, and looking takes a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
