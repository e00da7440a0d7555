"""The rows whose speed is measured, on clips that are short enough for a test."""

import torch

from fastast_hf.hub.results import check_results
from model_cards.evidence import plan, sets, speed


def test_rows_are_measured_model_alone_and_in_training(monkeypatch):
    short = sets.SETS["speech"]._replace(options={"max_length": "48"})
    monkeypatch.setitem(sets.SETS, "speech", short)
    monkeypatch.setattr(speed, "REPEATS", 1)
    monkeypatch.setattr(speed, "RATIOS", (0.0, 0.2))
    monkeypatch.setitem(sets.RECIPE, "per_device_train_batch_size", "2")
    alone = speed.measure(plan.Speed("speed-speech", "speech", training=False))
    check_results(alone)
    rows = {row["name"]: row for row in alone["benchmark"]["rows"]}
    assert list(rows) == ["AST", "AST, stride 16", "FastAST, ratio 0.2", "CNN teacher"]
    assert rows["AST"]["mac_ratio"] == 1 < rows["FastAST, ratio 0.2"]["mac_ratio"]
    training = speed.measure(plan.Speed("speed-speech-training", "speech", training=True))
    check_results(training)
    steps = {row["name"]: row for row in training["benchmark"]["rows"]}
    assert {"AST", "AST, CMKD", "FastAST, ratio 0.2", "FastAST, ratio 0.2, CMKD"} <= steps.keys()
    assert steps["AST"]["gmacs_per_clip"] > 2 * rows["AST"]["gmacs_per_clip"]
    assert torch.is_inference_mode_enabled() is False
