"""Fields of a results file, held to what a table needs: there, of the right type, a finite number, a share."""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any


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


def check_field(results: Mapping[str, Any], keys: str, expected: type, *, path: str | None = None) -> None:
    """Check that dotted keys lead to a value of the expected type.

    Args:
        results: What holds it.
        keys: Names, one in the other, with dots between them.
        expected: The type.
        path: What a message calls the field. Default: the keys.

    Raises:
        ValueError: If it is missing or of another type.
    """
    value: Any = results
    path = path or keys
    for key in keys.split("."):
        if not isinstance(value, Mapping) or key not in value:
            raise ValueError(f"`{path}` must be given, got nothing. See fastast_hf.hub.results for the fields.")
        value = value[key]
    if not isinstance(value, expected) or isinstance(value, bool):
        raise ValueError(
            f"`{path}` must be of type {expected.__name__}, got {value!r}. See fastast_hf.hub.results for the fields."
        )


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
        value = values.get(name)
        if not is_finite_number(value):
            raise ValueError(
                f"`{path}.{name}` must be a finite number, got {value!r}. Leave out what was not measured."
            )


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
            raise ValueError(f"`{path}.{name}` must be at least 0, got {values[name]}. Give what was counted.")


def check_share(path: str, value: float) -> None:
    """Check that a number lies between 0 and 1.

    Args:
        path: What a message calls it.
        value: The number.

    Raises:
        ValueError: If it does not.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"`{path}` must lie in [0, 1], got {value}. Give a share, not per cent.")
