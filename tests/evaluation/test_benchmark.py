import json

import pytest
import torch
from torch import nn

from fastast_hf.evaluation import benchmark
from fastast_hf.evaluation.benchmark import Row, compare_throughput
from fastast_hf.evaluation.macs import count_macs
from fastast_hf.evaluation.runtimes import eager_forward
from tests.evaluation.test_macs import ast_macs, tiny_ast


class Clock:
    """Time that passes only where a row lets it, and where nothing else is done about it."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.slept = []
        monkeypatch.setattr(benchmark, "perf_counter", lambda: self.now)
        monkeypatch.setattr(benchmark.time, "sleep", self.slept.append)
        monkeypatch.setattr(benchmark, "peak_memory_mib", lambda forward, input_values, runtime: None)

    def row(self, seconds, *, macs=1, shape=(6, 8), runtime="eager"):
        """A row that takes these seconds, call by call."""
        seconds = iter(seconds)

        def forward(input_values):
            self.now += next(seconds)

        return Row(forward, torch.zeros(shape), macs, runtime)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def row(shape=(1, 8), macs=16):
    return Row(nn.Linear(8, 2), torch.zeros(shape), macs)


def test_results_put_work_and_time_in_proportion():
    models = {"deep": tiny_ast(num_hidden_layers=4).eval(), "shallow": tiny_ast(num_hidden_layers=1).eval()}
    input_values = torch.randn(2, 64, 32)
    rows = {
        name: Row(eager_forward(model), input_values, count_macs(model, input_values))
        for name, model in models.items()
    }
    results = compare_throughput(rows, repeats=3, warmup=1)

    assert list(results) == ["deep", "shallow"]
    work = {name: ast_macs(model.config, 64) for name, model in models.items()}
    for name, result in results.items():
        assert (result.runtime, result.dtype, result.num_frames) == ("eager", "float32", 64)
        assert (result.batch_size, result.repeats) == (2, 3)
        assert result.gmacs_per_clip == pytest.approx(work[name] / 1e9)
        assert result.mac_ratio == pytest.approx(work["deep"] / work[name])
        assert result.clips_per_second == pytest.approx(2 * 1000 / result.latency_ms)
        assert result.share_of_mac_ratio == pytest.approx(result.speed_up / result.mac_ratio)
        assert result.latency_iqr_ms >= 0
        assert result.peak_memory_mib > 0
    assert results["deep"].speed_up == 1
    assert json.loads(json.dumps(results["shallow"].to_dict()))["repeats"] == 3


def test_statistics_are_medians_over_the_turns(clock):
    rows = {
        "a": clock.row([1.0, 9.0, 2.0, 3.0, 4.0], macs=64),
        "b": clock.row([0.1, 0.4, 0.2, 0.3, 0.1], macs=32),
    }
    results = compare_throughput(rows, repeats=5, warmup=0)
    assert results["a"].latency_ms == pytest.approx(3000)  # of 1, 2, 3, 4, 9 seconds
    assert results["a"].latency_iqr_ms == pytest.approx(2000)
    assert results["a"].clips_per_second == pytest.approx(2)
    assert results["b"].speed_up == pytest.approx(10)  # of 10, 22.5, 10, 10, 40
    assert (results["b"].speed_up_low, results["b"].speed_up_high) == pytest.approx((10, 22.5))
    assert results["a"].speed_up_low == results["a"].speed_up_high == 1
    assert results["b"].mac_ratio == pytest.approx(2)
    assert results["b"].share_of_mac_ratio == pytest.approx(5)


def test_what_slows_the_machine_for_some_turns_falls_out_of_the_speed_up(clock):
    # b is twice as fast. The machine is slow from the middle of the second turn on, and the medians of both are 2 seconds.
    rows = {"a": clock.row([2.0, 2.0, 8.0]), "b": clock.row([1.0, 2.0, 4.0])}
    results = compare_throughput(rows, repeats=3, warmup=0)
    assert results["a"].latency_ms == results["b"].latency_ms
    assert results["b"].speed_up == pytest.approx(2)


def test_rows_take_turns_without_gradients(monkeypatch):
    calls = []
    monkeypatch.setattr(benchmark, "peak_memory_mib", lambda forward, input_values, runtime: forward(input_values))

    def recorder(name):
        return Row(lambda _: calls.append((name, torch.is_inference_mode_enabled())), torch.zeros(3, 8), 1)

    compare_throughput({name: recorder(name) for name in "abc"}, repeats=4, warmup=2)
    timed = "abc" + "bca" + "cab" + "abc"  # none is always the first, nor behind the same one
    assert "".join(name for name, _ in calls) == 2 * "abc" + "abc" + timed  # warmed up, memory, timed
    assert all(is_inference for _, is_inference in calls)


def test_min_seconds_adds_turns(clock):
    rows = {"a": clock.row([2.0] * 50), "b": clock.row([1.0] * 50)}
    results = compare_throughput(rows, repeats=1, warmup=0, min_seconds=30)
    assert results["a"].repeats == results["b"].repeats == 10


def test_threads_of_another_runtime_get_time_to_fall_asleep(clock):
    runtimes = {"a": "eager", "b": "compiled", "c": "onnxruntime", "d": "onnxruntime"}
    rows = {name: clock.row([1.0] * 3, runtime=runtime) for name, runtime in runtimes.items()}
    results = compare_throughput(rows, repeats=3, warmup=0)
    # In abcd, bcda and cdab: whenever one of a and b meets one of c and d, over the end of a turn too.
    assert clock.slept == [0.1] * 6
    assert [result.runtime for result in results.values()] == list(runtimes.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": {}}, r"`rows` must hold at least one row, got none\."),
        ({"rows": {"a": row(macs=0)}}, r"`rows\['a'\]\.macs` must be at least 1, got 0\."),
        (
            {"rows": {"a": row((0, 8))}},
            r"`rows\['a'\]\.input_values` must hold at least one clip, got shape \(0, 8\)\.",
        ),
        ({"rows": {"a": row((8,))}}, r"`rows\['a'\]\.input_values` must hold at least one clip, got shape \(8,\)\."),
        ({"rows": {"a": row(), "b": row((2, 8))}}, r"`rows` must have batches of one size, got a: 1, b: 2\."),
        ({"repeats": 0}, r"`repeats` must be at least 1, got 0\."),
        ({"warmup": -1}, r"`warmup` must be at least 0, got -1\."),
        ({"min_seconds": -0.5}, r"`min_seconds` must be finite and at least 0, got -0\.5\."),
        ({"min_seconds": float("inf")}, r"`min_seconds` must be finite and at least 0, got inf\."),
    ],
)
def test_meaningless_comparisons_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        compare_throughput(**({"rows": {"a": row()}} | change))
