"""Clips in the middle of a set that cannot be read: named and counted, and the run learns what it would have without them."""

import csv
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.faults.archives import Archives, read
from tests.faults.outcomes import Outcome
from tests.faults.runs import Runs

KIND = "Unreadable clip in the middle"

BROKEN = {
    "that is no sound": ("rising_chirp/00003.wav", lambda path: path.write_bytes(b"not a sound" * 50)),
    "that is cut short": ("slow_pulses/00002.wav", lambda path: os.truncate(path, path.stat().st_size // 2)),
    "that is empty": ("vibrato/00000.wav", lambda path: os.truncate(path, 0)),
}
"""Two clips to learn from and one to be judged by."""


def break_clips(runs: Runs, archives: Archives) -> Iterator[Outcome]:
    """Break some clips of a copy of the set: a run says which, skips them if it is told to; an archive lists them."""
    break_copy(runs, "broken-sounds")
    remove_rows(runs, "fewer-sounds")
    said = runs.start("refused", sounds="broken-sounds").not_said("`source` must be a complete sound file")
    skipped = runs.start("skipped", "--skip_unreadable", "True", sounds="broken-sounds")
    expected = runs.start("without", sounds="fewer-sounds")
    trouble = said or skipped.trouble or expected.trouble or runs.what_differs("skipped", runs.folder / "without")
    named = {} if trouble else json.loads((runs.folder / "skipped" / "results.json").read_text())["data"]["unreadable"]
    for how, (name, _) in BROKEN.items():
        told = trouble or what_is_not_told(name, named, skipped.words)
        yield Outcome(KIND, f"a clip {how}, of a run", not told, told)
    yield from break_archive(archives)


def break_archive(archives: Archives) -> Iterator[Outcome]:
    """Classify the broken set: what can be read has the labels of the whole one, the others have their error."""
    expected = {row["path"]: row for row in read(archives.reference).to_pylist()}
    ended = archives.start("broken-labels", sounds="broken-sounds")
    rows = read(archives.runs.folder / "broken-labels").to_pylist() if ended.code == 3 else []
    for how, (name, _) in BROKEN.items():
        told = (
            "" if rows and name in ended.words and "could not be read: 3 of 50 files" in ended.words else "not named"
        )
        for row in rows:
            clip = row["path"].removeprefix("broken-sounds/")
            is_broken = clip in {broken for broken, _ in BROKEN.values()}
            if is_broken != bool(row["error"]) or not (
                is_broken or row["labels"] == expected[f"sounds/{clip}"]["labels"]
            ):
                told = told or f"{clip} has other labels"
        yield Outcome(KIND, f"a clip {how}, of an archive", not told, told)


def break_copy(runs: Runs, name: str) -> Path:
    """Copy the set, and break the clips."""
    copy = Path(shutil.copytree(runs.folder / "sounds", runs.folder / name))
    for clip, damage in BROKEN.values():
        damage(copy / clip)
    return copy


def remove_rows(runs: Runs, name: str) -> None:
    """Copy the set without the clips that are to be broken, as if there had never been more."""
    copy = Path(shutil.copytree(runs.folder / "sounds", runs.folder / name))
    gone = {clip for clip, _ in BROKEN.values()}
    with (copy / "metadata.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    with (copy / "metadata.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *(row for row in rows if row[0] not in gone)])


def what_is_not_told(name: str, named: dict[str, str], words: str) -> str:
    """Say where a clip is not named; nothing if it is named everywhere."""
    if (
        name not in named
        or f"Left out because they cannot be read: {len(BROKEN)} of" not in words
        or name not in words
    ):
        return f"{name} is not named"
    return ""
