"""What the fields of a configuration may hold, beside the merge schedule: words for what no model can be built of."""

import math
from numbers import Real
from typing import Any

from transformers.activations import ACT2FN

_COUNTS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob")
_DTYPES = ("float32", "float16", "bfloat16", "float64")


def check_labels(id2label: Any, num_labels: Any = 1) -> None:
    """Refuse labels without a name for each id, before transformers makes names by the million or an answer lacks one.

    Args:
        id2label: what stands in the field of that name; None if nothing does.
        num_labels: what stands in the field of that name.

    Raises:
        ValueError: if it is no dictionary from 0, 1, 2, ... to text, or the number is none.
    """
    if not _is_count(num_labels):
        raise ValueError(
            f"`num_labels` must be an int of at least 1, got {num_labels!r}. Leave it out beside `id2label`, which tells it."
        )
    if id2label is None:
        return
    how = 'Write them as {"0": "dog", "1": "rain"}.'
    if not isinstance(id2label, dict):
        raise ValueError(f"`id2label` must be a dictionary of names, got a {type(id2label).__name__}. {how}")
    expected = {str(index) for index in range(len(id2label))}
    for key, label in id2label.items():
        if str(key) not in expected:
            raise ValueError(
                f"`id2label` must name the labels from 0 to {len(id2label) - 1}, got the id {key!r} among {len(id2label)}. {how}"
            )
        if not isinstance(label, str):
            raise ValueError(f"`id2label` must hold names as text, got {label!r} for {key}. {how}")


def labels_as_text(field: str, value: Any) -> Any:
    """Give names of labels that are numbers as text: a program that counts its classes may write them so.

    Args:
        field: name of any field.
        value: what it holds.

    Returns:
        The value; of `id2label` and `label2id` with such names as text.

    Example:
    ```python
    >>> labels_as_text("id2label", {0: 7, 1: "rain"})
    {0: '7', 1: 'rain'}

    ```
    """
    if field == "id2label" and isinstance(value, dict):
        return {index: _number_as_text(label) for index, label in value.items()}
    if field == "label2id" and isinstance(value, dict):
        return {_number_as_text(label): index for label, index in value.items()}
    return value


def without_replaced_labels(config_dict: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a file says of labels where keywords name others, or tell another number of them.

    Args:
        config_dict: what is in the file.
        given: the keywords.

    Returns:
        What they leave of it.
    """
    names = config_dict.get("id2label")
    if given.get("id2label") is not None:
        replaced: tuple[str, ...] = ("id2label", "num_labels")
    elif "num_labels" in given and isinstance(names, dict) and len(names) != given["num_labels"]:
        replaced = ("id2label", "label2id")
    else:
        return config_dict
    return {name: value for name, value in config_dict.items() if name not in replaced}


def check_dtype(dtype: Any) -> None:
    """Refuse the name of anything but a type of floats, of which transformers would take any name that torch has.

    Args:
        dtype: what stands in the field of that name; what is no text is transformers' to judge.

    Raises:
        ValueError: if it names another thing.
    """
    if isinstance(dtype, str) and dtype not in _DTYPES:
        raise ValueError(
            f"`dtype` must be one of {', '.join(_DTYPES)} in a configuration, got {dtype!r}. Remove it, and give `dtype` when "
            "you load the model."
        )


def check_patch_grid(config: Any) -> None:
    """Refuse patches and spectrograms that no grid can be made of.

    Args:
        config: has `patch_size`, the strides, `max_length` and `num_mel_bins`.

    Raises:
        ValueError: if patches are not square, a step is none, or a spectrogram is smaller than a patch.
    """
    if not isinstance(config.patch_size, int):
        raise ValueError(
            f"`patch_size` must be one int, got {config.patch_size}. AST's patches are square: give their side."
        )
    _check_counts(config, ("patch_size", "frequency_stride", "time_stride"))
    for name in ("max_length", "num_mel_bins"):
        if (length := getattr(config, name)) < config.patch_size:
            raise ValueError(
                f"`{name}` must be at least `patch_size` = {config.patch_size}, got {length}. A smaller spectrogram holds "
                "no patch."
            )


def check_layers(config: Any) -> None:
    """Refuse layers that cannot be built, or that would give NaN alone.

    Args:
        config: has the sizes of the layers, their dropout, activation and epsilon.

    Raises:
        ValueError: naming the first field that is out of its range.
    """
    _check_counts(config, _COUNTS)
    for name in _DROPOUTS:
        if not 0 <= (share := getattr(config, name)) <= 1:
            raise ValueError(f"`{name}` must lie in [0, 1], got {share}. 0 drops nothing.")
    if not 0 <= config.layer_norm_eps < math.inf:
        raise ValueError(
            f"`layer_norm_eps` must be a finite number of at least 0, got {config.layer_norm_eps}. AST's is 1e-12."
        )
    if config.hidden_act not in ACT2FN:
        raise ValueError(
            f"`hidden_act` must be an activation that transformers has, got {config.hidden_act!r}. AST's is gelu."
        )


def _number_as_text(name: Any) -> Any:
    return str(name) if isinstance(name, Real) and not isinstance(name, bool) else name


def _is_count(number: Any) -> bool:
    """Tell a whole number from 1 on, numpy's and torch's included."""
    try:
        return not isinstance(number, bool) and bool(range(number))  # it has something in it
    except TypeError:
        return False


def _check_counts(config: Any, names: tuple[str, ...]) -> None:
    for name in names:
        if (count := getattr(config, name)) < 1:
            raise ValueError(
                f"`{name}` must be at least 1, got {count}. Give the number that the weights were trained with."
            )


__all__ = [
    "check_dtype",
    "check_labels",
    "check_layers",
    "check_patch_grid",
    "labels_as_text",
    "without_replaced_labels",
]
