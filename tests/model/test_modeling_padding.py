"""Masks: what padding changes, which is nothing, and which masks are refused."""

import pytest
import torch

from tests.conftest import tiny_ast, tiny_input, tiny_model
from tests.model.twins import (
    both_attentions,
    time_mask,
)

# What it computes


@both_attentions
@pytest.mark.parametrize("proportional", [True, False])
@pytest.mark.parametrize(
    "schedule", [{"merge_ratio": 0.25}, {"merge_ratio": 0.5}, {"merge_ratio": [0, 0.5, 0.5]}], ids=str
)
def test_padding_changes_nothing(schedule, proportional, attention):
    model = tiny_model(attention=attention, proportional_attention=proportional, **schedule)
    quiet, loud, odd = tiny_input(), tiny_input(), tiny_input()
    # The first six time patches see frames 0 to 65.
    quiet[:, 66:] = 0.0
    loud[:, 66:] = 50 * tiny_input(seed=5)[:, 66:]
    odd[:, 66:] = -3.0
    with torch.no_grad():
        expected = model(quiet, attention_mask=time_mask(6)).logits
        for clip in (loud, odd):
            torch.testing.assert_close(model(clip, attention_mask=time_mask(6)).logits, expected, rtol=1e-4, atol=1e-4)


@both_attentions
def test_a_mask_of_ones_is_no_mask(attention):
    model, x = tiny_model(attention=attention, merge_ratio=0.25), tiny_input()
    expected = model(x, output_token_sources=True)
    for mask in (torch.ones(2, 29), torch.ones(2, 29, dtype=torch.bool), torch.ones(2, 29, dtype=torch.int64)):
        output = model(x, attention_mask=mask, output_token_sources=True)
        torch.testing.assert_close(output.logits, expected.logits, rtol=1e-5, atol=1e-5)
        assert torch.equal(output.token_sources, expected.token_sources)
        assert torch.equal(output.token_sizes, expected.token_sizes)


def test_sizes_count_what_is_not_padding():
    output = tiny_model(merge_ratio=0.25)(tiny_input(), attention_mask=time_mask(6), output_token_sources=True)
    assert output.token_sizes.sum(1).tolist() == [2 + 18, 2 + 18]


def test_a_mask_of_more_than_one_entry_a_token_is_refused_where_tokens_merge():
    model, x = tiny_model(merge_ratio=0.25), tiny_input()
    message = r"`attention_mask` must have the shape \(batch, tokens\).* when tokens are merged, got \(2, 1, 29, 29\)"
    with pytest.raises(ValueError, match=message):
        model(x, attention_mask=torch.zeros(2, 1, 29, 29))
    model.set_merge_ratio(0)
    assert torch.equal(model(x, attention_mask=torch.zeros(2, 1, 29, 29)).logits, tiny_ast()(x).logits)


@both_attentions
@pytest.mark.parametrize("shape", [(2, 27), (2, 96), (3, 29), (29,)])
def test_a_mask_of_another_length_is_refused_with_the_length_it_must_have(shape, attention):
    model = tiny_model(attention=attention, merge_ratio=0.25)
    with pytest.raises(ValueError, match=r"`attention_mask` must .*\(" + ", ".join(map(str, shape))):
        model(tiny_input(), attention_mask=torch.ones(shape))
