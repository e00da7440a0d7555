"""Answers at merge ratios: against forward passes clip by clip."""

import pytest
import torch

from fastast_hf.experiment.answers import answers, answers_at_ratios, compute_logits
from tests.conftest import tiny_model
from tests.experiment.test_task import task_of


@pytest.fixture
def task(miniature):
    return task_of(miniature)


def student(task, **fields):
    return tiny_model(num_mel_bins=48, max_length=64, **task.labels, **fields)


def logits_clip_by_clip(model, task):
    with torch.inference_mode():
        return torch.cat([model(row["input_values"][None]).logits for row in task.eval])


def test_logits_are_those_of_each_clip_alone(task):
    model = student(task, merge_ratio=0.3).train()
    logits = compute_logits(model, task, batch_size=3)
    assert model.training
    torch.testing.assert_close(logits, logits_clip_by_clip(model.eval(), task), atol=1e-5, rtol=1e-5)


def test_each_ratio_has_its_answers_and_is_compared_with_the_first(task):
    model = student(task, merge_ratio=0.1)
    found = answers_at_ratios(model, task, (0.0, 0.5), batch_size=4)
    assert found["clips"] == task.eval["file_name"][:]
    assert found["references"] == task.eval["labels"][:].tolist()
    assert [row["merge_ratio"] for row in found["rows"]] == [0.0, 0.5]
    assert found["rows"][0]["agreement"] == {"top_answer": 1.0, "mean_kl": 0.0}
    model.set_merge_ratio(0.5)
    predictions = logits_clip_by_clip(model, task).argmax(dim=-1)
    row = found["rows"][1]
    assert row["predictions"] == predictions.tolist()
    right = (predictions == torch.as_tensor(found["references"])).double().mean().item()
    assert row["metrics"]["accuracy"] == pytest.approx(right)
    assert row["agreement"]["mean_kl"] > 0


def test_a_model_answers_as_it_is(task):
    model = student(task, merge_ratio=0.5)
    assert answers(model, task, batch_size=4) == {
        "clips": task.eval["file_name"][:],
        "references": task.eval["labels"][:].tolist(),
        "predictions": logits_clip_by_clip(model, task).argmax(dim=-1).tolist(),
        "metrics": answers_at_ratios(model, task, (0.5,), batch_size=4)["rows"][0]["metrics"],
    }


@pytest.mark.parametrize("schedule", [{"merge_ratio": 0.1}, {"tokens_merged_per_layer": 2}])
def test_the_model_keeps_its_schedule(task, schedule):
    model = student(task, **schedule)
    before = model.config.merge_schedule()
    answers_at_ratios(model, task, (0.0, 0.5))
    assert model.config.merge_schedule() == before
