"""`fastast export` as a user calls it: what is printed, and what is refused before a model is loaded. test_json.py exports."""

import json
from pathlib import Path

import pytest

from fastast_hf.classification import loading
from fastast_hf.hub import checked_export, export


@pytest.fixture
def written(monkeypatch, tmp_path):
    """Write two words in place of a file, in an empty folder; give what the noises are to find, one after the other."""
    monkeypatch.chdir(tmp_path)
    differences = []

    def write(model, path, *, feature_extractor):
        path.write_text(f"merges {model.config.merge_schedule().tokens_merged}")
        return path

    monkeypatch.setattr(checked_export, "export_onnx", write)
    monkeypatch.setattr(checked_export, "largest_difference", lambda *_, seed: differences[seed])
    return differences


def test_the_file_merges_as_told_and_its_difference_is_printed(fastast, ast_folder, written):
    written[:] = [2e-6]
    result = fastast("export", ast_folder, "new/ast.onnx", "--tokens-merged-per-layer", 5)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "new/ast.onnx: logits within 2.0e-06 of the model's\n"
    assert Path("new/ast.onnx").read_text() == "merges (5, 5)"


def test_json(fastast, fastast_folder, written):
    written[:] = [2e-6]
    result = fastast("export", fastast_folder, "out.onnx", "--json", "--merge-ratio", 0.1)
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {"path": "out.onnx", "largest_difference": 2e-6, "differences_beyond": []}


def test_a_noise_where_rounding_decides_what_merges_is_told(fastast, fastast_folder, written):
    written[:] = [3e-3, 2e-3, 1e-6]
    result = fastast("export", fastast_folder, "out.onnx", "--json")
    told = json.loads(result.stdout)
    assert (told["largest_difference"], told["differences_beyond"]) == (1e-6, [3e-3, 2e-3])
    assert "On 2 of 3 noises the logits were up to 3.0e-03 off" in " ".join(result.stderr.split())


def test_a_file_that_answers_otherwise_is_an_error(fastast, fastast_folder, written):
    written[:] = [1.1e-4] * 5
    result = fastast("export", fastast_folder, "out.onnx")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Error: `output` must answer as the model does, to 0.0001, got logits that are" in result.stderr


def test_what_is_not_installed_is_named_before_a_model_is_loaded(fastast, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxruntime" else name)
    monkeypatch.setattr(loading, "load_classifier", lambda *_, **__: pytest.fail("it came too late"))
    result = fastast("export", "model", "out.onnx")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Exporting needs onnxruntime, which is not installed." in result.stderr
    assert "pip install 'fastast_hf[onnx]'" in result.stderr
