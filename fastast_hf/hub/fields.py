"""Fields of a results file, held to what a table needs: there, of the right type, a finite number, a share."""

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

_SEE = "See fastast_hf.hub.results for the fields."


def is_finite_number(value: object) -> bool:
    """Tell a finite number from anything else; JSON has integers that no float holds.

    Args:
        value: Anything.

    Returns:
        Whether it is one.

    Example:
        >>> is_finite_number(1.5), is_finite_number(float("inf")), is_finite_number(10**400), is_finite_number(True)
        (True, False, False, False)
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


Rule = tuple[str, Callable[[Any], bool]]
"""What a value must be, in words, and whether one is that."""

FINITE: Rule = "a finite number", is_finite_number
TEXT: Rule = "text", lambda value: isinstance(value, str)
COUNT: Rule = (
    "an integer of at least 1",
    lambda value: isinstance(value, int) and is_finite_number(value) and value >= 1,
)


def check_rule(path: str, value: object, rule: Rule) -> None:
    """Check that a value is what a rule says.

    Args:
        path: What a message calls it.
        value: Anything.
        rule: What it must be.

    Raises:
        ValueError: If it is not.
    """
    constraint, holds = rule
    if not holds(value):
        raise ValueError(f"`{path}` must be {constraint}, got {value!r}. {_SEE}")


def check_each(path: str, values: object, rule: Rule) -> None:
    """Check that a value is a list, and each of its elements what a rule says.

    Args:
        path: What a message calls the list.
        values: Anything.
        rule: What each element must be.

    Raises:
        ValueError: If it is no list, or naming the first element that does not fit.
    """
    if not isinstance(values, list):
        raise ValueError(f"`{path}` must be a list, got {values!r}. {_SEE}")
    for index, value in enumerate(values):
        check_rule(f"{path}[{index}]", value, rule)


def check_field(
    results: Mapping[str, Any], keys: str, expected: type, *, path: str | None = None, optional: bool = False
) -> None:
    """Check that dotted keys lead to a value of the expected type.

    Args:
        results: What holds it.
        keys: Names, one in the other, with dots between them.
        expected: The type.
        path: What a message calls the field. Default: the keys.
        optional: Whether it may be missing or null.

    Raises:
        ValueError: If it is missing or of another type.
    """
    value: Any = results
    path = path or keys
    for key in keys.split("."):
        if not isinstance(value, Mapping) or (key not in value and not optional):
            raise ValueError(f"`{path}` must be given, got nothing. {_SEE}")
        value = value.get(key)
    if optional and value is None:
        return
    if not isinstance(value, expected) or isinstance(value, bool):
        raise ValueError(f"`{path}` must be of type {expected.__name__}, got {value!r}. {_SEE}")


def check_numbers(path: str, values: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Check that the named values are there and are finite numbers.

    Args:
        path: What a message calls `values`.
        values: What holds them.
        names: The fields.

    Raises:
        ValueError: Naming the first that is missing or none.
    """
    for name in names:
        check_rule(f"{path}.{name}", values.get(name), FINITE)


def check_not_negative(path: str, values: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Check that the named numbers are at least 0.

    Args:
        path: What a message calls `values`.
        values: What holds them.
        names: The fields.

    Raises:
        ValueError: Naming the first that is less.
    """
    for name in names:
        if values[name] < 0:
            raise ValueError(
                f"`{path}.{name}` must be at least 0, got {values[name]}. Give what was counted or measured."
            )


def check_share(path: str, value: Any) -> None:
    """Check that a value is a number between 0 and 1.

    Args:
        path: What a message calls it.
        value: Anything.

    Raises:
        ValueError: If it is not.
    """
    if not is_finite_number(value) or not 0 <= value <= 1:
        raise ValueError(f"`{path}` must lie in [0, 1], got {value}. Give a share, not per cent.")
