"""Divisions of the real data sets: who is in which part."""

import csv
from collections import Counter

import pytest

from model_cards.evidence.divisions import folder_of, make_division
from tests.conftest import ESC10, requires_shared

DATA = ESC10.parents[1]
SPEECH = DATA / "speech_commands12" / "audio"


def divided(folder):
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all((folder / row["file_name"]).is_file() for row in rows)
    assert len(rows) == sum(path.is_file() for path in folder.rglob("*")) - 1
    return {part: [row["file_name"] for row in rows if row["split"] == part] for part in ("train", "test")}


def folds_of(names):
    return Counter(name.split("/")[1][0] for name in names)


@requires_shared
@pytest.mark.parametrize(
    ("division", "train", "test"),
    [("tuning", "345", "2"), ("without-folds12", "345", "12"), ("without-folds34", "125", "34"), ("fold3", "", "3")],
)
def test_esc10_is_divided_by_its_folds(division, train, test):
    parts = divided(make_division(f"esc10-{division}", DATA))
    assert folds_of(parts["train"]) == dict.fromkeys(train, 80)
    assert folds_of(parts["test"]) == dict.fromkeys(test, 80)


@requires_shared
def test_settings_for_speech_are_chosen_on_training_clips_of_other_speakers():
    parts = divided(make_division("speech-tuning", DATA))
    with (SPEECH / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["file_name"]: row for row in csv.DictReader(file)}
    speakers = {part: {rows[name]["speaker"] for name in names} - {""} for part, names in parts.items()}
    assert not speakers["train"] & speakers["test"]
    assert {rows[name]["split"] for names in parts.values() for name in names} == {"train"}
    assert 0.1 < len(parts["test"]) / 2085 < 0.3


@requires_shared
def test_the_clips_of_speech_that_judge_are_halved_by_their_speakers():
    halves = [divided(make_division(f"speech-half{number}", DATA)) for number in (1, 2)]
    names = [{name for part in half.values() for name in part} for half in halves]
    with (SPEECH / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["file_name"]: row for row in csv.DictReader(file)}
    assert names[0] | names[1] == {name for name, row in rows.items() if row["split"] == "test"}
    assert not names[0] & names[1]
    speakers = [{rows[name]["speaker"] for name in half} - {""} for half in names]
    assert not speakers[0] & speakers[1]
    assert 0.4 < len(names[0]) / 915 < 0.6


@requires_shared
def test_a_division_is_made_once():
    folder = make_division("esc10-fold1", DATA)
    (folder / "metadata.csv").write_text("mine")
    assert make_division("esc10-fold1", DATA) == folder == folder_of("esc10-fold1")
    assert (folder / "metadata.csv").read_text() == "mine"
