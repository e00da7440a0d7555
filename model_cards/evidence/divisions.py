"""Parts of the data sets that no column of theirs names, as folders of links.

`esc10-tuning` and `speech-tuning` divide the training clips of a set's first part once more, recordings and speakers apart, so
that settings are chosen without the clips that judge. `esc10-without-folds12` trains on three folds and leaves two unseen,
`esc10-fold1` is one fold. `speech-half1` and `speech-half2` are the clips of the set that judge, halved by their speakers.
"""

import csv
import random
import shutil
from collections.abc import Iterable
from pathlib import Path

from model_cards.evidence import places

AUDIO = {"esc10": "esc10/audio", "speech": "speech_commands12/audio"}
"""Folders of the sets, below the folder of all data."""

Rows = list[dict[str, str]]
"""Lines of a metadata.csv."""


def folder_of(division: str) -> Path:
    """Name the folder of a division. `split_column` is "split" in it."""
    return places.run_folder(f"{division}-sounds")


def make_division(division: str, data: Path) -> Path:
    """Make a division's folder, if it is not there.

    Args:
        division: its name, see the module.
        data: the folder of all data sets.

    Returns:
        A folder with `metadata.csv` and links to the sound files.
    """
    folder = folder_of(division)
    if folder.exists():
        return folder
    set_name, part = division.split("-", 1)
    source = data / AUDIO[set_name]
    with (source / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = _divide(set_name, part, list(csv.DictReader(file)))
    aside = folder.with_name(f"_{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    for row in rows:
        link = aside / row["file_name"]
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((source / row["file_name"]).resolve())
    with (aside / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["file_name", "label", "split"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    aside.rename(folder)
    return folder


def _divide(set_name: str, part: str, rows: Rows) -> Rows:
    """Give the lines of a division."""
    if part.startswith("half"):
        judging = _with_other_speakers([row for row in rows if row["split"] == "test"], share=1 / 2)
        return [row for row in judging if row["split"] == {"half1": "train", "half2": "test"}[part]]
    if set_name == "speech":
        return _with_other_speakers([row for row in rows if row["split"] == "train"], share=1 / 5)
    if part == "tuning":
        return _split([row for row in rows if row["fold"] != "1"], test_folds="2")
    if part.startswith("without-folds"):
        return _split(rows, test_folds=part.removeprefix("without-folds"))
    fold = part.removeprefix("fold")
    return _split([row for row in rows if row["fold"] == fold], test_folds=fold)


def _split(rows: Rows, *, test_folds: Iterable[str]) -> Rows:
    return [row | {"split": "test" if row["fold"] in test_folds else "train"} for row in rows]


def _with_other_speakers(rows: Rows, *, share: float) -> Rows:
    """Let a share of the speakers judge."""
    speakers = [row["speaker"] or row["file_name"] for row in rows]  # silence has none and is one of its own
    different = sorted(set(speakers))
    judges = set(random.Random(0).sample(different, int(len(different) * share)))
    return [
        row | {"split": "test" if speaker in judges else "train"} for row, speaker in zip(rows, speakers, strict=True)
    ]
