"""Where the merge schedule that a search found goes: into config.json and card of the model's own folder, or of a new one."""

from pathlib import Path
from typing import Any, NamedTuple

from fastast_hf.experiment.converting import check_new_folder, save_folder
from fastast_hf.experiment.files import check_output_path, read_json, write_bytes, write_json
from fastast_hf.hub.checkpoints import checkpoint_config
from fastast_hf.hub.converted_card import stated_of_a_schedule, with_new_schedule, write_converted_card
from fastast_hf.hub.repositories import license_of, license_of_card
from fastast_hf.model import FastASTConfig
from fastast_hf.speed.contenders import Opened
from fastast_hf.speed.variants import with_schedule
from fastast_hf.writing import naming


class WrittenSchedule(NamedTuple):
    """What holds a schedule.

    Attributes:
        config: The config.json.
        card: The README.md beside it, which need not be there.
        outdated: What the card goes on to state of the schedule before, such as "accuracy"; nobody but its author mends it.
    """

    config: Path
    card: Path
    outdated: list[str]


def check_tuned_folder(model: str, output: Path | None) -> None:
    """Find out before the search whether what it finds has a place.

    Args:
        model: What is searched for: folder, or name on the Hub.
        output: A new folder, or None for the model's own.

    Raises:
        OSError: If nothing can be written there.
        ValueError: If the new folder is not empty, there is none and the model is no FastAST in a folder, or the card whose
            licence the new folder's is to state cannot be read.
    """
    if output is not None:
        check_new_folder(output)
        license_of_card(model)
        return
    if not (Path(model).is_dir() and checkpoint_config(model).get("model_type") == FastASTConfig.model_type):
        raise ValueError(
            f"`output` must be given for what is no FastAST in a folder, got none for {model}. Name a folder for the model "
            "with its new schedule."
        )
    check_output_path(Path(model) / "config.json")


def write_schedule(opened: Opened, model: str, output: Path | None, merging: dict[str, Any]) -> WrittenSchedule:
    """Write a schedule down: into the configuration, and into the card as far as `fastast convert` wrote that.

    Args:
        opened: The model.
        model: Where it was opened from.
        output: A new folder for the whole model, which gets a card as `fastast convert` writes one, or None to change the
            config.json of its own, and in its card, if it has one, the sentence on merging alone.
        merging: `merge_ratio` of a FastASTConfig.

    Returns:
        What holds it.

    Raises:
        OSError: If it cannot be written.
        ValueError: If the metadata of the card that states the licence cannot be read.
    """
    if output is not None:
        return _write_folder(opened, model, output, merging)
    path, card = Path(model) / "config.json", Path(model) / "README.md"
    # a card of others may be in any encoding: it stays to the byte
    before = card.read_bytes().decode("utf-8", "surrogateescape") if card.is_file() else ""
    fields = {name: value for name, value in read_json(path).items() if name != "tokens_merged_per_layer"}
    write_json(path, fields | merging)
    after = with_new_schedule(before, FastASTConfig.from_pretrained(model))
    if after != before:
        write_bytes(card, after.encode("utf-8", "surrogateescape"))
    return WrittenSchedule(path, card, stated_of_a_schedule(after))


def _write_folder(opened: Opened, model: str, output: Path, merging: dict[str, Any]) -> WrittenSchedule:
    """Write the whole model into a folder of its own."""
    license = license_of_card(model) or license_of(model)
    tuned = with_schedule(opened.model, **merging)
    save_folder(output, tuned, opened.feature_extractor)
    source = str(Path(model).resolve()) if Path(model).is_dir() else model
    grid = opened.model.config.patch_grid
    with naming(output):
        card = write_converted_card(output, source, tuned.config, source_grid=grid, repo_id=None, license=license)
    return WrittenSchedule(output / "config.json", card, [])
