"""Properties of whole models over shapes, lengths, dtypes and schedules, held to the naive twins.

`HYPOTHESIS_PROFILE=thorough` tries fifty times as many examples, other ones each time.
"""

import json
import os
from fractions import Fraction

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastast_hf import FastASTConfig, FastASTForAudioClassification
from fastast_hf.model.clip_lengths import plan_merges_of_clips
from fastast_hf.model.merge_schedule import plan_merges
from tests.conftest import randomize
from tests.model.test_merge_schedule import naive_plan
from tests.model.test_token_merging import naive_matching
from tests.model.twins import naive_forward

SPECIAL = 2
CLEAR = 1e-4
"""Cosines that are nearer to each other than this may change places in their last bits, and with them what merges."""

IS_THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"


def examples(number):
    return settings(deadline=None, derandomize=not IS_THOROUGH, max_examples=number * (50 if IS_THOROUGH else 1))


@st.composite
def shapes(draw):
    """Fields of a small model: any strides, mel bins and lengths, from one patch to about fifty."""
    heads = draw(st.integers(1, 3))
    patch_size = draw(st.sampled_from([8, 16]))
    return {
        "hidden_size": heads * draw(st.sampled_from([4, 8])),
        "num_attention_heads": heads,
        "intermediate_size": 16,
        "num_hidden_layers": draw(st.integers(1, 4)),
        "patch_size": patch_size,
        "frequency_stride": draw(st.integers(6, 16)),
        "time_stride": draw(st.integers(6, 16)),
        "num_mel_bins": draw(st.integers(patch_size, 40)),
        "max_length": draw(st.integers(patch_size, 80)),
        "num_labels": 3,
    }


ratios = st.integers(0, 1_000).map(lambda thousandths: thousandths / 2_000)


@st.composite
def schedules(draw, num_patches, num_layers):
    """Give a merge schedule of any of its four kinds, possible for so many patches."""
    kind = draw(st.sampled_from(["ratio", "ratios", "count", "counts"]))
    if kind == "ratio":
        return {"merge_ratio": draw(ratios)}
    if kind == "ratios":
        return {"merge_ratio": draw(st.lists(ratios, min_size=num_layers, max_size=num_layers))}
    if kind == "count":
        return {"tokens_merged_per_layer": draw(st.integers(0, num_patches))}
    counts = []
    for _ in range(num_layers):
        counts.append(draw(st.integers(0, num_patches // 2)))
        num_patches -= counts[-1]
    return {"tokens_merged_per_layer": counts}


def patches_of(fields):
    height, width = FastASTConfig(**fields).patch_grid
    return height * width


@st.composite
def models(draw):
    """Give a model of any shape and schedule, with weights that matter."""
    fields = draw(shapes())
    schedule = draw(schedules(patches_of(fields), fields["num_hidden_layers"]))
    config = FastASTConfig(**fields, **schedule, proportional_attention=draw(st.booleans()))
    attention = draw(st.sampled_from(["sdpa", "eager"]))
    model = FastASTForAudioClassification._from_config(config, attn_implementation=attention)
    return randomize(model, draw(st.integers(0, 99)))


@st.composite
def batches(draw, config):
    """Give spectrograms (batch, frames, mels) and the frames of each clip."""
    num_frames = draw(st.integers(config.patch_size, config.max_length))
    lengths = draw(st.lists(st.integers(1, num_frames), min_size=1, max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    x = torch.randn(len(lengths), num_frames, config.num_mel_bins, generator=generator)
    return x, torch.tensor(lengths)


def clear_matching(keys, merged):
    """Match as the naive twin does, where no two candidates are so alike that float32 may confuse them."""
    metric = torch.nn.functional.normalize(keys.double().mean(dim=0), dim=-1)
    similarity = metric[SPECIAL::2] @ metric[SPECIAL + 1 :: 2].T
    if merged:
        best, partner = similarity.max(dim=1)
        order = best.argsort(descending=True)
        if merged < len(order):
            assume(best[order[merged - 1]] - best[order[merged]] > CLEAR)
        if similarity.shape[1] > 1:
            others = similarity.scatter(1, partner[:, None], -2.0).amax(dim=1)
            assume((best - others)[order[:merged]].min() > CLEAR)
    return naive_matching(keys, merged)


@examples(12)
@given(data=st.data())
def test_a_clip_is_merged_as_by_the_naive_twin_alone_and_in_a_batch(data):
    model = data.draw(models())
    x, lengths = data.draw(batches(model.config))
    with torch.no_grad():
        together = model(x, num_frames=lengths, output_token_sources=True)
        for clip, length in enumerate(lengths.tolist()):
            own = x[clip : clip + 1, : max(length, model.config.patch_size)]
            logits, sources, sizes = naive_forward(model, model.base_model.embeddings(own)[0], clear_matching)
            alone = model(own, output_token_sources=True)
            torch.testing.assert_close(alone.logits[0], logits, rtol=1e-3, atol=1e-3)
            assert torch.equal(alone.token_sources[0], sources)
            assert torch.equal(alone.token_sizes[0], sizes)
            torch.testing.assert_close(together.logits[clip], logits, rtol=1e-3, atol=1e-3)
            if any(model.config.merge_schedule(x.shape[1]).tokens_merged):  # else tokens stay where the grid has them
                assert torch.equal(together.token_sizes[clip, : len(sizes)], sizes)
                assert together.token_sources[clip][together.token_sources[clip] >= 0].tolist() == sources.tolist()


@examples(12)
@given(data=st.data(), dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
def test_every_patch_is_in_one_token_in_any_dtype(data, dtype):
    model = data.draw(models()).to(dtype)
    x, lengths = data.draw(batches(model.config))
    with torch.no_grad():
        output = model(x.to(dtype), num_frames=lengths, output_token_sources=True)
    assert output.logits.dtype == dtype
    assert output.logits.isfinite().all()
    assert output.token_sizes.shape[1] == model.config.merge_schedule(x.shape[1]).tokens_left[-1]
    assert torch.equal(output.token_sizes[:, :SPECIAL], torch.ones(len(x), SPECIAL))
    for sources, sizes, length in zip(output.token_sources, output.token_sizes, lengths.tolist(), strict=True):
        frames = max(length, model.config.patch_size)
        height, width = model.config.patch_grid_of(frames, model.config.num_mel_bins)
        assert sizes.sum() == SPECIAL + height * width
        counted = sources[sources >= 0]
        assert len(counted) == height * width
        assert torch.equal(counted.bincount(minlength=len(sizes))[SPECIAL:].float(), sizes[SPECIAL:])


@examples(80)
@given(data=st.data(), num_patches=st.integers(0, 3_000), num_layers=st.integers(1, 12))
def test_a_schedule_is_plain_arithmetic_for_one_clip_and_for_many(data, num_patches, num_layers):
    schedule = {"merge_ratio": 0.0, "tokens_merged_per_layer": None} | data.draw(schedules(num_patches, num_layers))
    plan = plan_merges(num_patches, num_layers, **schedule)
    ratio, count = (
        value if isinstance(value, list) or value is None else [value] * num_layers for value in schedule.values()
    )
    exact = None if count is not None else [Fraction(round(2_000 * share), 2_000) for share in ratio]
    assert plan == naive_plan(num_patches, exact, count)
    of_clips = plan_merges_of_clips(torch.tensor([num_patches, 0]), num_layers, **schedule)
    assert [merges.tolist() for merges in of_clips] == [[merges, 0] for merges in plan.tokens_merged]


@examples(30)
@given(data=st.data())
def test_a_schedule_that_is_set_comes_back_from_json(data):
    fields = data.draw(shapes())
    before, after = (data.draw(schedules(patches_of(fields), fields["num_hidden_layers"])) for _ in range(2))
    config = FastASTConfig(**fields, **before)
    config.set_merge_schedule(**after)
    again = FastASTConfig.from_dict(json.loads(config.to_json_string()))
    made = FastASTConfig(**fields, **after)
    for frames in range(config.patch_size, config.max_length + 1, 7):
        assert again.merge_schedule(frames) == config.merge_schedule(frames) == made.merge_schedule(frames)
    assert again.to_dict() == made.to_dict() == config.to_dict()


@examples(8)
@given(data=st.data())
def test_a_model_with_a_schedule_set_is_one_that_was_made_with_it(data):
    model = data.draw(models())
    x, lengths = data.draw(batches(model.config))
    num_layers = model.config.num_hidden_layers
    share = data.draw(ratios | st.lists(ratios, min_size=num_layers, max_size=num_layers))
    model.set_merge_ratio(share)
    fields = model.config.to_dict() | {"merge_ratio": share, "tokens_merged_per_layer": None}
    config = FastASTConfig.from_dict(json.loads(json.dumps(fields)))
    made = FastASTForAudioClassification._from_config(
        config, attn_implementation=model.config._attn_implementation
    ).eval()
    made.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(made(x, num_frames=lengths).logits, model(x, num_frames=lengths).logits)
