import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from fastast_hf.evaluation.peak_memory import peak_memory_mib

MIB = 2**20 // 4  # float32 numbers in a MiB


def test_on_a_cpu_what_is_held_at_once_counts(capfd):
    def forward(input_values):
        first, second = torch.empty(4 * MIB), torch.empty(4 * MIB)  # 8 MiB
        del first
        third = torch.empty(2 * MIB)  # 6
        return second + 1, third  # 10

    assert peak_memory_mib(forward, torch.zeros(1)) == pytest.approx(10, abs=0.01)
    assert capfd.readouterr() == ("", "")  # the profiler's library likes to talk


def test_input_and_what_was_there_before_do_not_count():
    weights, input_values = torch.zeros(4 * MIB), torch.zeros(4 * MIB)
    assert peak_memory_mib(lambda x: (x + weights).sum(), input_values) == pytest.approx(4, abs=0.01)


def test_a_workspace_inside_an_operator_counts():
    left, right = torch.zeros(MIB, 2), torch.zeros(2, MIB).T
    # the transposed one is made contiguous inside, and given back at once
    assert peak_memory_mib(lambda x: torch.cdist(left[:8], right), torch.zeros(1)) > 8.5


def test_on_cuda_the_allocator_keeps_count(monkeypatch):
    with FakeTensorMode():
        input_values = torch.empty(1, device="cuda")
    calls = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: calls.append("reset"))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 2 * 2**20)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 5 * 2**20)
    assert peak_memory_mib(lambda x: calls.append("forward"), input_values) == 3
    assert calls == ["reset", "forward"]


@pytest.mark.parametrize(("device", "runtime"), [("cpu", "onnxruntime"), ("cuda", "compiled"), ("mps", "eager")])
def test_where_nobody_keeps_count_nothing_is_claimed(device, runtime):
    with FakeTensorMode():
        input_values = torch.empty(1, device=device)
    assert peak_memory_mib(lambda x: pytest.fail("it need not run"), input_values, runtime=runtime) is None
