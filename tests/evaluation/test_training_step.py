"""A step of training that is measured is a step of training."""

import torch

from fastast_hf.evaluation import Row, compare_throughput, count_call_macs, count_macs, training_step
from tests.conftest import tiny_model

BATCH = torch.randn(2, 96, 36, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1])


def trained(run):
    """The weights after a few steps, and what the steps gave."""
    model = tiny_model(merge_ratio=0.2).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = run(lambda batch: model(batch, labels=LABELS).loss, optimizer)
    return losses, model.state_dict()


def by_hand(loss_of, optimizer):
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = loss_of(BATCH)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def by_steps(loss_of, optimizer):
    step = training_step(loss_of, optimizer)
    with torch.inference_mode():
        return [step(BATCH).item() for _ in range(3)]


def test_steps_train_as_by_hand_even_where_nothing_else_has_a_gradient():
    losses, weights = trained(by_steps)
    expected_losses, expected_weights = trained(by_hand)
    assert losses == expected_losses
    assert losses[0] > losses[-1]
    assert all(torch.equal(weights[name], expected) for name, expected in expected_weights.items())


def test_steps_are_rows_of_a_comparison():
    model = tiny_model().train()
    before = model.classifier.dense.weight.clone()
    step = training_step(lambda batch: model(batch, labels=LABELS).loss, torch.optim.SGD(model.parameters(), lr=0.1))
    with torch.no_grad():
        forward = model(BATCH)
    assert not forward.logits.requires_grad
    found = compare_throughput({"step": Row(step, BATCH, macs=1)}, repeats=1, warmup=1)["step"]
    assert not torch.equal(model.classifier.dense.weight, before)
    assert found.peak_memory_mib > 0


def test_the_work_of_a_step_is_that_of_forward_and_backward_through_all_but_the_input():
    layer = torch.nn.Linear(8, 4)
    step = training_step(lambda batch: layer(batch).sum(), torch.optim.SGD(layer.parameters(), lr=0.1))
    assert count_call_macs(step, torch.ones(2, 8)) == 2 * count_macs(layer, torch.ones(2, 8))
    model = tiny_model().train()
    step = training_step(lambda batch: model(batch).logits.sum(), torch.optim.SGD(model.parameters(), lr=0.1))
    assert 2.5 < count_call_macs(step, BATCH) / count_macs(model, BATCH) < 3.5
