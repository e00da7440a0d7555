"""The door that measures files to labels, opened as a user does, and its arithmetic."""

import json
import sys

import numpy as np
import pytest
import soundfile

from fastast_hf import FastASTFeatureExtractor
from tests.conftest import tiny_ast
from tests.examples.test_examples import EXAMPLES, run

ROWS = ["decoding", "AST, pipeline", "+ length", "+ front end", "+ batching", "+ merging"]


@pytest.fixture
def measured(tmp_path):
    tiny_ast().save_pretrained(tmp_path / "ast")
    FastASTFeatureExtractor(num_mel_bins=36, max_length=96).save_pretrained(tmp_path / "ast")
    (tmp_path / "sounds").mkdir()
    for number in range(7):
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, 3_000 + 500 * number)
        soundfile.write(tmp_path / "sounds" / f"{number}.wav", samples, 16_000)
    program = (sys.executable, EXAMPLES / "file_to_label.py", "ast", "sounds")
    text = run(*program, "--limit", "6", "--turns", "2", "--output", "out.json", cwd=tmp_path)
    return text, json.loads((tmp_path / "out.json").read_text())


def test_every_step_is_measured(measured):
    text, results = measured
    rows = results["benchmark"]["rows"]
    assert list(rows) == ROWS
    for name, row in rows.items():
        assert f"| {name} |" in text.replace("\\", "")
        assert row["ms_per_clip"] > 0
    assert rows["AST, pipeline"]["step"] == rows["AST, pipeline"]["agreement"] == 1
    assert rows["+ front end"]["agreement"] == rows["+ batching"]["agreement"] == rows["+ length"]["agreement"]
    assert (results["kind"], results["data"]) == ("file_to_label", {"name": "sounds", "num_clips": 6})
    assert results["command"].startswith("file_to_label.py ast sounds --limit 6")


def test_a_folder_without_sounds_is_told(tmp_path):
    with pytest.raises(AssertionError, match="`data_dir` must hold sound files, got none"):
        run(sys.executable, EXAMPLES / "file_to_label.py", "ast-base", tmp_path, cwd=tmp_path)
