"""JSON files of a checkpoint: one that holds no JSON object is told by its name."""

from collections.abc import Callable
from typing import Any


def parse_object(file: str, path: Any, parse: Callable[[], tuple[Any, dict[str, Any]]]) -> tuple[Any, dict[str, Any]]:
    """Have transformers parse a file of settings, and say in words what it stumbles over.

    Args:
        file: the file's name.
        path: the checkpoint, a folder or a name on the Hub, for the message.
        parse: gives what is in the file, and keywords that are left.

    Returns:
        The settings and the keywords.

    Raises:
        OSError: transformers' own, if there is no such file or it is no JSON.
        ValueError: if it is no text, is nested too deeply, holds a number of thousands of digits, or anything but an object.

    Example:
    ```python
    >>> parse_object("config.json", "my-model", lambda: ({"hidden_size": 192}, {}))
    ({'hidden_size': 192}, {})

    ```
    """
    try:
        content, rest = parse()
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise _no_object(file, path, str(error).partition("\n")[0]) from error
    if not isinstance(content, dict):
        raise _no_object(file, path, f"a {type(content).__name__}")
    return content, rest


def _no_object(file: str, path: Any, reason: str) -> ValueError:
    return ValueError(
        f"`{file}` must be a JSON object of settings, got {path} with another one ({reason}). Copy or download it again."
    )


__all__ = ["parse_object"]
