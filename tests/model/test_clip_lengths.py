"""Clips of different lengths in one batch: each answers as it does alone."""

import pytest
import torch

from fastast_hf import FastASTForAudioClassification
from fastast_hf.model.clip_lengths import plan_merges_of_clips, real_tokens, real_tokens_first
from fastast_hf.model.merge_schedule import plan_merges
from tests.conftest import tiny_ast, tiny_config, tiny_input, tiny_model

SCHEDULES = [
    {},
    {"merge_ratio": 0.1},
    {"merge_ratio": 0.25},
    {"merge_ratio": [0.5, 0, 0.3]},
    {"tokens_merged_per_layer": 4},
    {"tokens_merged_per_layer": [6, 0, 5]},
]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
both_attentions = pytest.mark.parametrize("attention", ["eager", "sdpa"])

# Shorter than a patch, exactly one, one frame before a second one, ..., all.
LENGTHS = torch.tensor([3, 16, 25, 26, 50, 71, 95, 96])


def batch_of_lengths(padding=0.0):
    x = tiny_input(len(LENGTHS))
    for clip, length in enumerate(LENGTHS.tolist()):
        x[clip, max(length, 16) :] = padding  # what a clip shorter than a patch ends with is part of its patches
    return x


@pytest.mark.parametrize("num_frames", range(1, 97))
def test_a_patch_is_real_that_lies_wholly_inside(num_frames):
    config = tiny_config()
    (mask,) = real_tokens(torch.tensor([num_frames]), config.patch_grid, patch_size=16, time_stride=10).tolist()
    for row in range(3):
        for column in range(9):
            inside = 10 * column + 16 <= num_frames
            assert mask[2 + 9 * row + column] == (inside or column == 0)
    assert mask[:2] == [True, True]


def test_real_tokens_come_first_in_their_order():
    is_real = torch.tensor([[True, True, True, False, True, False], [False, True, False, False, False, True]])
    assert real_tokens_first(is_real).tolist() == [[0, 1, 2, 4, 3, 5], [0, 1, 5, 2, 3, 4]]


@every_schedule
def test_the_plan_of_many_clips_is_that_of_each(schedule):
    schedule = {"merge_ratio": 0.0, "tokens_merged_per_layer": None} | schedule
    num_patches = torch.arange(1300)
    together = torch.stack(plan_merges_of_clips(num_patches, 3, **schedule), dim=1)
    alone = [plan_merges(count, 3, **schedule).tokens_merged for count in num_patches.tolist()]
    assert together.tolist() == [list(merges) for merges in alone]


def test_rounding_is_the_same_for_many_clips():
    num_patches = torch.arange(1300)
    for ratio in (0.29, 0.1, 1 / 3, 0.07, 0.5):
        schedule = {"merge_ratio": ratio, "tokens_merged_per_layer": None}
        together = torch.stack(plan_merges_of_clips(num_patches, 12, **schedule), dim=1)
        assert together.tolist() == [list(plan_merges(n, 12, **schedule).tokens_merged) for n in range(1300)]


@every_schedule
@both_attentions
@pytest.mark.parametrize("proportional", [True, False])
def test_a_clip_answers_alone_as_in_a_batch(schedule, attention, proportional):
    model = tiny_model(attention=attention, proportional_attention=proportional, **schedule)
    with torch.no_grad():
        together = model(batch_of_lengths(), num_frames=LENGTHS, output_token_sources=True)
        for clip, length in enumerate(LENGTHS.tolist()):
            frames = max(length, 16)
            alone = model(batch_of_lengths()[clip : clip + 1, :frames], output_token_sources=True)
            torch.testing.assert_close(together.logits[clip], alone.logits[0], rtol=1e-4, atol=1e-4)
            if not schedule:
                continue  # nothing merges, so nothing moves: tokens stay where the grid has them
            real = together.token_sources[clip] >= 0
            assert together.token_sources[clip][real].tolist() == alone.token_sources[0].tolist()
            count = alone.token_sizes.shape[1]
            assert together.token_sizes[clip, :count].tolist() == alone.token_sizes[0].tolist()
            assert not together.token_sizes[clip, count:].any()


@every_schedule
def test_what_stands_in_the_padding_changes_nothing(schedule):
    model = tiny_model(**schedule)
    with torch.no_grad():
        expected = model(batch_of_lengths(), num_frames=LENGTHS).logits
        for padding in (-5.0, 50.0):
            found = model(batch_of_lengths(padding), num_frames=LENGTHS).logits
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@every_schedule
def test_more_padding_changes_nothing(schedule):
    model, x = tiny_model(**schedule), batch_of_lengths()[:5]
    with torch.no_grad():
        short = model(x[:, :50], num_frames=LENGTHS[:5]).logits
        torch.testing.assert_close(model(x, num_frames=LENGTHS[:5]).logits, short, rtol=1e-4, atol=1e-4)


def test_the_order_of_the_clips_does_not_matter():
    model, x = tiny_model(merge_ratio=0.25), batch_of_lengths()
    with torch.no_grad():
        expected = model(x, num_frames=LENGTHS).logits.flip(0)
        torch.testing.assert_close(model(x.flip(0), num_frames=LENGTHS.flip(0)).logits, expected, rtol=1e-4, atol=1e-4)


def test_without_merging_it_is_ast_with_a_mask():
    x, config = batch_of_lengths(), tiny_config()
    mask = real_tokens(LENGTHS, config.patch_grid, patch_size=16, time_stride=10)
    expected = tiny_ast()(x, attention_mask=mask)
    assert torch.equal(tiny_model()(x, num_frames=LENGTHS).logits, expected.logits)


def test_a_short_spectrogram_uses_the_first_columns_of_the_position_grid():
    model = tiny_model()
    embeddings = model.audio_spectrogram_transformer.embeddings
    x = tiny_input(num_frames=46)
    whole = torch.cat([x, torch.zeros(2, 50, 36)], dim=1)
    special, grid = embeddings(whole).split([2, 27], dim=1)
    expected = torch.cat([special, grid.unflatten(1, (3, 9))[:, :, :4].flatten(1, 2)], dim=1)
    torch.testing.assert_close(embeddings(x), expected)


@every_schedule
def test_frames_that_are_all_there_are_no_padding(schedule):
    model, x = tiny_model(**schedule), tiny_input()
    assert torch.equal(model(x, num_frames=torch.tensor([96, 96])).logits, model(x).logits)


@every_schedule
def test_gradients_are_those_of_the_clips_alone(schedule):
    labels = torch.arange(len(LENGTHS)) % 5
    model = tiny_model(**schedule).train()
    model(batch_of_lengths(), num_frames=LENGTHS, labels=labels).loss.backward()
    together = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    for clip, length in enumerate(LENGTHS.tolist()):
        x = batch_of_lengths()[clip : clip + 1, : max(length, 16)]
        (model(x, labels=labels[clip : clip + 1]).loss / len(LENGTHS)).backward()
    for gradient, parameter in zip(together, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_takes_lengths(dtype):
    model = tiny_model(merge_ratio=0.25).to(dtype)
    with torch.no_grad():
        assert model(batch_of_lengths().to(dtype), num_frames=LENGTHS).logits.isfinite().all()


def test_one_graph_serves_all_lengths_of_a_batch():
    torch._dynamo.reset()
    model, x = tiny_model(merge_ratio=0.25), batch_of_lengths()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager", dynamic=False)
    with torch.no_grad(), torch._dynamo.config.patch(error_on_recompile=True):
        for lengths in (LENGTHS, LENGTHS.flip(0), torch.full_like(LENGTHS, 96)):
            expected = model(x, num_frames=lengths).logits
            torch.testing.assert_close(compiled(x, num_frames=lengths).logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("ratio", [0, 0.25])
def test_a_compiled_model_takes_other_lengths(ratio):
    torch._dynamo.reset()
    model = tiny_model(merge_ratio=ratio)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        for length in (96, 50, 71, 16, 30):
            x = tiny_input(num_frames=length)
            torch.testing.assert_close(compiled(x).logits, model(x).logits, rtol=1e-4, atol=1e-4)


def test_a_published_checkpoint_takes_short_clips(tmp_path):
    tiny_ast().save_pretrained(tmp_path)
    model = FastASTForAudioClassification.from_pretrained(tmp_path, merge_ratio=0.25)
    assert model(tiny_input(num_frames=40), num_frames=torch.tensor([40, 30])).logits.isfinite().all()


@pytest.mark.parametrize(
    ("num_frames", "message"),
    [
        (
            torch.tensor([96, 97]),
            r"`num_frames` must be between 1 and the 96 frames of `input_values`, got 96 to 97\. Take",
        ),
        (torch.tensor([0, 96]), r"`num_frames` must be between 1 and the 96 frames .*, got 0 to 96\. Take"),
        (torch.tensor([96]), r"`num_frames` must be \(2,\) integers, one a clip, got \(1,\) torch\.int64\. Take"),
        (torch.tensor([96.0, 40.0]), r"`num_frames` must be \(2,\) integers, one a clip, got \(2,\) torch\.float32"),
    ],
)
def test_lengths_that_cannot_be_are_refused(num_frames, message):
    with pytest.raises(ValueError, match=message):
        tiny_model()(tiny_input(), num_frames=num_frames)


def test_lengths_and_a_mask_together_are_refused():
    with pytest.raises(ValueError, match=r"`attention_mask` must be None with `num_frames`, got both\. Each"):
        tiny_model()(tiny_input(), num_frames=torch.tensor([96, 40]), attention_mask=torch.ones(2, 29))
