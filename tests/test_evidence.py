"""The plan of the evidence: which runs there are, what they are told, and how settings are chosen."""

import csv
from collections import Counter

import pytest

from model_cards import evidence
from tests.conftest import ESC10, requires_shared


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    """No results yet, and nothing written into the project."""
    monkeypatch.setattr(evidence, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(evidence, "RUNS", tmp_path / "runs")
    return tmp_path / "results"


def runs(tmp_path):
    return {run.name: run.options for run in evidence.plan(tmp_path / "data", tmp_path / "models")}


def test_every_row_has_the_same_parts_epochs_and_number_of_candidates(tmp_path):
    named = runs(tmp_path)
    for set_name, sounds in evidence.SETS.items():
        for row, options in evidence.ROWS.items():
            of_the_row = [name for name in named if name.startswith(f"{set_name}-tuning-{row}-lr")]
            assert len(of_the_row) == 3
            for part in sounds.parts:
                assert named[f"{set_name}-{part}-{row}"]["num_train_epochs"] == sounds.options["num_train_epochs"]
            assert options["frequency_stride"] == ("16" if row == "ast-stride16" else "10")
    assert len(named) == 2 * 15 + 5 * 5 + 3 * 5


def test_only_rows_named_so_merge_or_are_taught(tmp_path):
    for name, options in runs(tmp_path).items():
        assert ("merge_ratio" in options) == ("-fastast" in name)
        assert (options["distillation_weight"] != "0") == ("teacher_name_or_path" in options) == ("cmkd" in name)


def test_the_best_candidate_is_chosen_by_accuracy_then_map_then_order(results):
    labels = ["lr3e-4", "lr1e-4", "lr6e-4"]

    def measure(label, accuracy, mean_average_precision):
        metrics = {"accuracy": accuracy, "map": mean_average_precision}
        evidence.write_json(results / f"esc10-tuning-ast-{label}.json", {"models": {"fastast": {"metrics": metrics}}})

    assert evidence.chosen("esc10", "ast", labels) == "lr3e-4"
    measure("lr3e-4", 0.9, 0.95)
    measure("lr1e-4", 0.9, 0.95)
    assert evidence.chosen("esc10", "ast", labels) == "lr3e-4"
    measure("lr6e-4", 0.9, 0.96)
    assert evidence.chosen("esc10", "ast", labels) == "lr6e-4"
    measure("lr1e-4", 0.91, 0.5)
    assert evidence.chosen("esc10", "ast", labels) == "lr1e-4"


def divided(folder):
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all((folder / row["file_name"]).is_file() for row in rows)
    return {part: [row["file_name"] for row in rows if row["split"] == part] for part in ("train", "test")}


@requires_shared
def test_settings_for_esc10_are_chosen_without_its_first_fold(tmp_path):
    evidence.make_tuning_sounds("esc10", ESC10, tmp_path / "tuning")
    parts = divided(tmp_path / "tuning")
    assert {part: len(names) for part, names in parts.items()} == {"train": 240, "test": 80}
    folds = {part: Counter(name.split("/")[1][0] for name in names) for part, names in parts.items()}
    assert folds == {"train": {"3": 80, "4": 80, "5": 80}, "test": {"2": 80}}


SPEECH = ESC10.parents[1] / "speech_commands12" / "audio"


@requires_shared
def test_settings_for_speech_are_chosen_on_training_clips_of_other_speakers(tmp_path):
    evidence.make_tuning_sounds("speech", SPEECH, tmp_path / "tuning")
    parts = divided(tmp_path / "tuning")
    with (SPEECH / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["file_name"]: row for row in csv.DictReader(file)}
    speakers = {part: {rows[name]["speaker"] for name in names} - {""} for part, names in parts.items()}
    assert not speakers["train"] & speakers["test"]
    assert {rows[name]["split"] for names in parts.values() for name in names} == {"train"}
    assert 0.1 < len(parts["test"]) / 2085 < 0.3
