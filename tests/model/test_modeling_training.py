"""The model in training: gradients with and without checkpoints, low precision, and that it learns."""

import copy

import pytest
import torch

from fastast_hf import FastASTForAudioClassification
from tests.conftest import tiny_ast, tiny_input, tiny_model
from tests.model.twins import (
    SPECIAL,
    both_attentions,
    time_mask,
)


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("schedule", [{}, {"merge_ratio": 0.25}, {"tokens_merged_per_layer": 4}], ids=str)
def test_checkpointing_gives_the_same_gradients(schedule, use_reentrant):
    plain = tiny_model(**schedule).train()
    checkpointed = copy.deepcopy(plain)
    # transformers 5.24 renamed it and deprecates the old name
    renamed = hasattr(checkpointed, "activation_checkpointing_enable")
    enable = checkpointed.activation_checkpointing_enable if renamed else checkpointed.gradient_checkpointing_enable
    enable({"use_reentrant": use_reentrant})
    assert checkpointed.base_model.layers[0].gradient_checkpointing
    for model in (plain, checkpointed):
        output = model(tiny_input(), labels=torch.tensor([0, 3]), output_token_sources=True)
        output.loss.backward()
        assert output.token_sizes.shape[1] == model.config.merge_schedule().tokens_left[-1]
    for (name, ours), theirs in zip(checkpointed.named_parameters(), plain.parameters(), strict=True):
        assert theirs.grad is not None, name
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


def test_gradients_at_ratio_zero_are_those_of_ast():
    fast, ast = tiny_model().train(), tiny_ast().train()
    for model in (fast, ast):
        model(tiny_input(), labels=torch.tensor([0, 3])).loss.backward()
    for ours, theirs in zip(fast.parameters(), ast.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)


@both_attentions
@pytest.mark.parametrize("schedule", [{"merge_ratio": 0.25}, {"tokens_merged_per_layer": 4}], ids=str)
def test_training_with_merging_learns(schedule, attention):
    torch.manual_seed(0)
    config = tiny_model(**schedule, attention_probs_dropout_prob=0.1, hidden_dropout_prob=0.1).config
    model = FastASTForAudioClassification._from_config(config, attn_implementation=attention).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    x, labels = tiny_input(8), torch.arange(8) % 5
    losses = []
    for _ in range(40):
        loss = model(x, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


# Precision


@both_attentions
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("mask", [None, time_mask(6)], ids=["no mask", "mask"])
def test_half_precision_is_near_to_full(dtype, mask, attention, tmp_path):
    tiny_model(merge_ratio=0.25).save_pretrained(tmp_path)
    full = FastASTForAudioClassification.from_pretrained(tmp_path, attn_implementation=attention)
    loaded = FastASTForAudioClassification.from_pretrained(tmp_path, attn_implementation=attention, dtype=dtype)
    cast = copy.deepcopy(full).to(dtype)
    x = tiny_input()
    expected = full(x, attention_mask=mask).logits
    for model in (loaded, cast):
        assert {p.dtype for p in model.parameters()} == {dtype}
        output = model(x.to(dtype), attention_mask=mask, output_token_sources=True)
        assert output.logits.dtype == dtype
        assert output.token_sizes.dtype == torch.float32
        # one unlike match moves a logit: the size of the error, not its last digit
        assert (output.logits.float() - expected).abs().max() < 0.25 * expected.abs().max()


@both_attentions
def test_a_token_of_more_than_256_patches_is_counted_in_bfloat16(attention):
    model = tiny_model(attention=attention, merge_ratio=0.5, num_mel_bins=16, max_length=16 + 10 * 599)
    with torch.no_grad():
        model.base_model.embeddings.position_embeddings.zero_()
    output = model.to(torch.bfloat16)(torch.ones(1, 6006, 16, dtype=torch.bfloat16), output_token_sources=True)
    assert output.token_sizes.max() > 256
    assert output.token_sizes.sum() == 602
    assert output.token_sizes.dtype == torch.float32
    counts = output.token_sources[0].bincount(minlength=output.token_sizes.shape[1])
    assert torch.equal(counts[SPECIAL:].float(), output.token_sizes[0, SPECIAL:])
    assert output.logits.isfinite().all()


@both_attentions
@pytest.mark.parametrize("mask", [None, time_mask(6)], ids=["no mask", "mask"])
def test_autocast_trains_and_matches_as_full_precision_does(mask, attention):
    model = tiny_model(attention=attention, merge_ratio=0.25).train()
    x = tiny_input()
    expected = model(x, attention_mask=mask).logits
    with torch.autocast("cpu", torch.bfloat16):
        output = model(x, attention_mask=mask, labels=torch.tensor([0, 3]), output_token_sources=True)
    output.loss.backward()
    assert output.token_sizes.dtype == torch.float32
    assert (output.logits.float() - expected).abs().max() < 0.25 * expected.abs().max()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
