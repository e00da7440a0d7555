"""Whether a checkpoint of any kind has its weights as safetensors, found out before anything of it is loaded."""

from typing import Any

from safetensors import safe_open
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, cached_file
from transformers.utils.hub import get_checkpoint_shard_files

from fastast_hf.hub.checkpoints import checkpoint_config
from fastast_hf.model.adapters import ADAPTER_WEIGHTS, adapter_fields, check_ranks, path_of_base
from fastast_hf.model.native_code import check_attention_name, check_not_quantized
from fastast_hf.model.safe_weights import check_shards, check_weights_name

# What PEFT puts before the name of a layer where it saves an adapter.
_PREFIX = "base_model.model."


def check_safe_weights(path: str, download: dict[str, Any]) -> None:
    """Refuse a checkpoint whose weights are pickled: a pickle can run code of whoever wrote it.

    Args:
        path: a folder, or a name on the Hub.
        download: `cache_dir`, `revision` and `token`.

    Raises:
        OSError: if there is no such checkpoint, or the Hub does not answer.
        ValueError: if it has no safetensors, its index or its config.json names other files, or its config.json is none,
            quantizes the weights, or names attention whose code would be fetched from the Hub; if it is an adapter, and this
            is so of the model that it names; or if its adapter is one that `check_adapter` refuses.
    """
    base = path_of_base(path, **download)
    config_dict = checkpoint_config(base, **download)
    check_weights_name(config_dict)
    check_attention_name(config_dict)
    check_not_quantized(config_dict)
    check_adapter(path, config_dict, download)
    if not any(_has(base, name, download) for name in (SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME)):
        raise ValueError(
            f"`{SAFE_WEIGHTS_NAME}` must be in the checkpoint, got {base} without. Pickled weights such as pytorch_model.bin "
            "are not opened, since a pickle can run code. Convert it once with the model's own class in transformers, "
            "`from_pretrained(old).save_pretrained(new)`, and name the new folder."
        )
    check_shards(base, **download)


def weight_shapes(path: str, config_dict: dict[str, Any], **download: Any) -> dict[str, tuple[int, ...]]:
    """Read how large the weights of a checkpoint are, from the head of its files: they tell it, and nothing is loaded.

    Args:
        path: a folder, or a name on the Hub; of an adapter, what `path_of_base` gives.
        config_dict: what its config.json says.
        **download: `cache_dir`, `revision` and `token`.

    Returns:
        The shape of each tensor by its name in the files; nothing if there are no safetensors.

    Raises:
        OSError: if there is no such checkpoint, or the Hub does not answer.
        SafetensorError: if a file is cut short or is none.
        ValueError: if config.json or an index names pickles or files elsewhere.
    """
    check_weights_name(config_dict)
    check_shards(path, **download)
    optional = download | {"_raise_exceptions_for_missing_entries": False}
    file = cached_file(path, config_dict.get("transformers_weights") or SAFE_WEIGHTS_NAME, **optional)
    files = [] if file is None else [file]
    if file is None and (index := cached_file(path, SAFE_WEIGHTS_INDEX_NAME, **optional)) is not None:
        files, _ = get_checkpoint_shard_files(path, index, **download)
    return {name: shape for file in files for name, shape in _shapes_in(file).items()}


def check_adapter(path: str, config_dict: dict[str, Any], download: dict[str, Any]) -> None:
    """Refuse an adapter_config.json of other layers or ranks than the weights beside it, since PEFT builds what it says.

    Args:
        path: a folder, or a name on the Hub, with or without an adapter.
        config_dict: what the config.json of the model that it is put on says.
        download: `cache_dir`, `revision` and `token`.

    Raises:
        OSError: if there is no such checkpoint, or the Hub does not answer.
        SafetensorError: if the adapter's weights are cut short or are none.
        ValueError: if the adapter is more than plain LoRA, of a higher rank than the model's widest layer, or of other ranks
            or layers than its weights.
    """
    fields = adapter_fields(path, **download)
    if fields is None:
        return
    widest = _widest_layer(config_dict)
    ranks = _ranks_of_weights(path, widest, download)
    if widest is None:
        check_ranks(fields, path, max(ranks.values()), "the rank of its weights")
    else:
        check_ranks(fields, path, widest, "the width of the model's widest layer")
    for layer, rank in ranks.items():
        if not any(_is_named(layer, name) for name in fields["target_modules"]):
            raise ValueError(
                f"`target_modules` must name every layer that the adapter has weights for, got {path} without {layer}. "
                f"{_SAVE_AGAIN}"
            )
        field, told = _rank_told(fields, layer)
        if told != rank:
            raise ValueError(
                f"`{field}` must be the rank of the adapter's weights, {rank} for {layer}, got {told} in {path}. {_SAVE_AGAIN}"
            )


def _has(path: str, name: str, download: dict[str, Any]) -> bool:
    return cached_file(path, name, _raise_exceptions_for_missing_entries=False, **download) is not None


def _shapes_in(file: str) -> dict[str, tuple[int, ...]]:
    with safe_open(file, framework="np") as weights:
        return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118  # no dict


def _widest_layer(config_dict: dict[str, Any]) -> int | None:
    """Find how wide a model's widest layer is; None where its config.json has other names for it."""
    widths = [config_dict.get(name) for name in ("hidden_size", "intermediate_size")]
    return max((width for width in widths if isinstance(width, int)), default=None)


def _ranks_of_weights(path: str, widest: int | None, download: dict[str, Any]) -> dict[str, int]:
    """Read from the head of an adapter's weights for which layers they are, and of which ranks."""
    shapes = _shapes_in(str(cached_file(path, ADAPTER_WEIGHTS, **download)))
    ranks = {}
    for name, first in shapes.items():
        layer, is_first, _ = name.removeprefix(_PREFIX).partition(".lora_A.")
        if not is_first:
            continue
        second = shapes.get(name.replace(".lora_A.", ".lora_B."))
        # A file of any size could tell a huge rank for a layer of width one, which PEFT would build for all others.
        if not first or not second or not 1 <= first[0] <= (widest or max(second[0], *first[1:])):
            raise ValueError(
                f"`{ADAPTER_WEIGHTS}` must hold two weights of a low rank for each layer, got the shapes {first} and {second} for "
                f"{layer} in {path}. {_SAVE_AGAIN}"
            )
        ranks[layer] = first[0]
    if not ranks:
        raise ValueError(
            f"`{ADAPTER_WEIGHTS}` must hold LoRA's weights of some layers, got {path} of none. {_SAVE_AGAIN}"
        )
    return ranks


def _rank_told(fields: dict[str, Any], layer: str) -> tuple[str, int]:
    """Find which field of an adapter_config.json settles the rank of a layer, and at what: the first name that fits, as in PEFT."""
    for name, rank in (fields.get("rank_pattern") or {}).items():
        if _is_named(layer, name):
            return "rank_pattern", rank
    return "r", fields["r"]


def _is_named(layer: str, name: str) -> bool:
    return layer == name.removeprefix("^") or layer.endswith(f".{name}")


_SAVE_AGAIN = "Save it again with PEFT's `save_pretrained`, or copy or download its folder again."
