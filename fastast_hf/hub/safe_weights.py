"""Whether a checkpoint of any kind has its weights as safetensors, found out before anything of it is loaded."""

from typing import Any

from transformers import PreTrainedConfig
from transformers.utils import CONFIG_NAME, SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, cached_file

from fastast_hf.model.safe_weights import check_shards, check_weights_name


def check_safe_weights(path: str, download: dict[str, Any]) -> None:
    """Refuse a checkpoint whose weights are pickled: a pickle can run code of whoever wrote it.

    Args:
        path: a folder, or a name on the Hub.
        download: `cache_dir`, `revision` and `token`.

    Raises:
        OSError: if there is no such checkpoint, or the Hub does not answer.
        ValueError: if it has no safetensors, its config.json names another file, or its index does.
    """
    if _has(path, CONFIG_NAME, download):
        check_weights_name(PreTrainedConfig.get_config_dict(path, **download)[0])
    if not any(_has(path, name, download) for name in (SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME)):
        raise ValueError(
            f"`{SAFE_WEIGHTS_NAME}` must be in the checkpoint, got {path} without. Pickled weights such as pytorch_model.bin "
            "are not opened, since a pickle can run code. Convert it once with the model's own class in transformers, "
            "`from_pretrained(old).save_pretrained(new)`, and name the new folder."
        )
    check_shards(path, **download)


def _has(path: str, name: str, download: dict[str, Any]) -> bool:
    return cached_file(path, name, _raise_exceptions_for_missing_entries=False, **download) is not None
