"""What options of argparse take, for the examples: a value that no model takes is refused before one is loaded.

`fastast_hf.cli.options` says the same for typer.
"""

import argparse
import math
from collections.abc import Callable
from typing import TypeVar

from fastast_hf.cli.console import printable

N = TypeVar("N", int, float)


def read_merge_ratio(text: str) -> float:
    """Read the share of its tokens that a layer merges away.

    Args:
        text: As it was typed.

    Returns:
        0 to 0.5.

    Raises:
        argparse.ArgumentTypeError: It is another number, or none.

    Example:
        >>> read_merge_ratio("0.35")
        0.35
    """
    ratio = _number(text, float)
    if not 0 <= ratio <= 0.5:
        raise argparse.ArgumentTypeError(
            f"must be between 0 and 0.5, got {printable(text)}. A layer can merge at most half of its tokens."
        )
    return ratio


def read_seconds(text: str) -> float:
    """Read a duration.

    Args:
        text: As it was typed.

    Returns:
        Seconds above 0, finite.

    Raises:
        argparse.ArgumentTypeError: It is another number, or none.
    """
    return _seconds(text, "above 0", lambda duration: duration > 0)


def read_seconds_or_0(text: str) -> float:
    """Read a duration that may be nothing.

    Args:
        text: As it was typed.

    Returns:
        Seconds from 0, finite.

    Raises:
        argparse.ArgumentTypeError: It is another number, or none.
    """
    return _seconds(text, "at least 0", lambda duration: duration >= 0)


def whole_number_from(least: int) -> Callable[[str], int]:
    """Say what an option takes that counts something: a whole number from the least one.

    Args:
        least: The least.

    Returns:
        What argparse takes as a type. It raises an argparse.ArgumentTypeError for another number, or none.

    Example:
        >>> whole_number_from(1)("16")
        16
    """

    def read(text: str) -> int:
        count = _number(text, int)
        if count < least:
            raise argparse.ArgumentTypeError(
                f"must be at least {least}, got {printable(text)}. Leave it out for the default."
            )
        return count

    return read


def _seconds(text: str, wanted: str, is_long_enough: Callable[[float], bool]) -> float:
    duration = _number(text, float)
    if not (is_long_enough(duration) and duration < math.inf):
        raise argparse.ArgumentTypeError(f"must be {wanted}, got {printable(text)}. Give seconds of sound.")
    return duration


def _number(text: str, kind: Callable[[str], N]) -> N:
    try:
        return kind(text)
    except ValueError:
        name = "a whole number" if kind is int else "a number"
        raise argparse.ArgumentTypeError(f"must be {name}, got {printable(text)}. Write it with digits.") from None
