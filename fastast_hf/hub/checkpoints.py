"""What a checkpoint is before anything of it is loaded: its name, its config.json, and whether its weights are here."""

from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import RemoteEntryNotFoundError
from transformers import PreTrainedConfig
from transformers.utils import CONFIG_NAME, SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME

from fastast_hf.hub.repositories import is_repo_id
from fastast_hf.model.json_files import parse_object

# Of what lies in the folder of a checkpoint, or was made of one: whoever names it means a file.
_FILE_SUFFIXES = {".bin", ".ckpt", ".json", ".md", ".onnx", ".pt", ".pth", ".safetensors"}


def check_checkpoint_name(name: str) -> None:
    """Refuse what is no folder and no name that the Hub could know, before anybody waits for the Hub.

    Args:
        name: What a user calls a checkpoint.

    Raises:
        OSError: If it is neither.
    """
    path = Path(name)
    if path.is_file():
        raise OSError(
            f"`model` must be a folder or a name on the Hub, got the file {name}. Name the folder of the checkpoint."
        )
    if (name and path.is_dir()) or (is_repo_id(name) and path.suffix.lower() not in _FILE_SUFFIXES):
        return
    raise OSError(
        f"`model` must be a folder or a name on the Hub, got {name}. There is no such folder, and a name on the Hub is written "
        "user/name. Check how it is spelled."
    )


def checkpoint_config(name: str, **download: Any) -> dict[str, Any]:
    """Read what a checkpoint says of itself.

    Args:
        name: Folder, or name on the Hub.
        **download: `cache_dir`, `revision` and `token`.

    Returns:
        Its config.json; empty if it has none, as EfficientAT and ViTs of timm were released.

    Raises:
        OSError: If there is no such checkpoint, the Hub does not answer, or the file is no JSON.
        ValueError: If it is JSON, but no object, or is nested too deeply.
    """
    check_checkpoint_name(name)
    if Path(name).is_dir() and not (Path(name) / CONFIG_NAME).is_file():
        return {}
    try:
        return parse_object(CONFIG_NAME, name, lambda: PreTrainedConfig.get_config_dict(name, **download))[0]
    except OSError as error:
        if isinstance(error.__cause__, RemoteEntryNotFoundError):
            return {}
        raise OSError(f"`model` must be a folder or a name on the Hub, got {name}. {error}") from error


def has_weights_here(name: str, *, revision: str = "main") -> bool:
    """Tell whether a checkpoint can be loaded without a download of its weights.

    Args:
        name: Folder, or name on the Hub.
        revision: Branch, tag or commit on the Hub.

    Returns:
        Whether it is a folder, or its weights have been downloaded before.
    """
    if Path(name).is_dir():
        return True
    names = (SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME)
    return any(isinstance(try_to_load_from_cache(name, file, revision=revision), str) for file in names)


__all__ = ["check_checkpoint_name", "checkpoint_config", "has_weights_here"]
