"""What int8 costs, measured on a tiny model, with generated sounds in the place of ESC-10."""

import csv
import json

import pytest
import torch

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.data.synthetic import EVENTS, make_synthetic_dataset
from model_cards import int8
from tests.conftest import SIZES, tiny_model

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture
def data(tmp_path):
    """Generated sounds, with a column of folds as ESC-10 has: a fifth of each kind is of fold 1."""
    audio = make_synthetic_dataset(tmp_path / "audio", clips_per_class=5)
    with (audio / "metadata.csv").open(newline="") as file:
        rows = [row | {"fold": 1 + number % 5} for number, row in enumerate(csv.DictReader(file))]
    with (audio / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def test_three_ways_to_run_one_model_are_compared(data, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    labels = dict(enumerate(EVENTS))
    tiny_model(id2label=labels, label2id={name: label for label, name in labels.items()}).save_pretrained(folder)
    FastASTFeatureExtractor(**SIZES).save_pretrained(folder)
    (folder / "results.json").write_text(json.dumps({"data": {"eval_fold": 1}}))
    monkeypatch.setattr(int8, "embedded_model", lambda: folder)
    monkeypatch.setattr(int8, "REPEATS", 1)
    accuracy, speed, size = int8.compare(data)
    assert accuracy["columns"] == ["torch, float32", "ONNX Runtime, float32", "ONNX Runtime, int8"]
    assert accuracy["data"] == f"model on fold 1 of ESC-10, {len(EVENTS)} clips that it has not heard."
    in_torch, in_onnx, _ = accuracy["rows"][0]["values"]
    assert in_torch == in_onnx
    assert speed["rows"][0]["values"][0] == 1
    assert size["rows"][0]["values"][2] < size["rows"][0]["values"][1]


def test_right_answers_are_counted():
    clips = torch.eye(int8.BATCH_SIZE + 1)  # more than a batch
    labels = torch.arange(len(clips))
    labels[0] = 1
    assert int8.accuracy_of(lambda batch: batch, clips, labels) == pytest.approx(1 - 1 / len(clips))
