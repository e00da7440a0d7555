"""`fastast export`: the file, and the check of it."""

import json
from pathlib import Path

import onnxruntime
import pytest
import torch

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.cli import export
from fastast_hf.cli.export import largest_difference
from fastast_hf.hub import export as hub_export
from tests.conftest import SIZES, tiny_model


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
    assert list(path.parent.iterdir()) == [path]
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
def without_export(monkeypatch, tmp_path):
    """Write two words, in an empty folder, and find the difference that the test sets."""
    monkeypatch.chdir(tmp_path)

    def write(model, path, *, feature_extractor):
        path.with_name("out.onnx.data").write_text("new weights")
        path.write_text("new")

    def difference_is(difference):
        monkeypatch.setattr(hub_export, "export_onnx", write)
        monkeypatch.setattr(
            export, "largest_difference", lambda path, *_, **__: path.read_text() == "new" and difference
        )

    return difference_is


def contents():
    """What the files of the folder hold."""
    return {path.name: path.read_text() for path in Path().iterdir()}


@pytest.mark.parametrize("difference", [1.1e-4, float("nan")])
def test_a_file_that_answers_otherwise_is_an_error_and_the_old_one_stays(
    fastast, fastast_folder, without_export, difference
):
    without_export(difference)
    Path("out.onnx").write_text("old")
    result = fastast("export", fastast_folder, "out.onnx")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Error: `output` must answer as the model does, to 0.0001, got logits that are" in result.stderr
    assert "out.onnx was not written" in result.stderr
    assert contents() == {"out.onnx": "old"}


def test_a_file_that_answers_alike_takes_its_place_with_its_weights(fastast, fastast_folder, without_export):
    without_export(0)
    Path("out.onnx").write_text("old")
    assert fastast("export", fastast_folder, "out.onnx").exit_code == 0
    assert contents() == {"out.onnx": "new", "out.onnx.data": "new weights"}


def test_a_noise_where_rounding_decides_what_merges_is_told_and_not_held_against_the_file(
    fastast, fastast_folder, without_export, monkeypatch
):
    without_export(0)
    tried = []
    monkeypatch.setattr(
        export, "largest_difference", lambda *_, seed: tried.append(seed) or (3e-3 if seed < 2 else 1e-6)
    )
    result = fastast("export", fastast_folder, "out.onnx", "--json")
    told = json.loads(result.stdout)
    assert (told["largest_difference"], told["differences_beyond"]) == (1e-6, [3e-3, 3e-3])
    assert "On 2 of 3 noises the logits were up to 3.0e-03 off" in " ".join(result.stderr.split())
    assert tried == [0, 1, 2]


def test_a_batch_is_checked_as_well_as_a_clip(monkeypatch):
    """A file that took the exporter's two clips, or one, for the only number would be found out."""
    model, extractor, sizes = tiny_model(num_hidden_layers=2), FastASTFeatureExtractor(**SIZES), []

    class Session:
        def __init__(self, path, providers):
            pass

        def run(self, names, inputs):
            sizes.append(len(inputs["input_values"]))
            with torch.no_grad():
                logits = model(torch.from_numpy(inputs["input_values"])).logits.numpy()
            logits[-1] += sizes[-1]
            return [logits]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    assert largest_difference(Path("out.onnx"), model, extractor) == pytest.approx(3, abs=1e-4)
    assert sizes == [1, 3]


def test_a_folder_is_refused_before_a_model_is_loaded(fastast, tmp_path):
    result = fastast("export", "no model is loaded", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"Error: `output` must be a file, got the folder {tmp_path}. Give the name" in result.stderr


def test_json(fastast, fastast_folder, without_export):
    without_export(2e-6)
    result = fastast("export", fastast_folder, "out.onnx", "--json", "--merge-ratio", 0.1)
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {"path": "out.onnx", "largest_difference": 2e-6, "differences_beyond": []}


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
