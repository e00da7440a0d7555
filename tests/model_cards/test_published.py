"""The models of this checkout: complete, of this version, and as good as their cards say."""

import csv
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file

from fastast_hf.classification import classify_files
from fastast_hf.classification.loading import load_classifier
from fastast_hf.experiment.files import read_json
from fastast_hf.hub.results import load_results
from model_cards.evidence.publish import write_card
from tests.conftest import ESC10, SHARED, requires_shared
from tests.without_package import code_behind

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted((ROOT / "model_cards").glob("fastast-*"))

each_model = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@each_model
def test_the_code_is_this_version_s(folder):
    code = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    assert set(code) == code_behind("modeling_fastast.py", "feature_extraction_fastast.py")
    for name, text in code.items():
        package_s = (ROOT / "fastast_hf" / "model" / name).read_text(encoding="utf-8")
        assert text == package_s, f"{name} is not this version's: run `python -m model_cards.evidence.publish` again"


@each_model
def test_the_folder_is_complete_and_small(folder):
    (dtype,) = {weight.dtype for weight in load_file(folder / "model.safetensors").values()}
    assert dtype in (torch.float16, torch.float32)
    assert (folder / "model.safetensors").stat().st_size < 6 * 2**20 * dtype.itemsize
    config = read_json(folder / "config.json")
    assert 0 < config["merge_ratio"] <= 0.5
    assert set(config["auto_map"]) >= {"AutoConfig", "AutoModelForAudioClassification"}
    load_results(folder / "results.json")


@each_model
def test_the_card_says_what_a_stranger_needs(folder):
    card = ModelCard.load(folder / "README.md")
    assert card.data.pipeline_tag == "audio-classification"
    assert card.data.license == "apache-2.0"
    assert card.data.base_model
    (result,) = {result.metric_value for result in card.data.eval_results if result.metric_type == "accuracy"}
    results = load_results(folder / "results.json")
    assert result == pytest.approx(results["models"]["fastast"]["metrics"]["accuracy"], abs=1e-3)
    for heading in ("## Use", "## Results", "## Limits"):
        assert heading in card.text


def sounds_of_evaluation(data):
    """Read the names and labels of the sounds that a model was judged by."""
    audio, column, part = (
        (ESC10, "fold", str(data["eval_fold"]))
        if "eval_fold" in data
        else (SHARED / "data" / "speech_commands12" / "audio", data["split_column"], "test")
    )
    with (audio / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return [(audio / row["file_name"], row["label"]) for row in csv.DictReader(file) if row[column] == part]


@each_model
def test_the_card_is_that_of_its_results(folder, tmp_path):
    summary = ROOT / "model_cards" / "results" / f"{'esc10' if 'esc10' in folder.name else 'speech'}.json"
    comparison = load_results(summary) if summary.exists() else None
    again = tmp_path / folder.name
    write_card(again, load_results(folder / "results.json"), comparison)
    assert (folder / "README.md").read_text() == (again / "README.md").read_text(), (
        "run `python -m model_cards.evidence.publish` again"
    )
    assert (folder / "comparison.png").exists() == (comparison is not None)


@requires_shared
@each_model
def test_the_model_is_as_good_as_its_card_says(folder):
    results = load_results(folder / "results.json")
    paths, labels = zip(*sounds_of_evaluation(results["data"]), strict=True)
    assert len(paths) == results["data"]["num_eval"]
    model, extractor = load_classifier(str(folder))
    found = classify_files(model, extractor, list(paths), padding="max_length", top_k=1)
    right = [result.labels[0].label == label for result, label in zip(found, labels, strict=True)]
    accuracy = results["models"]["fastast"]["metrics"]["accuracy"]
    assert sum(right) / len(right) == pytest.approx(accuracy, abs=1.5 / len(right))  # a clip may lie on the border
