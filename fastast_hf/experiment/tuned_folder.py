"""Where the merge schedule that a search found goes: into the config.json of the model's own folder, or of a new one."""

from pathlib import Path
from typing import Any

from fastast_hf.experiment.converting import check_new_folder, save_folder
from fastast_hf.experiment.files import check_output_path, read_json, write_json
from fastast_hf.hub.checkpoints import checkpoint_config
from fastast_hf.model import FastASTConfig
from fastast_hf.speed.contenders import Opened
from fastast_hf.speed.variants import with_schedule


def check_tuned_folder(model: str, output: Path | None) -> None:
    """Find out before the search whether the winner has a place.

    Args:
        model: What is searched for: folder, or name on the Hub.
        output: A new folder, or None for the model's own.

    Raises:
        OSError: If nothing can be written there.
        ValueError: If the new folder is not empty, or there is none and the model is no FastAST in a folder.
    """
    if output is not None:
        check_new_folder(output)
        return
    if not (Path(model).is_dir() and checkpoint_config(model).get("model_type") == FastASTConfig.model_type):
        raise ValueError(
            f"`output` must be given for what is no FastAST in a folder, got none for {model}. Name a folder for the model "
            "with its new schedule."
        )
    check_output_path(Path(model) / "config.json")


def write_schedule(opened: Opened, model: str, output: Path | None, merging: dict[str, Any]) -> Path:
    """Write a schedule down.

    Args:
        opened: The model.
        model: Where it was opened from.
        output: A new folder for the whole model, or None to change the config.json of its own.
        merging: `merge_ratio` of a FastASTConfig.

    Returns:
        The config.json that holds it.

    Raises:
        OSError: If it cannot be written.
    """
    if output is None:
        path = Path(model) / "config.json"
        fields = {name: value for name, value in read_json(path).items() if name != "tokens_merged_per_layer"}
        write_json(path, fields | merging)
        return path
    save_folder(output, with_schedule(opened.model, **merging), opened.feature_extractor)
    return output / "config.json"
