"""Token merging against twins in plain Python loops, on every small size."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastast_hf.model.token_merging import (
    Matching,
    PaddedClips,
    bipartite_soft_matching,
    merge_source_map,
    merge_tokens,
    token_size_bias,
)

SPECIAL = 2
EVERY_SIZE = [(patches, merged) for patches in range(10) for merged in range(patches // 2 + 1)]


def naive_matching(keys, tokens_merged, num_special_tokens=SPECIAL):
    """Match the tokens of one clip, (heads, tokens, head_dim), as the paper puts it."""
    num_tokens = keys.shape[1]
    metric = []
    for token in range(num_tokens):
        mean = [
            sum(keys[head, token, c].item() for head in range(len(keys))) / len(keys) for c in range(keys.shape[2])
        ]
        norm = math.sqrt(sum(x * x for x in mean))
        metric.append([x / norm if norm else 0.0 for x in mean])
    first = range(num_special_tokens, num_tokens, 2)
    second = range(num_special_tokens + 1, num_tokens, 2)
    proposals = []
    for a in first:
        best = None
        for b in second:
            # rounded to what float32 can tell apart, so that equals tie here as there
            score = round(sum(x * y for x, y in zip(metric[a], metric[b], strict=True)), 5)
            if best is None or score > best[0]:
                best = (score, b)
        if best is not None:
            proposals.append((-best[0], a, best[1]))
    accepted = sorted(proposals)[:tokens_merged]
    src = [a for _, a, _ in accepted]
    dst = [b for _, _, b in accepted]
    return [token for token in range(num_tokens) if token not in src], src, dst


def naive_merge(hidden_states, sizes, kept, src, dst):
    """Merge one clip, (tokens, hidden), in float64: a token is the mean of the patches that count in it."""
    tokens, new_sizes = [], []
    for token in kept:
        members = [token, *(s for s, d in zip(src, dst, strict=True) if d == token)]
        size = sum(sizes[m].item() for m in members)
        if size:
            mean = sum(sizes[m].double() * hidden_states[m].double() for m in members) / size
        else:
            mean = hidden_states[token].double()
        tokens.append(mean)
        new_sizes.append(size)
    return torch.stack(tokens), torch.tensor(new_sizes)


def naive_source_map(source_map, kept, src, dst):
    partner = dict(zip(src, dst, strict=True))
    return [kept.index(partner.get(token, token)) for token in source_map.tolist()]


def random_keys(batch, num_patches, *, seed=0, heads=2, head_dim=4):
    return torch.randn(batch, heads, SPECIAL + num_patches, head_dim, generator=torch.Generator().manual_seed(seed))


def tied_keys(batch, num_patches, *, seed=0):
    """Keys that are one of three orthogonal directions, so that most similarities are exactly 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randint(3, (batch, SPECIAL + num_patches), generator=generator)
    return torch.eye(4)[direction].unsqueeze(1)


def matching_of(keys, merged):
    return bipartite_soft_matching(keys, merged, num_special_tokens=SPECIAL)


@pytest.mark.parametrize("make_keys", [random_keys, tied_keys])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("patches", "merged"), EVERY_SIZE)
def test_matching_equals_the_naive_twin(patches, merged, batch, make_keys):
    for seed in range(3):
        keys = make_keys(batch, patches, seed=seed)
        matching = matching_of(keys, merged)
        for clip in range(batch):
            assert [part[clip].tolist() for part in matching] == list(naive_matching(keys[clip], merged))


@pytest.mark.parametrize("first_size", ["ones", "several", "some padding"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("patches", "merged"), EVERY_SIZE)
def test_merging_equals_the_naive_twin(patches, merged, batch, first_size):
    generator = torch.Generator().manual_seed(patches)
    keys = random_keys(batch, patches, seed=merged)
    hidden_states = torch.randn(batch, SPECIAL + patches, 5, generator=generator)
    low, high = {"ones": (1, 2), "several": (1, 6), "some padding": (0, 3)}[first_size]
    sizes = torch.randint(low, high, (batch, SPECIAL + patches), generator=generator).float()
    matching = matching_of(keys, merged)

    tokens, new_sizes = merge_tokens(hidden_states, sizes, matching)

    assert tokens.shape == (batch, SPECIAL + patches - merged, 5)
    assert tokens.dtype == hidden_states.dtype
    assert new_sizes.dtype == torch.float32
    for clip in range(batch):
        parts = [part[clip].tolist() for part in matching]
        expected, expected_sizes = naive_merge(hidden_states[clip], sizes[clip], *parts)
        assert new_sizes[clip].tolist() == expected_sizes.tolist()
        counted = expected_sizes > 0  # what padding holds is nobody's business
        torch.testing.assert_close(tokens[clip][counted].double(), expected[counted], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("patches", "merged"), EVERY_SIZE)
def test_source_map_equals_the_naive_twin_over_two_merges(patches, merged):
    batch = 3
    source_map = torch.arange(SPECIAL, SPECIAL + patches).expand(batch, -1)
    for seed, count in ((0, merged), (1, (patches - merged) // 2)):
        num_tokens = SPECIAL + patches - (merged if seed else 0)
        matching = matching_of(random_keys(batch, num_tokens - SPECIAL, seed=seed), count)
        after = merge_source_map(source_map, matching)
        assert after.dtype == torch.int64
        for clip in range(batch):
            parts = [part[clip].tolist() for part in matching]
            assert after[clip].tolist() == naive_source_map(source_map[clip], *parts)
        source_map = after


@pytest.mark.parametrize(("patches", "merged"), EVERY_SIZE)
def test_special_tokens_stay_in_front_to_the_last_bit(patches, merged):
    keys = random_keys(2, patches)
    keys[:, :, :SPECIAL] = keys[:, :, -1:]  # as alike to a patch as can be
    hidden_states = torch.randn(2, SPECIAL + patches, 5, generator=torch.Generator().manual_seed(0))
    tokens, sizes = merge_tokens(hidden_states, torch.ones(2, SPECIAL + patches), matching_of(keys, merged))
    assert torch.equal(tokens[:, :SPECIAL], hidden_states[:, :SPECIAL])
    assert torch.equal(sizes[:, :SPECIAL], torch.ones(2, SPECIAL))


@pytest.mark.parametrize(("patches", "merged"), EVERY_SIZE)
def test_sizes_keep_their_sum_and_tokens_their_order(patches, merged):
    sizes = torch.randint(0, 5, (2, SPECIAL + patches), generator=torch.Generator().manual_seed(0)).float()
    matching = matching_of(random_keys(2, patches), merged)
    _, after = merge_tokens(torch.zeros(2, SPECIAL + patches, 1), sizes, matching)
    assert torch.equal(after.sum(1), sizes.sum(1))
    assert torch.equal(matching.kept, matching.kept.sort(dim=1).values)


def test_one_merge_is_the_arithmetic_of_the_paper():
    # Four patches a, b, c, d after two special tokens; a and d point the same way, so do c and d, but less.
    keys = torch.tensor([[9.0, 9.0], [9.0, 9.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 0.0]])[None, None]
    matching = matching_of(keys, 1)
    assert matching.src.tolist() == [[2]]  # a: cosine 1 with d; c: cosine 0.707 with b and with d
    assert matching.dst.tolist() == [[5]]
    assert matching.kept.tolist() == [[0, 1, 3, 4, 5]]

    hidden_states = torch.tensor([[0.0], [1.0], [10.0], [20.0], [30.0], [40.0]])[None]
    sizes = torch.tensor([[1.0, 1.0, 3.0, 1.0, 2.0, 1.0]])
    tokens, new_sizes = merge_tokens(hidden_states, sizes, matching)
    # (3 * 10 + 1 * 40) / 4 = 17.5
    assert tokens.flatten().tolist() == [0.0, 1.0, 20.0, 30.0, 17.5]
    assert new_sizes.tolist() == [[1.0, 1.0, 1.0, 2.0, 4.0]]
    sources = merge_source_map(torch.tensor([[2, 3, 4, 5]]), matching)
    assert sources.tolist() == [[4, 2, 3, 4]]


def test_several_tokens_merge_into_one():
    matching = Matching(torch.tensor([[0, 1, 3]]), torch.tensor([[2, 4]]), torch.tensor([[3, 3]]))
    hidden_states = torch.tensor([[0.0], [0.0], [6.0], [0.0], [3.0]])[None]
    tokens, sizes = merge_tokens(hidden_states, torch.tensor([[1.0, 1.0, 1.0, 1.0, 4.0]]), matching)
    torch.testing.assert_close(tokens.flatten(), torch.tensor([0.0, 0.0, 3.0]))  # (6 + 0 + 4 * 3) / 6
    assert sizes.tolist() == [[1.0, 1.0, 6.0]]


def test_a_tie_goes_to_the_lowest_index():
    keys = torch.ones(1, 2, SPECIAL + 9, 3)
    matching = matching_of(keys, 3)
    assert matching.src.tolist() == [[2, 4, 6]]
    assert matching.dst.tolist() == [[3, 3, 3]]


@settings(deadline=None)
@given(num_patches=st.integers(2, 300), directions=st.integers(1, 4), seed=st.integers(0, 2**32 - 1), data=st.data())
def test_exact_ties_go_to_the_lowest_index_however_many_there_are(num_patches, directions, seed, data):
    """Among hundreds of equals, a vectorised maximum or an unstable sort could find another one than the first."""
    merged = data.draw(st.integers(1, num_patches // 2))
    of_token = np.random.default_rng(seed).integers(directions, size=num_patches)
    keys = torch.eye(4)[torch.from_numpy(np.concatenate([np.zeros(SPECIAL, dtype=np.int64), of_token]))]
    matching = matching_of(keys[None, None], merged)
    similarity = of_token[::2, None] == of_token[None, 1::2]  # exactly 1 or exactly 0
    partner = similarity.argmax(axis=1)  # numpy's is the first
    accepted = sorted(range(len(partner)), key=lambda token: (not similarity[token].any(), token))[:merged]
    assert matching.src[0].tolist() == [SPECIAL + 2 * token for token in accepted]
    assert matching.dst[0].tolist() == [SPECIAL + 2 * int(partner[token]) + 1 for token in accepted]


def test_a_key_of_zeros_is_like_no_other():
    keys = torch.ones(1, 1, SPECIAL + 4, 3)
    keys[:, :, 2] = 0.0
    assert matching_of(keys, 1).src.tolist() == [[4]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keys_match_as_their_float32_values_do(dtype):
    keys = random_keys(2, 9).to(dtype)
    for half, full in zip(matching_of(keys, 4), matching_of(keys.float(), 4), strict=True):
        assert torch.equal(half, full)


def test_autocast_leaves_the_matching_in_float32():
    keys = random_keys(2, 60, head_dim=16)
    with torch.autocast("cpu", torch.bfloat16):
        matching = matching_of(keys, 20)
    assert torch.equal(matching.src, matching_of(keys, 20).src)


def test_a_token_of_more_than_256_patches_keeps_count_in_bfloat16():
    matching = Matching(torch.tensor([[0, 1, 3]]), torch.tensor([[2]]), torch.tensor([[3]]))
    hidden_states = torch.ones(1, 4, 2, dtype=torch.bfloat16)
    tokens, sizes = merge_tokens(hidden_states, torch.tensor([[1.0, 1.0, 1.0, 256.0]]), matching)
    assert tokens.dtype == torch.bfloat16
    assert sizes.tolist() == [[1.0, 1.0, 257.0]]


@pytest.mark.parametrize("make_keys", [random_keys, tied_keys])
@pytest.mark.parametrize(("patches", "merged"), EVERY_SIZE)
def test_a_padded_clip_merges_what_it_merges_alone(patches, merged, make_keys):
    """The batch's longest clip has all patches; each other one, of every length, has padding behind its own."""
    lengths = torch.arange(patches, -1, -1)
    own = torch.minimum(lengths // 2, torch.full_like(lengths, merged))
    own = torch.maximum(own, merged - (patches - lengths))  # what padding cannot give
    possible = own <= lengths // 2
    lengths, own = lengths[possible], own[possible]
    keys = make_keys(len(lengths), patches, seed=patches)
    matching = bipartite_soft_matching(keys, merged, num_special_tokens=SPECIAL, clips=PaddedClips(lengths, own))
    for clip, (length, merges) in enumerate(zip(lengths.tolist(), own.tolist(), strict=True)):
        end = SPECIAL + length
        kept, src, dst = naive_matching(keys[clip, :, :end], merges)
        assert matching.src[clip].tolist()[:merges] == src
        assert matching.dst[clip].tolist()[:merges] == dst
        assert matching.kept[clip].tolist()[: len(kept)] == kept
        gone = list(range(SPECIAL + patches - (merged - merges), SPECIAL + patches))
        assert matching.src[clip].tolist()[merges:] == matching.dst[clip].tolist()[merges:] == gone
        assert matching.kept[clip].tolist()[len(kept) :] == list(range(end, SPECIAL + patches - len(gone)))


def test_padding_that_goes_takes_nothing_along():
    matching = Matching(torch.tensor([[0, 1, 3]]), torch.tensor([[2, 4]]), torch.tensor([[3, 4]]))
    hidden_states = torch.tensor([[0.0], [0.0], [0.1], [0.3], [1e6]])[None]
    tokens, sizes = merge_tokens(hidden_states, torch.tensor([[1.0, 1.0, 1.0, 3.0, 0.0]]), matching)
    assert tokens[0, 2].item() == pytest.approx(0.25)
    assert sizes.tolist() == [[1.0, 1.0, 4.0]]


def test_gradients_flow_through_the_mean_and_not_through_the_matching():
    keys = random_keys(1, 4).requires_grad_()
    hidden_states = torch.randn(1, 6, 3, dtype=torch.float64, requires_grad=True)
    matching = matching_of(keys, 2)
    assert not any(part.requires_grad for part in matching)
    sizes = torch.tensor([[1.0, 1.0, 3.0, 1.0, 2.0, 1.0]])
    assert torch.autograd.gradcheck(lambda x: merge_tokens(x, sizes, matching)[0], hidden_states)


@pytest.mark.parametrize(("patches", "merged"), [(9, 5), (9, -1), (0, 1), (1, 1)])
def test_an_impossible_count_is_refused(patches, merged):
    message = f"`tokens_merged` must be between 0 and half of the {patches} patch tokens, got {merged}"
    with pytest.raises(ValueError, match=message):
        matching_of(random_keys(1, patches), merged)


def test_the_bias_is_the_logarithm_of_the_size_and_hides_padding():
    sizes = torch.tensor([[1.0, 2.0, 4.0, 0.0]])
    bias = token_size_bias(sizes, torch.float32, proportional=True)
    assert bias.shape == (1, 1, 1, 4)
    expected = torch.tensor([0.0, math.log(2), math.log(4), torch.finfo(torch.float32).min])
    torch.testing.assert_close(bias.flatten(), expected)
    plain = token_size_bias(sizes, torch.float32, proportional=False)
    assert plain.flatten().tolist() == [0.0, 0.0, 0.0, torch.finfo(torch.float32).min]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_bias_is_finite_in_half_precision(dtype):
    bias = token_size_bias(torch.tensor([[0.0, 1.0, 1212.0]]), dtype, proportional=True)
    assert bias.dtype == dtype
    assert bias.isfinite().all()
