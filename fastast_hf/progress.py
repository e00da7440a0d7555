"""Bars, the same in all rooms: what takes two seconds or less shows none, a file or pipe gets none, and none stays at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm.auto import tqdm
from transformers.utils import logging

SECONDS_WITHOUT_BAR = 2.0
_UNLESS_TERMINAL = None  # what tqdm's `disable` takes for it


def late_bar(*arguments: Any, **options: Any) -> Any:
    """Make a bar on stderr.

    Args:
        *arguments: What tqdm takes: a sequence to go through, or nothing.
        **options: See tqdm, such as `desc` and `total`.

    Returns:
        The bar, which shows itself on a terminal after two seconds and leaves nothing.
    """
    return tqdm(*arguments, delay=SECONDS_WITHOUT_BAR, leave=False, disable=_UNLESS_TERMINAL, **options)


@contextmanager
def late_bars() -> Iterator[None]:
    """Let the bars of transformers be such bars, while a block runs."""

    def make_late(make: Any, arguments: Any, options: Any) -> Any:
        disable = options.get("disable") or _UNLESS_TERMINAL
        return make(*arguments, **{**options, "delay": SECONDS_WITHOUT_BAR, "leave": False, "disable": disable})

    previous = logging.set_tqdm_hook(make_late)
    try:
        yield
    finally:
        logging.set_tqdm_hook(previous)


@contextmanager
def without_other_bars() -> Iterator[None]:
    """Keep the bars of transformers and of downloads back while a block runs that shows one itself: two would mix."""
    if not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


__all__ = ["SECONDS_WITHOUT_BAR", "late_bar", "late_bars", "without_other_bars"]
