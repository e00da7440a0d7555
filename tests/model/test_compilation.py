"""One graph: compiled and exported, a model answers as it does eagerly."""

import copy

import pytest
import torch

from tests.conftest import tiny_input, tiny_model
from tests.model.twins import time_mask


def follows(model, compiled, x=None):
    """Hold a compiled model to the same model run eagerly."""
    x = tiny_input() if x is None else x
    with torch.no_grad():
        expected, output = model(x, output_token_sources=True), compiled(x, output_token_sources=True)
    torch.testing.assert_close(output.logits, expected.logits, rtol=1e-4, atol=1e-5)
    assert torch.equal(output.token_sources, expected.token_sources)


@pytest.mark.parametrize("dynamic", [None, True])
def test_one_graph_serves_batches_of_every_size(dynamic):
    model = tiny_model(merge_ratio=0.25)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager", dynamic=dynamic)
    for batch_size in (2, 3, 5):
        follows(model, compiled, tiny_input(batch_size))


@pytest.mark.parametrize("ratio", [0, 0.25])
def test_one_graph_serves_clips_of_all_lengths_and_checks_none(ratio):
    torch._dynamo.reset()
    model, x = tiny_model(merge_ratio=ratio, num_hidden_layers=2), tiny_input()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    with torch.no_grad():
        whole = compiled(x, num_frames=torch.tensor([96, 96])).logits
        with torch.compiler.set_stance("fail_on_recompile"):
            for lengths in ([96, 40], [1, 71], [16, 16]):
                num_frames = torch.tensor(lengths)
                expected = model(x, num_frames=num_frames).logits
                torch.testing.assert_close(compiled(x, num_frames=num_frames).logits, expected, rtol=1e-4, atol=1e-4)
            assert torch.equal(compiled(x, num_frames=torch.tensor([97, 96])).logits, whole)


def test_export_keeps_the_batch_open():
    model = tiny_model(merge_ratio=0.25)
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(model, (tiny_input(2),), dynamic_shapes={"input_values": {0: batch}})
    for batch_size in (1, 5):
        x = tiny_input(batch_size)
        torch.testing.assert_close(exported.module()(x).logits, model(x).logits)


def test_one_graph_compiles_and_follows_every_schedule():
    torch._dynamo.reset()
    model = tiny_model(merge_ratio=0.25)
    # dynamic=False: dynamo would else make the ratio a symbol on the first change, and trace ten times as long
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager", dynamic=False)
    follows(model, compiled)
    model.set_merge_ratio([0.1, 0.0, 0.3])
    follows(model, compiled)
    model.set_tokens_merged_per_layer(4)
    follows(model, compiled)
    model.set_merge_ratio(0)
    follows(model, compiled)


def test_one_graph_compiles_with_the_settings_that_people_use():
    torch._dynamo.reset()
    # AST's own 600 patches: where the ratio becomes a symbol, an even number breaks dynamo's arithmetic
    model = tiny_model(attention="eager", merge_ratio=0.25, num_hidden_layers=4, num_mel_bins=128, max_length=512)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    x = torch.randn(1, 512, 128, generator=torch.Generator().manual_seed(0))
    follows(model, compiled, x)
    model.set_merge_ratio(0.5)
    follows(model, compiled, x)


def test_one_graph_compiles_with_a_mask_and_with_gradients():
    torch._dynamo.reset()
    model = tiny_model(merge_ratio=0.25).train()
    twin = copy.deepcopy(model)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    for run in (compiled, twin):
        run(tiny_input(), attention_mask=time_mask(6), labels=torch.tensor([0, 3])).loss.backward()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)
