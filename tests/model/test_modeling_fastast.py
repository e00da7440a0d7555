"""The model against stock AST, against a slow twin in plain loops, and in every way that people run a model."""

import copy
import re

import pytest
import torch

from fastast_hf import FastASTConfig, FastASTModel
from tests.conftest import tiny_ast, tiny_input, tiny_model
from tests.model.twins import (
    PATCHES,
    SPECIAL,
    STOCK,
    both_attentions,
    both_classes,
    every_schedule,
    naive_forward,
    time_mask,
)

# What it computes


@both_attentions
@pytest.mark.parametrize("proportional", [True, False])
@every_schedule
def test_the_model_equals_the_naive_twin(schedule, proportional, attention):
    model = tiny_model(attention=attention, proportional_attention=proportional, **schedule)
    x = tiny_input(3)
    with torch.no_grad():
        output = model(x, output_token_sources=True)
        for clip in range(3):
            logits, sources, sizes = naive_forward(model, model.base_model.embeddings(x[clip : clip + 1])[0])
            torch.testing.assert_close(output.logits[clip], logits, rtol=1e-4, atol=1e-4)
            assert torch.equal(output.token_sources[clip], sources)
            assert torch.equal(output.token_sizes[clip], sizes)


@both_attentions
@pytest.mark.parametrize("mask", [None, torch.ones(2, 29), time_mask(6), time_mask(6).bool()], ids=str)
def test_at_ratio_zero_the_logits_are_those_of_ast_to_the_last_bit(mask, attention):
    x = tiny_input()
    expected = tiny_ast(attention=attention)(x, attention_mask=mask, output_hidden_states=True)
    output = tiny_model(attention=attention)(x, attention_mask=mask, output_hidden_states=True)
    assert torch.equal(output.logits, expected.logits)
    for ours, theirs in zip(output.hidden_states, expected.hidden_states, strict=True):
        assert torch.equal(ours, theirs)
    model = tiny_model(attention=attention, tokens_merged_per_layer=0, proportional_attention=False)
    assert torch.equal(model(x, attention_mask=mask).logits, expected.logits)


@both_attentions
@every_schedule
def test_identical_patches_give_the_logits_of_ast_with_proportional_attention_only(schedule, attention):
    fast, ast = tiny_model(attention=attention, **schedule), tiny_ast(attention=attention)
    with torch.no_grad():
        for model in (fast, ast):
            model.base_model.embeddings.position_embeddings[:, SPECIAL:] = 0.0
        x = torch.full((2, 96, 36), 0.7)
        expected = ast(x).logits
        torch.testing.assert_close(fast(x).logits, expected, rtol=1e-4, atol=1e-4)
        fast.config.proportional_attention = False
        assert (fast(x).logits - expected).abs().max() > 1e-2


@both_attentions
def test_a_clip_has_the_same_logits_alone_and_in_a_batch(attention):
    model, x = tiny_model(attention=attention, merge_ratio=0.25), tiny_input(5)
    with torch.no_grad():
        together = model(x).logits
        alone = torch.cat([model(clip[None]).logits for clip in x])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_the_same_call_twice_gives_the_same_answer():
    model, x = tiny_model(merge_ratio=0.25), tiny_input()
    before = {name: sorted(vars(module)) for name, module in model.named_modules()}
    first = model(x, output_token_sources=True)
    model(tiny_input(1, seed=7))
    second = model(x, output_token_sources=True)
    for name in ("logits", "token_sources", "token_sizes"):
        assert torch.equal(first[name], second[name])
    assert {name: sorted(vars(module)) for name, module in model.named_modules()} == before


# What it returns


@both_classes
@every_schedule
def test_token_sources_say_where_every_patch_went(schedule, model_class):
    model = tiny_model(model_class, **schedule)
    output = model(tiny_input(3), output_token_sources=True)
    num_tokens = model.config.merge_schedule().tokens_left[-1]
    assert output.token_sources.shape == (3, PATCHES)
    assert output.token_sources.dtype == torch.int64
    assert output.token_sizes.shape == (3, num_tokens)
    assert output.token_sizes.dtype == torch.float32
    assert torch.equal(output.token_sizes[:, :SPECIAL], torch.ones(3, SPECIAL))
    for sources, sizes in zip(output.token_sources, output.token_sizes, strict=True):
        assert torch.equal(sources.bincount(minlength=num_tokens)[SPECIAL:].float(), sizes[SPECIAL:])
    plain = model(tiny_input(3))
    assert plain.token_sources is None
    assert plain.token_sizes is None


def test_without_merging_every_patch_is_its_own_token():
    output = tiny_model()(tiny_input(2), output_token_sources=True)
    assert output.token_sources.tolist() == [list(range(SPECIAL, SPECIAL + PATCHES))] * 2
    assert torch.equal(output.token_sizes, torch.ones(2, SPECIAL + PATCHES))


@both_classes
@every_schedule
def test_hidden_states_and_attentions_follow_the_schedule(schedule, model_class):
    model = tiny_model(model_class, attention="eager", **schedule)
    output = model(tiny_input(2), output_hidden_states=True, output_attentions=True)
    tokens = [SPECIAL + PATCHES, *model.config.merge_schedule().tokens_left]
    assert [tuple(states.shape) for states in output.hidden_states] == [(2, n, 32) for n in tokens]
    assert [tuple(weights.shape) for weights in output.attentions] == [(2, 2, n, n) for n in tokens[:-1]]
    for weights in output.attentions:
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


@both_classes
@pytest.mark.parametrize("asked", [{}, {"output_hidden_states": True}, {"output_attentions": True}])
def test_a_tuple_is_returned_as_ast_returns_it(asked, model_class):
    ours, theirs = tiny_model(model_class, attention="eager"), tiny_ast(STOCK[model_class], attention="eager")
    x = tiny_input()
    pairs = [(ours(x, return_dict=False, **asked), theirs(x, return_dict=False, **asked))]
    if model_class is FastASTModel:  # stock ASTForAudioClassification itself cannot take it from the configuration
        ours.config.return_dict = theirs.config.return_dict = False
        pairs.append((ours(x, **asked), theirs(x, **asked)))
    for output, expected in pairs:
        assert isinstance(output, tuple)
        assert len(output) == len(expected)
        assert torch.equal(output[0], expected[0])


@pytest.mark.parametrize(
    ("problem_type", "num_labels", "labels"),
    [
        (None, 5, torch.tensor([0, 4])),
        ("single_label_classification", 5, torch.tensor([1, 2])),
        ("multi_label_classification", 5, torch.tensor([[0, 1, 1, 0, 0], [0.5, 0, 0, 0, 1]])),
        ("regression", 1, torch.tensor([0.5, -1.0])),
    ],
)
def test_the_loss_is_that_of_ast(problem_type, num_labels, labels):
    fields = {"problem_type": problem_type, "id2label": {i: str(i) for i in range(num_labels)}, "label2id": None}
    output = tiny_model(**fields)(tiny_input(), labels=labels)
    expected = tiny_ast(**fields)(tiny_input(), labels=labels)
    assert torch.equal(output.loss, expected.loss)
    merged = tiny_model(merge_ratio=0.25, **fields)(tiny_input(), labels=labels)
    assert merged.loss.isfinite()
    assert merged.loss != expected.loss


# What it refuses, and what it bears


@both_classes
def test_a_stock_configuration_is_refused_with_the_way_out(model_class):
    config = tiny_ast().config
    with pytest.raises(TypeError, match=r"`config` must be a FastASTConfig, got ASTConfig\. Make one with"):
        model_class(config)
    fast = FastASTConfig.from_dict(config.to_dict())
    assert fast.model_type == "fastast"
    model_class(fast)


@both_classes
def test_another_length_is_refused_with_the_way_out(model_class):
    model = tiny_model(model_class)
    for num_frames, num_mel_bins in ((106, 36), (15, 36), (96, 56), (96, 16)):
        message = (
            "`input_values` must have from 16 to 96 frames and 36 mel bins, "
            rf"got {num_frames} and {num_mel_bins}\. Give the feature extractor"
        )
        with pytest.raises(ValueError, match=message):
            model(torch.zeros(2, num_frames, num_mel_bins))
    assert model(tiny_input(num_frames=97))[0].isfinite().all(), "the same patches are the same input"


def test_a_mask_says_kept_or_not_whatever_its_numbers():
    model, x = tiny_model(merge_ratio=0.25), tiny_input()
    mask = torch.ones(2, 29, dtype=torch.int64)
    mask[:, 20:] = 0
    expected = model(x, attention_mask=mask).logits
    for other in (mask.bool(), mask.float() * 0.5, mask * 7):
        assert torch.equal(model(x, attention_mask=other).logits, expected)


def test_a_model_without_memory_gives_shapes():
    model = tiny_model(merge_ratio=0.25).to("meta")
    assert model(tiny_input().to("meta")).logits.shape == (2, 5)


# Another schedule on a loaded model


@both_classes
def test_the_schedule_of_a_loaded_model_can_be_changed(model_class):
    model, x = tiny_model(model_class), tiny_input()

    def tokens_left():
        return model(x, output_token_sources=True).token_sizes.shape[1]

    assert tokens_left() == 29
    model.set_merge_ratio(0.5)
    assert tokens_left() == 2 + 27 - 13 - 7 - 3
    model.set_tokens_merged_per_layer(4)
    assert tokens_left() == 29 - 12
    assert (model.config.merge_ratio, model.config.tokens_merged_per_layer) == (0.0, 4)
    model.set_tokens_merged_per_layer((1, 0, 2))
    assert tokens_left() == 29 - 3
    model.set_merge_ratio([0.0, 0.5, 0.0])
    assert tokens_left() == 29 - 13
    assert model.config.tokens_merged_per_layer is None
    model.config.merge_ratio = 0.25
    assert tokens_left() == 2 + 27 - 6 - 5 - 4
    model.set_merge_ratio(0)
    assert torch.equal(model(x)[0], tiny_ast(STOCK[model_class])(x)[0])


@both_classes
@pytest.mark.parametrize("old", [{"merge_ratio": 0.25}, {"tokens_merged_per_layer": [3, 2, 1]}], ids=str)
def test_a_bad_schedule_leaves_the_model_as_it_was(old, model_class):
    model, x = tiny_model(model_class, **old), tiny_input()
    before = model(x)[0]
    with pytest.raises(ValueError, match=r"`merge_ratio` must be between 0 and 0.5, got 0.6 at layer 2"):
        model.set_merge_ratio([0.1, 0.1, 0.6])
    with pytest.raises(ValueError, match=r"`tokens_merged_per_layer` must be at most half .* got 14 at layer 0"):
        model.set_tokens_merged_per_layer([14, 0, 0])
    with pytest.raises((TypeError, ValueError), match="`tokens_merged_per_layer` must be an int"):
        model.set_tokens_merged_per_layer(0.25)
    assert torch.equal(model(x)[0], before)


def test_a_copy_of_a_model_has_a_schedule_of_its_own():
    model = tiny_model(merge_ratio=0.25)
    twin = copy.deepcopy(model)
    twin.set_merge_ratio(0.0)
    assert model(tiny_input(), output_token_sources=True).token_sizes.shape[1] == 14
    assert twin(tiny_input(), output_token_sources=True).token_sizes.shape[1] == 29


# Attention functions


@pytest.mark.parametrize("implementation", ["flash_attention_2", "flash_attention_3", "flex_attention"])
@pytest.mark.parametrize("mask", [None, torch.ones(2, 29)], ids=["no mask", "mask"])
def test_an_attention_that_takes_no_bias_is_refused(implementation, mask):
    model = tiny_model(merge_ratio=0.25, proportional_attention=mask is None)
    model.config._attn_implementation = implementation
    message = (
        "`attn_implementation` must be one of eager, sdpa to merge tokens, got " + implementation + ", which takes no "
        'bias for the token sizes or the padding. Load the model with `attn_implementation="sdpa"`, or set '
        "`proportional_attention=False` and give no mask."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        model(tiny_input(), attention_mask=mask)
