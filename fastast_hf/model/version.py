"""The version of this code, which travels with the weights, and what it works with."""

import re
from collections.abc import Collection, Set

from transformers.utils.versions import require_version

__version__ = "0.1.0"

# At the import of the files that transformers reads first, on a machine without the package too.
require_version(
    "transformers>=5.23", "FastAST needs it. Upgrade with `pip install --upgrade 'transformers>=5.23,<6'`."
)


FIELDS_OF_THE_FIRST_VERSION = {
    *("merge_ratio", "tokens_merged_per_layer", "proportional_attention", "fastast_version"),
}
"""What every version knows of a FastAST's configuration, beside AST's own fields."""

# What transformers and the Hub write into a config.json beside the fields.
_FIELDS_OF_ANY_CONFIG = {
    *("attn_implementation", "auto_map", "custom_pipelines", "model_type", "name_or_path", "num_labels"),
    *("output_attentions", "quantization_config", "return_dict", "torch_dtype", "use_return_dict"),
}


def unknown_fields(names: Collection[str], known: Set[str]) -> set[str]:
    """Give the fields of a configuration that this version does not know.

    Args:
        names: what is in its file.
        known: the fields of the class.

    Returns:
        Their names, but for those that are private or of any configuration.
    """
    return {name for name in names if not name.startswith("_")} - known - _FIELDS_OF_ANY_CONFIG


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
            f"`fastast_version` must be one that fastast_hf {__version__} reads, got {saved}{with_fields}. Install "
            "that version or a newer one, or run the model's own code: `trust_remote_code=True` where fastast_hf is "
            "not imported."
        )


def _numbers(version: str) -> tuple[int, int] | None:
    """Give the first two numbers of a version."""
    found = re.match(r"(\d+)\.(\d+)", version) if isinstance(version, str) else None
    return (int(found[1]), int(found[2])) if found else None


__all__ = ["FIELDS_OF_THE_FIRST_VERSION", "__version__", "check_saved_version", "unknown_fields"]
