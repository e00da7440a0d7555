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
            assert len(of_the_row) == (0 if row in evidence.TUNED_AS else 3)
            assert {named[name]["frequency_stride"] for name in of_the_row} <= {"16"}
            assert options["frequency_stride"] == ("16" if row == "ast-stride16" else "10")
            for part in sounds.parts:
                run = named[f"{set_name}-{part}-{row}"]
                assert run["num_train_epochs"] == sounds.options["num_train_epochs"]
                assert run["time_stride"] == options["time_stride"]
    assert len(named) == 2 * 9 + 5 * 5 + 3 * 5 + len(evidence.ABLATIONS)


def test_only_rows_named_so_merge_or_are_taught(tmp_path):
    for name, options in runs(tmp_path).items():
        row = name if "-ablation-" not in name else "fastast-cmkd"
        assert ("merge_ratio" in options) == ("-fastast" in row or row == "fastast-cmkd")
        assert (options["distillation_weight"] != "0") == ("teacher_name_or_path" in options) == ("cmkd" in row)


def test_an_ablation_differs_from_its_base_in_what_it_is_named_for(tmp_path):
    named = runs(tmp_path)
    base = named["esc10-ablation-base"]
    assert base["time_stride"] == "16" and base["eval_fold"] == "1"
    for label, difference in evidence.ABLATIONS.items():
        if label != "self-distillation":
            assert named[f"esc10-ablation-{label}"] == base | difference


def test_self_distillation_is_taught_by_the_ast_that_learnt_the_labels(tmp_path):
    plan = {run.name: run for run in evidence.plan(tmp_path / "data", tmp_path / "models")}
    run = plan["esc10-ablation-self-distillation"]
    assert run.teacher == plan["esc10-fold1-ast-stride16"]
    assert run.options["teacher_name_or_path"] == str(tmp_path / "runs" / "esc10-fold1-ast-stride16")


def test_the_runs_of_a_part_take_over_the_teacher_that_its_first_run_has_trained(tmp_path):
    assert runs(tmp_path)["esc10-fold2-ast-cmkd"]["teacher_name_or_path"].endswith("efficientat_mn04_as")
    trained = tmp_path / "runs" / "esc10-fold2-fastast-cmkd" / "_teacher"
    trained.mkdir(parents=True)
    named = runs(tmp_path)
    assert named["esc10-fold2-ast-cmkd"]["teacher_name_or_path"] == str(trained)
    assert named["esc10-fold3-ast-cmkd"]["teacher_name_or_path"].endswith("efficientat_mn04_as")


def test_the_best_candidate_is_chosen_by_accuracy_then_map_then_order(results):
    def measure(label, accuracy, mean_average_precision):
        metrics = {"accuracy": accuracy, "map": mean_average_precision}
        evidence.write_json(results / f"esc10-tuning-ast-{label}.json", {"models": {"fastast": {"metrics": metrics}}})

    def rate(row="ast"):
        return evidence.chosen("esc10", row)["learning_rate"]

    assert rate() == "3e-4"
    measure("lr3e-4", 0.9, 0.95)
    measure("lr1e-4", 0.9, 0.95)
    assert rate() == "3e-4"
    measure("lr6e-4", 0.9, 0.96)
    assert rate() == rate("ast-stride16") == "6e-4"
    assert rate("fastast") == "3e-4"
    measure("lr1e-4", 0.91, 0.5)
    assert rate() == "1e-4"


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
