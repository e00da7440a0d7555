"""Whether a checkpoint of any kind has its weights as safetensors, found out before anything of it is loaded."""

from typing import Any

from safetensors import safe_open
from transformers import PreTrainedConfig
from transformers.integrations.peft import maybe_load_adapters
from transformers.utils import CONFIG_NAME, SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, cached_file
from transformers.utils.hub import get_checkpoint_shard_files

from fastast_hf.model.native_code import check_attention_name
from fastast_hf.model.safe_weights import check_shards, check_weights_name

_ADAPTER_WEIGHTS = "adapter_model.safetensors"


def check_safe_weights(path: str, download: dict[str, Any]) -> None:
    """Refuse a checkpoint whose weights are pickled: a pickle can run code of whoever wrote it.

    Args:
        path: a folder, or a name on the Hub.
        download: `cache_dir`, `revision` and `token`.

    Raises:
        OSError: if there is no such checkpoint, or the Hub does not answer.
        ValueError: if it has no safetensors, its config.json or its index names other files, or its config.json attention
            whose code would be fetched from the Hub; or if it is an adapter, and this is so of the model that it names.
    """
    adapter, base, _ = maybe_load_adapters(path, download)  # type: ignore[arg-type]
    if adapter is not None and not _has(path, _ADAPTER_WEIGHTS, download):
        raise ValueError(
            f"`{_ADAPTER_WEIGHTS}` must be in the adapter, got {path} without. Pickled weights such as adapter_model.bin are "
            "not opened, since a pickle can run code. Save it again with PEFT's `save_pretrained`, and name the new folder."
        )
    if _has(base, CONFIG_NAME, download):
        config_dict = PreTrainedConfig.get_config_dict(base, **download)[0]
        check_weights_name(config_dict)
        check_attention_name(config_dict)
    if not any(_has(base, name, download) for name in (SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME)):
        raise ValueError(
            f"`{SAFE_WEIGHTS_NAME}` must be in the checkpoint, got {base} without. Pickled weights such as pytorch_model.bin "
            "are not opened, since a pickle can run code. Convert it once with the model's own class in transformers, "
            "`from_pretrained(old).save_pretrained(new)`, and name the new folder."
        )
    check_shards(path, **download)


def weight_shapes(path: str, config_dict: dict[str, Any], **download: Any) -> list[tuple[int, ...]]:
    """Read how large the weights of a checkpoint are, from the head of its files: they tell it, and nothing is loaded.

    Args:
        path: a folder, or a name on the Hub.
        config_dict: what its config.json says.
        **download: `cache_dir`, `revision` and `token`.

    Returns:
        The shape of each tensor; nothing if there are no safetensors.

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
    shapes = []
    for file in files:
        with safe_open(file, framework="np") as weights:
            shapes += [tuple(weights.get_slice(name).get_shape()) for name in weights.keys()]  # noqa: SIM118  # no dict
    return shapes


def _has(path: str, name: str, download: dict[str, Any]) -> bool:
    return cached_file(path, name, _raise_exceptions_for_missing_entries=False, **download) is not None
