"""`fastast export`: the file, and the check of it."""

import json
from pathlib import Path

import onnxruntime
import pytest

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.cli import export
from fastast_hf.cli.export import largest_difference
from fastast_hf.hub import export as hub_export
from tests.cli.conftest import SIZES
from tests.conftest import tiny_model


@pytest.fixture(scope="module")
def exported(ast_folder, tmp_path_factory):
    """Export once, from an AST that has to merge: it takes seconds."""
    path = tmp_path_factory.mktemp("export") / "new" / "ast.onnx"
    from typer.testing import CliRunner

    from fastast_hf.cli.app import app

    return path, CliRunner().invoke(app, ["export", str(ast_folder), str(path), "--tokens-merged-per-layer", "5"])


def test_the_file_merges_as_told_and_its_difference_is_printed(exported):
    path, result = exported
    assert (result.exit_code, result.stderr) == (0, "")
    words = result.stdout.replace("\n", "")
    assert words.startswith(f"{path}: logits within ")
    assert float(words.split()[-4]) <= 1e-4
    metadata = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["tokens_merged"]) == [5, 5]


def test_a_file_of_another_model_is_found_out(exported):
    path, _ = exported
    extractor = FastASTFeatureExtractor(**SIZES)
    assert largest_difference(path, tiny_model(num_hidden_layers=2, tokens_merged_per_layer=5), extractor) <= 1e-4
    for schedule in ({}, {"tokens_merged_per_layer": 4}):
        assert largest_difference(path, tiny_model(num_hidden_layers=2, **schedule), extractor) > 1e-4


@pytest.fixture
def without_export(monkeypatch):
    """Write nothing, and find the difference that the test sets."""

    def difference_is(difference):
        monkeypatch.setattr(hub_export, "export_onnx", lambda model, path, *, feature_extractor: Path(path))
        monkeypatch.setattr(export, "largest_difference", lambda *arguments: difference)

    return difference_is


@pytest.mark.parametrize("difference", [1.1e-4, float("nan")])
def test_a_file_that_answers_otherwise_is_an_error(fastast, fastast_folder, without_export, difference):
    without_export(difference)
    result = fastast("export", fastast_folder, "out.onnx")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Error: `output` must answer as the model does, to 0.0001, got logits in out.onnx that are" in result.stderr


def test_json(fastast, fastast_folder, without_export):
    without_export(2e-6)
    result = fastast("export", fastast_folder, "out.onnx", "--json", "--merge-ratio", 0.1)
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {"path": "out.onnx", "largest_difference": 2e-6}


def test_what_is_not_installed_is_named(fastast, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    result = fastast("export", "no model is loaded", "out.onnx")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Exporting needs onnxruntime, which is not installed." in result.stderr
    assert "pip install 'fastast_hf[onnx]'" in result.stderr


def test_both_schedules_are_refused(fastast, fastast_folder):
    result = fastast("export", fastast_folder, "out.onnx", "--merge-ratio", 0.1, "--tokens-merged-per-layer", 5)
    assert result.exit_code == 1
    assert "`merge_ratio` must be left out beside `tokens_merged_per_layer`, got 0.1 and 5." in result.stderr
