"""The version of this code, which travels with the weights, and what it works with."""

import re
from collections.abc import Collection

from transformers.utils.versions import require_version

__version__ = "0.1.0"

# At the import of the files that transformers reads first, on a machine without the package too.
require_version(
    "transformers>=5.23", "FastAST needs it. Upgrade with `pip install --upgrade 'transformers>=5.23,<6'`."
)


def check_saved_version(saved: str | None, unknown_fields: Collection[str]) -> None:
    """Refuse a configuration of a newer version that this one would read wrongly.

    A field that came after the first version is saved only where it differs from its default. So a field that this code has
    never heard of changes what the model computes; without one, a newer minor version's model is computed as before.

    Args:
        saved: version that wrote the configuration, such as "0.2.0"; None if it is not recorded.
        unknown_fields: names in the configuration that this version does not know.

    Raises:
        ValueError: if the version is none, or is newer in its first number, or is newer and there are unknown fields.

    Example:
    ```python
    >>> check_saved_version("0.99.0", unknown_fields=[])

    ```
    """
    if saved is None:
        return
    this, other = _numbers(__version__), _numbers(saved)
    if other is None:
        raise ValueError(
            f"`fastast_version` must be a version such as {__version__}, got {saved!r}. Remove it from config.json."
        )
    assert this is not None
    if other[0] > this[0] or (other > this and unknown_fields):
        names = ", ".join(f"`{name}`" for name in sorted(unknown_fields))
        with_fields = f" with {names}, which it does not know" if names else ""
        raise ValueError(
            f"`fastast_version` must be one that fastast_hf {__version__} reads, got {saved}{with_fields}. Upgrade with "
            "`pip install --upgrade fastast_hf`, or run the model's own code: `trust_remote_code=True` where fastast_hf is "
            "not imported."
        )


def _numbers(version: str) -> tuple[int, int] | None:
    """Give the first two numbers of a version."""
    found = re.match(r"(\d+)\.(\d+)", version) if isinstance(version, str) else None
    return (int(found[1]), int(found[2])) if found else None


__all__ = ["__version__", "check_saved_version"]
