"""A mask, one entry a token, is merged with the tokens: the model computes as if the padding were not there."""

import copy
from itertools import pairwise

import pytest
import torch

from fastast_hf import FastASTModel
from tests.conftest import tiny_input, tiny_model
from tests.model.twins import naive_forward

SPECIAL = 2
PATCHES = 27
SCHEDULES = [
    {"merge_ratio": 0.25},
    {"merge_ratio": 0.5},
    {"merge_ratio": [0.0, 0.5, 0.2]},
    {"tokens_merged_per_layer": 4},
    {"tokens_merged_per_layer": [13, 0, 7]},
]

both_attentions = pytest.mark.parametrize("attention", ["eager", "sdpa"])
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=str)


def mixed_masks():
    """Five clips: whole, cut at its end, cut at its start, full of holes, and one patch alone."""
    patches = torch.ones(5, PATCHES, dtype=torch.int64)
    patches.view(5, 3, 9)[1, :, 6:] = 0
    patches.view(5, 3, 9)[2, :, :4] = 0
    patches[3] = torch.rand(PATCHES, generator=torch.Generator().manual_seed(3)) < 0.4
    patches[4, 1:] = 0
    return torch.cat([torch.ones(5, SPECIAL, dtype=torch.int64), patches], dim=1)


class TokensIn:
    """Run a model on embeddings (batch, tokens, hidden) in place of those that it makes of its input."""

    def __init__(self, model, tokens):
        self.hook = model.base_model.embeddings.register_forward_hook(lambda *_: tokens)

    def __enter__(self): ...

    def __exit__(self, *_):
        self.hook.remove()


def tokens_of(model, input_values):
    with torch.no_grad():
        return model.base_model.embeddings(input_values)


def run_on(model, tokens, mask, **kwargs):
    input_values = tiny_input(len(tokens)).to(tokens.dtype)
    with TokensIn(model, tokens):
        return model(input_values, attention_mask=mask, **kwargs)


@both_attentions
@pytest.mark.parametrize("proportional", [True, False])
@every_schedule
def test_the_model_equals_the_naive_twin(schedule, proportional, attention):
    model, mask = tiny_model(attention=attention, proportional_attention=proportional, **schedule), mixed_masks()
    x = tiny_input(5)
    with torch.no_grad():
        output = model(x, attention_mask=mask, output_token_sources=True)
        for clip, tokens in enumerate(tokens_of(model, x)):
            logits, _, sizes = naive_forward(model, tokens[mask[clip].bool()])
            torch.testing.assert_close(output.logits[clip], logits, rtol=1e-4, atol=1e-4)
            assert torch.equal(output.token_sizes[clip, : len(sizes)], sizes)
            assert not output.token_sizes[clip, len(sizes) :].any()


# As if the padding were not there


@both_attentions
@pytest.mark.parametrize("proportional", [True, False])
@every_schedule
def test_a_padded_clip_is_the_shorter_clip(schedule, proportional, attention):
    """The last row of nine patches is padding, beside a model that has no such row."""
    fields = {"attention": attention, "proportional_attention": proportional}
    padded = tiny_model(**fields, **schedule)
    short = tiny_model(num_mel_bins=26, **fields)
    short.config.__dict__.update(schedule)  # unchecked: one of the lists asks a short clip for more than it has
    state = padded.state_dict()
    name = next(key for key in state if key.endswith("position_embeddings"))
    short.load_state_dict(state | {name: state[name][:, : SPECIAL + 18]})
    mask = torch.ones(3, SPECIAL + PATCHES)
    mask[:, -9:] = 0
    x = tiny_input(3)
    with torch.no_grad():
        output = padded(x, attention_mask=mask, output_token_sources=True)
        expected = short(x[..., :26], output_token_sources=True)
    torch.testing.assert_close(output.logits, expected.logits, rtol=1e-4, atol=1e-5)
    assert torch.equal(output.token_sources[:, :18], expected.token_sources)
    assert torch.equal(output.token_sizes[:, : expected.token_sizes.shape[1]], expected.token_sizes)
    assert torch.equal(output.token_sizes[:, -1], torch.zeros(3))


@both_attentions
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@every_schedule
def test_what_padding_holds_changes_no_bit(schedule, dtype, attention):
    model, mask = tiny_model(attention=attention, **schedule).to(dtype), mixed_masks()
    tokens = tokens_of(model, tiny_input(5).to(dtype))
    with torch.no_grad():
        expected = run_on(model, tokens, mask)
        for value in (0.0, -7.0, 1e4):
            masked = tokens.masked_fill(mask[..., None] == 0, value)
            assert torch.equal(run_on(model, masked, mask).logits, expected.logits)
        noise = 30 * torch.randn(tokens.shape, generator=torch.Generator().manual_seed(9)).to(dtype)
        masked = torch.where(mask[..., None] == 0, noise, tokens)
        assert torch.equal(run_on(model, masked, mask).logits, expected.logits)
        unmasked = torch.where(mask[..., None] == 0, tokens, noise)
        assert not torch.equal(run_on(model, unmasked, mask).logits, expected.logits)


@both_attentions
@every_schedule
def test_a_clip_has_the_same_logits_alone_and_among_other_masks(schedule, attention):
    model, mask, x = tiny_model(attention=attention, **schedule), mixed_masks(), tiny_input(5)
    with torch.no_grad():
        together = model(x, attention_mask=mask).logits
        for clip in range(5):
            alone = model(x[clip : clip + 1], attention_mask=mask[clip : clip + 1]).logits
            torch.testing.assert_close(together[clip : clip + 1], alone, rtol=1e-4, atol=1e-5)
    assert all((one - other).abs().max() > 1e-2 for one, other in pairwise(together))


@both_attentions
@every_schedule
def test_every_token_that_counts_is_counted_once(schedule, attention):
    model, mask = tiny_model(attention=attention, **schedule), mixed_masks()
    output = model(tiny_input(5), attention_mask=mask, output_token_sources=True)
    assert torch.equal(output.token_sizes.sum(1), mask.sum(1).float())
    for sources, sizes, counted in zip(output.token_sources, output.token_sizes, mask[:, SPECIAL:], strict=True):
        counts = sources[counted == 1].bincount(minlength=len(sizes))
        assert torch.equal(counts[SPECIAL:].float(), sizes[SPECIAL:])


@both_attentions
def test_a_clip_of_padding_alone_has_finite_logits(attention):
    model = tiny_model(attention=attention, merge_ratio=0.25)
    mask = torch.ones(2, SPECIAL + PATCHES)
    mask[0, SPECIAL:] = 0
    output = model(tiny_input(), attention_mask=mask, output_token_sources=True)
    assert output.logits.isfinite().all()
    assert output.token_sizes[0].tolist() == [1.0, 1.0] + [0.0] * 12


# Masks of every kind


@both_attentions
@every_schedule
def test_the_dtype_of_the_mask_changes_no_bit(schedule, attention):
    model, mask, x = tiny_model(attention=attention, **schedule), mixed_masks(), tiny_input(5)
    with torch.no_grad():
        expected = model(x, attention_mask=mask).logits
        for dtype in (torch.bool, torch.int32, torch.uint8, torch.float32, torch.bfloat16):
            assert torch.equal(model(x, attention_mask=mask.to(dtype)).logits, expected)


@both_attentions
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@every_schedule
def test_a_mask_of_ones_changes_no_bit(schedule, dtype, attention):
    model = tiny_model(FastASTModel, attention=attention, **schedule).to(dtype)
    x, ones = tiny_input().to(dtype), torch.ones(2, SPECIAL + PATCHES)
    with torch.no_grad():
        output, expected = (model(x, attention_mask=mask, output_token_sources=True) for mask in (ones, None))
    for name in ("last_hidden_state", "pooler_output", "token_sources", "token_sizes"):
        assert torch.equal(output[name], expected[name])


# Training


@both_attentions
@every_schedule
def test_gradients_flow_into_what_counts_and_never_into_padding(schedule, attention):
    model, mask = tiny_model(attention=attention, **schedule).train(), mixed_masks()
    tokens = tokens_of(model, tiny_input(5)).requires_grad_()
    run_on(model, tokens, mask, labels=torch.arange(5)).loss.backward()
    norms = tokens.grad.norm(dim=-1)
    assert torch.equal(norms > 0, mask == 1)
    assert tokens.grad.isfinite().all()
    for name, parameter in model.named_parameters():
        if "embeddings" not in name:  # the hook stands in for them
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any() or name.endswith("k_proj.bias"), name


@both_attentions
def test_gradients_are_those_of_the_clips_one_by_one(attention):
    model, mask, x = tiny_model(attention=attention, merge_ratio=0.25).train(), mixed_masks(), tiny_input(5)
    twin = copy.deepcopy(model)
    model(x, attention_mask=mask, labels=torch.arange(5)).loss.backward()
    for clip in range(5):
        one = slice(clip, clip + 1)
        (twin(x[one], attention_mask=mask[one], labels=torch.arange(5)[one]).loss / 5).backward()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)
