"""Which files a data set may name: metadata, tables and cards come from anybody, and a file is opened where they say."""

import os
from pathlib import Path
from typing import Any

import datasets
import pyarrow.compute as pc
import yaml
from datasets import Dataset
from huggingface_hub import DatasetCard, constants
from huggingface_hub.file_download import repo_folder_name


def check_inside(names: list[Any], metadata: str) -> None:
    """Refuse paths out of a folder.

    Links in it are followed wherever they lead: many folders of sounds are links into an archive, and the Hub's cache is one.
    A metadata file cannot make a link. An archive can hold some: unpack a stranger's with what refuses links to elsewhere,
    as Python's `tarfile` does with its filter "data".

    Args:
        names: What the metadata has for `file_name`.
        metadata: Where that is, for the words.

    Raises:
        ValueError: If a name is no path from the folder on.
    """
    for row, name in enumerate(map(str, names)):
        if _leaves(name):
            raise ValueError(
                f"`file_name` must stay in the data folder, got {name!r} in row {row} of {metadata!r}. Write the path from that "
                "folder on, without `..`; put the sound into it, or a link to the sound."
            )


def check_brought(part: Dataset, name: str, *, audio_column_name: str = "audio", cache_dir: Any = None) -> None:
    """Refuse a data set of the Hub whose table names files of this machine, instead of bringing its sounds.

    A table on disk may do so: `datasets` writes the paths of a user's own sounds into it.

    Args:
        part: Of it.
        name: On the Hub.
        audio_column_name: Column with the sounds, not decoded.
        cache_dir: Where `datasets` keeps its files. Default: its own cache.

    Raises:
        ValueError: If a sound has a path without bytes, and not into what was downloaded of this data set.
    """
    sounds = part.select_columns(audio_column_name).with_format("arrow")[:][
        audio_column_name
    ]  # not read, only their names
    outside = pc.and_(pc.is_null(pc.struct_field(sounds, "bytes")), pc.is_valid(pc.struct_field(sounds, "path")))
    own = _downloads_of(name, cache_dir)
    for row in pc.indices_nonzero(outside).to_pylist():
        path = sounds[row]["path"].as_py()
        place = Path(os.path.normpath(path))
        if not place.is_absolute() or not any(place.is_relative_to(folder) for folder in own):
            raise ValueError(
                f"`dataset_name` must be a data set that brings its sounds, got {name!r}, which names the file {path!r} of this "
                f"machine in row {row}. Do not use it; if you trust it, download it and name the folder."
            )


def check_card(folder: Path) -> None:
    """Refuse a data set on disk whose README.md takes its data from elsewhere, on this machine or on the net.

    `datasets` itself refuses that of a data set on the Hub.

    Args:
        folder: Of the data set.

    Raises:
        ValueError: A path of its configurations leaves the folder, or they cannot be read.
    """
    for name in (datasets.config.REPOCARD_FILENAME, datasets.config.REPOYAML_FILENAME):
        card = folder / name
        if not card.is_file():
            continue
        try:
            is_yaml = name == datasets.config.REPOYAML_FILENAME
            settings = yaml.safe_load(card.read_bytes()) if is_yaml else DatasetCard.load(card).data.to_dict()
            paths = _strings_in([_data_of(configuration) for configuration in (settings or {}).get("configs") or []])
        except (AttributeError, RecursionError, TypeError, ValueError, yaml.YAMLError) as error:
            raise ValueError(
                f"`dataset_name` must be a data set whose configurations can be read, got those of {str(card)!r} "
                f"({type(error).__name__}: {error}). Mend or remove them."
            ) from error
        for path in paths:
            if _leaves(path) or ":" in path.partition("/")[0] or "::" in path:  # an address, or a file in another one
                raise ValueError(
                    f"`dataset_name` must be a folder with the data in it, got {path!r} in {str(card)!r}. Write the path from "
                    "that folder on, without `..`; put the data into it, or a link to the data."
                )


def _data_of(configuration: dict[str, Any]) -> list[Any]:
    return [configuration.get(key) for key in ("data_files", "data_dir")]


def _strings_in(value: Any) -> list[str]:
    """Collect strings out of lists and dictionaries, each of which YAML may have put into many others."""
    found, seen, pending = [], set(), [value]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict | list) and id(value) not in seen:
            seen.add(id(value))
            pending += value.values() if isinstance(value, dict) else value
    return found


def _leaves(name: str) -> bool:
    """Tell whether a path leads out of the folder that it is read from."""
    path = Path(name)
    return bool(path.anchor) or ".." in path.parts


def _downloads_of(name: str, cache_dir: Any) -> list[Path]:
    """Where `datasets` puts the loose files and the unpacked archives of a data set on the Hub."""
    repository = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="dataset")
    downloads = Path(cache_dir) / "downloads" if cache_dir is not None else datasets.config.DOWNLOADED_DATASETS_PATH
    return [folder.absolute() for folder in (repository, Path(downloads))]


__all__ = ["check_brought", "check_card", "check_inside"]
