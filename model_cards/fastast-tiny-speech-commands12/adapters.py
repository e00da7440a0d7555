"""Adapters by PEFT, which transformers puts on by itself: plain LoRA with its weights beside it, and nothing else.

An adapter_config.json is of whoever made the folder. Other kinds of adapters and other fields have PEFT open pickles elsewhere,
import modules by name, decompose the model's weights, or match patterns that never end.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from transformers.integrations.peft import maybe_load_adapters
from transformers.utils import find_adapter_config_file, is_peft_available
from transformers.utils.hub import cached_file

from .json_files import parse_object

ADAPTER_WEIGHTS = "adapter_model.safetensors"
"""The one file of weights that an adapter may have."""

# PEFT reads names as patterns: of letters, digits, `_` and dots, each takes the time of its length, and every module of the
# model is compared with each of them.
_NAME = re.compile(r"\w{1,100}(\.\w{1,100}){0,20}", re.ASCII)
_MOST_NAMES = 250  # of each kind: as patterns, they find room together in the cache of `re`

# For orthogonal weights PEFT decomposes a matrix of rank x rank for each layer: seconds a layer at a rank in the thousands.
_HIGHEST_ORTHOGONAL_RANK = 256

# They describe, or belong to what is switched off; none is followed where transformers puts an adapter on. `auto_mapping` names
# a module: PEFT writes it for every model of this package, and only its own Auto classes import it.
_FREE = {
    *("auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision", "task_type"),
    *("megatron_core", "qalora_group_size", "use_rslora"),
}


def adapter_fields(path: Any, **download: Any) -> dict[str, Any] | None:
    """Read the adapter_config.json that transformers would follow, if it is one of plain LoRA with safetensors beside it.

    Args:
        path: a folder, or a name on the Hub.
        **download: `cache_dir`, `local_files_only`, `proxies`, `revision`, `subfolder`, `token`.

    Returns:
        What is in it; None if there is no adapter, or no PEFT to put it on.

    Raises:
        ValueError: if it is of another kind or no JSON, or the weights beside it are pickled or not there.
    """
    file = find_adapter_config_file(path, **download) if is_peft_available() else None
    if file is None:
        return None
    fields, _ = parse_object("adapter_config.json", path, lambda: (_read_json(file), {}))
    _check_plain_lora(fields, path)
    if cached_file(path, ADAPTER_WEIGHTS, _raise_exceptions_for_missing_entries=False, **download) is None:
        raise ValueError(
            f"`{ADAPTER_WEIGHTS}` must be in the adapter, got {path} without. Pickled weights such as adapter_model.bin are "
            "not opened, since a pickle can run code. Save it again with PEFT's `save_pretrained`, and name the new folder."
        )
    return fields


def path_of_base(path: Any, **download: Any) -> Any:
    """Find the model whose weights are loaded: the checkpoint itself, or of an adapter alone the one that it names.

    Args:
        path: see `adapter_fields`.
        **download: see `adapter_fields`.

    Returns:
        A folder, or a name on the Hub.

    Raises:
        ValueError: see `adapter_fields`; or if an adapter alone names no model.
    """
    fields = adapter_fields(path, **download)
    if fields is None:
        return path
    name = fields.get("base_model_name_or_path")
    try:
        base = maybe_load_adapters(path, download)[1]  # type: ignore[arg-type]  # transformers' own way
    except KeyError:
        base = None
    if base != path and not isinstance(base, str):
        raise ValueError(
            f"`base_model_name_or_path` must name the adapter's model, got {name!r} in {path}. Write its folder or its name on "
            "the Hub there."
        )
    return base


def check_ranks(fields: dict[str, Any], path: Any, highest: int, of_what: str) -> None:
    """Refuse an adapter of a higher rank than can be, before it takes all time and memory to build.

    `r` is free where `rank_pattern` has a rank for all of `target_modules`: PEFT builds nothing of it then.

    Args:
        fields: what `adapter_fields` gives.
        path: where it is.
        highest: the highest rank.
        of_what: what it is that of.

    Raises:
        ValueError: naming the field.
    """
    patterns = fields.get("rank_pattern") or {}
    ranks = [("rank_pattern", rank) for rank in patterns.values()]
    if not all(any(_covers(pattern, name) for pattern in patterns) for name in fields["target_modules"]):
        ranks.insert(0, ("r", fields["r"]))
    if fields.get("init_lora_weights") == "orthogonal" and highest > _HIGHEST_ORTHOGONAL_RANK:
        highest, of_what = _HIGHEST_ORTHOGONAL_RANK, "the highest of orthogonal weights"
    for field, rank in ranks:
        if rank > highest:
            raise ValueError(
                f"`{field}` must be at most {highest}, {of_what}, in an adapter_config.json, got {rank} in {path}. Copy or "
                "download the adapter again, both files from one place."
            )


def _covers(pattern: str, name: str) -> bool:
    """Tell whether the rank of a pattern holds for every layer that a name of `target_modules` finds; one with `^` finds one."""
    return name == pattern or name.endswith(f".{pattern}")


def _read_json(file: str) -> Any:
    with open(file, encoding="utf-8") as text:  # noqa: PTH123  # pathlib is not among what these files import
        return json.load(text)


def _check_plain_lora(fields: dict[str, Any], path: Any) -> None:
    """Refuse every field that makes it more than LoRA on layers that are named."""
    for field, value in ({"peft_type": None, "target_modules": None, "r": None} | fields).items():
        if field in _FREE:
            continue
        fits, wanted = _WANTED.get(field, (lambda value: not value, "off or left out"))
        if not fits(value):
            raise ValueError(
                f"`{field:.50}` must be {wanted} in an adapter_config.json, got {value!r:.100} in {path}. {_HOW_TO_MERGE}"
            )


def _are_names(value: object) -> bool:
    """Tell a list of plain names from a pattern."""
    return (
        isinstance(value, list)
        and len(value) <= _MOST_NAMES
        and all(isinstance(name, str) and _NAME.fullmatch(name) for name in value)
    )


def _are_layers(value: object) -> bool:
    layers = value if isinstance(value, list) else [value]
    return len(layers) <= _MOST_NAMES and all(_is_number(layer) for layer in layers)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**31  # no NaN is


def _is_rank(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _are_by_name(value: object, fits: Callable[[object], bool]) -> bool:
    """Tell numbers by plain names, which PEFT's own examples begin with `^`."""
    return (
        isinstance(value, dict)
        and _are_names([name.removeprefix("^") for name in value])
        and all(fits(number) for number in value.values())
    )


_PLAIN_NAMES = f"a list of at most {_MOST_NAMES} plain names of modules"

_WANTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "peft_type": (lambda value: value == "LORA", "LORA"),
    "bias": (lambda value: value in ("none", "all", "lora_only"), "none, all or lora_only"),
    "lora_bias": (lambda value: isinstance(value, bool), "true or false"),
    "init_lora_weights": (
        lambda value: isinstance(value, bool) or value in ("gaussian", "orthogonal"),
        "true, false, gaussian or orthogonal",
    ),
    "target_modules": (lambda value: value and _are_names(value), _PLAIN_NAMES),
    "exclude_modules": (lambda value: not value or _are_names(value), _PLAIN_NAMES),
    "modules_to_save": (lambda value: not value or _are_names(value), _PLAIN_NAMES),
    "layers_pattern": (lambda value: not value or _are_names([value]) or _are_names(value), _PLAIN_NAMES),
    "layers_to_transform": (lambda value: not value or _are_layers(value), f"at most {_MOST_NAMES} numbers of layers"),
    "r": (_is_rank, "a whole number from 1"),
    "lora_alpha": (_is_number, "a number"),
    "lora_dropout": (_is_number, "a number"),
    "rank_pattern": (lambda value: not value or _are_by_name(value, _is_rank), "ranks from 1 by plain names"),
    "alpha_pattern": (lambda value: not value or _are_by_name(value, _is_number), "numbers by plain names"),
}
"""Of the fields that PEFT follows: what they may hold, in code and in words. All others must be off."""

_HOW_TO_MERGE = (
    "More than plain LoRA on named layers is not opened, since it can lead to other files and code. If you trust it, merge it into its "
    "model once with PEFT's `merge_and_unload`, save that with `save_pretrained`, and open the new folder."
)

__all__ = ["ADAPTER_WEIGHTS", "adapter_fields", "check_ranks", "path_of_base"]
