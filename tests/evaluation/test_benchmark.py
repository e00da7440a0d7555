import json

import pytest
import torch
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from fastast_hf.evaluation import benchmark
from fastast_hf.evaluation.benchmark import agreement, compare_throughput
from fastast_hf.evaluation.macs import count_macs
from tests.evaluation.test_macs import ast_macs, tiny_ast


class Recorder(nn.Module):
    """Writes its name down at each call, and whether it was called as in use."""

    def __init__(self, name, calls):
        super().__init__()
        self.name, self.calls = name, calls
        self.linear = nn.Linear(8, 2)

    def forward(self, input_values):
        self.calls.append((self.name, self.training, torch.is_inference_mode_enabled()))
        return SequenceClassifierOutput(logits=self.linear(input_values))


def test_results_put_work_and_time_in_proportion():
    models = {"deep": tiny_ast(num_hidden_layers=4), "shallow": tiny_ast(num_hidden_layers=1)}
    input_values = torch.randn(2, 64, 32)
    results = compare_throughput(models, input_values, repeats=3, warmup=1)

    assert list(results) == ["deep", "shallow"]
    work = {name: ast_macs(model.config, 64) for name, model in models.items()}
    for name, result in results.items():
        assert (result.batch_size, result.repeats) == (2, 3)
        assert result.gmacs_per_clip == pytest.approx(work[name] / 1e9)
        assert result.mac_ratio == pytest.approx(work["deep"] / work[name])
        assert result.clips_per_second == pytest.approx(2 * 1000 / result.latency_ms)
        assert result.speed_up == pytest.approx(result.clips_per_second / results["deep"].clips_per_second)
        assert result.share_of_mac_ratio == pytest.approx(result.speed_up / result.mac_ratio)
        assert result.latency_iqr_ms >= 0
        assert result.peak_memory_mib is None
    assert json.loads(json.dumps(results["shallow"].to_dict()))["repeats"] == 3


def test_statistics_are_median_and_interquartile_range(monkeypatch):
    times = iter([1.0, 0.1, 9.0, 0.4, 2.0, 0.2, 3.0, 0.3, 4.0, 0.5])  # A, B, A, B, ...
    monkeypatch.setattr(benchmark, "_seconds_of_forward", lambda model, input_values: next(times))
    models = {"a": nn.Linear(8, 4), "b": nn.Linear(8, 2)}
    results = compare_throughput(models, torch.zeros(6, 8), repeats=5, warmup=0)
    assert results["a"].latency_ms == pytest.approx(3000)  # of 1, 2, 3, 4, 9 seconds
    assert results["a"].latency_iqr_ms == pytest.approx(2000)
    assert results["a"].clips_per_second == pytest.approx(2)
    assert results["b"].speed_up == pytest.approx(10)
    assert results["b"].mac_ratio == pytest.approx(2)
    assert results["b"].share_of_mac_ratio == pytest.approx(5)


def test_models_take_turns_in_eval_and_inference_mode():
    calls = []
    models = {name: Recorder(name, calls) for name in "ab"}
    compare_throughput(models, torch.randn(3, 8), repeats=4, warmup=2)
    assert "".join(name for name, *_ in calls) == "ab" + 2 * "ab" + 4 * "ab"  # counted, warmed up, timed
    assert all((training, inference) == (False, True) for _, training, inference in calls)
    assert all(model.training for model in models.values())


def test_min_seconds_adds_turns(monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: next(clock))
    results = compare_throughput({"a": nn.Linear(8, 2)}, torch.randn(1, 8), repeats=1, warmup=0, min_seconds=30)
    assert results["a"].repeats == 10  # a turn reads this clock three times


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": {}}, r"`models` must hold at least one model, got none\."),
        ({"models": {"a": nn.Identity()}}, r"`models\['a'\]` must do at least one multiply-accumulate, got 0\."),
        ({"input_values": torch.zeros(0, 8)}, r"`input_values` must hold at least one clip, got shape \(0, 8\)\."),
        ({"repeats": 0}, r"`repeats` must be at least 1, got 0\."),
        ({"warmup": -1}, r"`warmup` must be at least 0, got -1\."),
        ({"min_seconds": -0.5}, r"`min_seconds` must be finite and at least 0, got -0\.5\."),
        ({"min_seconds": float("inf")}, r"`min_seconds` must be finite and at least 0, got inf\."),
    ],
)
def test_meaningless_comparisons_are_refused(change, message):
    arguments = {"models": {"a": nn.Linear(8, 2)}, "input_values": torch.zeros(1, 8)} | change
    with pytest.raises(ValueError, match=message):
        compare_throughput(**arguments)


def test_agreement_is_the_slow_arithmetic():
    reference = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    logits = torch.randn(7, 5, generator=torch.Generator().manual_seed(1))
    same, divergence = 0, 0.0
    for expected, got in zip(reference.double().softmax(-1), logits.double().softmax(-1), strict=True):
        same += int(expected.argmax() == got.argmax())
        divergence += sum(float(p * (p / q).log()) for p, q in zip(expected, got, strict=True))
    result = agreement(reference, logits)
    assert result.top_answer == pytest.approx(same / 7)
    assert result.mean_kl == pytest.approx(divergence / 7)
    assert result.to_dict() == {"top_answer": result.top_answer, "mean_kl": result.mean_kl}


def test_a_model_agrees_with_itself():
    logits = torch.randn(4, 3).half()
    assert agreement(logits, logits).to_dict() == {"top_answer": 1.0, "mean_kl": 0.0}


@pytest.mark.parametrize("shape", [(4, 2), (3, 3), (3,), (0, 3)])
def test_logits_of_other_clips_or_labels_are_refused(shape):
    reference = torch.zeros(0, 3) if shape == (0, 3) else torch.zeros(4, 3)
    with pytest.raises(ValueError, match=r"`logits` must have the shape \(clips, labels\) of `reference_logits`, got"):
        agreement(reference, torch.zeros(shape))


def test_counting_leaves_a_model_as_it_was():
    model = tiny_ast().eval()
    input_values = torch.randn(1, 64, 32)
    before = model(input_values).logits
    count_macs(model, input_values)
    assert torch.equal(model(input_values).logits, before)
