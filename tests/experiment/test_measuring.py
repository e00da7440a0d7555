"""What is told of a student beside its metrics: structure and arithmetic; never a time."""

import pytest
import torch

from fastast_hf.experiment import measuring
from fastast_hf.experiment.arguments import ComparisonArguments
from fastast_hf.experiment.measuring import describe_merging, measure_speed
from fastast_hf.experiment.start import stock_ast
from tests.conftest import tiny_model
from tests.experiment.test_task import task_of


@pytest.fixture
def task(miniature):
    return task_of(miniature)


def student(**fields):
    return tiny_model(num_mel_bins=48, max_length=64, **fields)


def test_speed_is_measured_on_clips_of_the_task(task):
    model = student(merge_ratio=0.4)
    arguments = ComparisonArguments(benchmark_batch_size=12, benchmark_repeats=2)  # more than the 10 clips there are
    told = measure_speed(model, stock_ast(model), task, arguments)
    assert (told["batch_size"], told["num_frames"], told["dtype"]) == (12, 64, "float32")
    assert list(told["rows"]) == ["ast", "fastast"]
    assert told["rows"]["fastast"]["mac_ratio"] > 1
    assert told["rows"]["fastast"]["num_frames"] == 64


def test_models_are_measured_as_in_use_and_left_in_training(task, monkeypatch):
    modes = []
    monkeypatch.setattr(measuring, "compare_throughput", lambda rows, repeats: modes.extend(is_training()) or {})
    model = student(merge_ratio=0.4).train()
    ast = stock_ast(model).train()

    def is_training():
        return [model.training, ast.training]

    measure_speed(model, ast, task, ComparisonArguments(benchmark_batch_size=1))
    assert modes == [False, False]
    assert is_training() == [True, True]


def test_an_unmerged_student_agrees_with_itself(task):
    told = describe_merging(student(), task, batch_size=16)
    assert told["agreement"] == {"top_answer": 1.0, "mean_kl": pytest.approx(0.0, abs=1e-12)}
    assert told["merge_schedule"] == [0, 0, 0]


def test_a_merged_student_is_compared_with_its_unmerged_self(task):
    model = student(merge_ratio=0.5)
    told = describe_merging(model, task, batch_size=4)
    input_values = task.eval[:]["input_values"]
    with torch.inference_mode():
        merged = model(input_values).logits.log_softmax(-1)
        unmerged = stock_ast(model)(input_values).logits.log_softmax(-1)
    kl = (unmerged.exp() * (unmerged - merged)).sum(-1).mean().item()
    assert told["agreement"]["mean_kl"] == pytest.approx(kl, rel=1e-3)
    assert told["merge_schedule"] == list(model.config.merge_schedule().tokens_merged)
