"""Token merging: which tokens are alike, and how alike tokens become one. Pure functions on tensors.

Source: Bolya et al., "Token Merging: Your ViT But Faster", ICLR 2023 (arXiv 2210.09461), section 3.

Special tokens stand before the patch tokens and are never merged. Tokens keep their order: neighbours in time and
frequency stay neighbours, so the next layer's alternate split puts them into opposite sets again. (The paper's own code
moves the tokens that were not merged to the front.)
"""

from typing import NamedTuple

import torch
from torch.nn import functional as F
from transformers.utils.generic import maybe_autocast

ALIKE = 1 - 2**-19
"""Cosine from which tokens count as the same. That of two equal tokens is 1 but for its last bits, and those depend on where in
a matrix product they stand: without a bound, the machine would decide which of many equal tokens merge."""


class Matching(NamedTuple):
    """Which tokens stay and which merge into which, as indices into the tokens of each clip.

    Attributes:
        kept: (batch, tokens - merged) int64, the tokens that stay, ascending.
        src: (batch, merged) int64, the tokens that go.
        dst: (batch, merged) int64, the token that each of `src` merges into; one token may take several. Padding that
            goes is its own.
    """

    kept: torch.Tensor
    src: torch.Tensor
    dst: torch.Tensor


class PaddedClips(NamedTuple):
    """What is known of clips in a batch that pads them, their own patch tokens first.

    Attributes:
        num_patches: (batch,) int64, patch tokens that are no padding.
        merges: (batch,) int64, tokens that each clip merges away: at most half of its `num_patches`, and so many that its
            padding suffices for the rest.
    """

    num_patches: torch.Tensor
    merges: torch.Tensor


@torch.no_grad()
def bipartite_soft_matching(
    keys: torch.Tensor,
    tokens_merged: int,
    *,
    num_special_tokens: int = 2,
    clips: PaddedClips | None = None,
) -> Matching:
    """Match the patch tokens that are most alike.

    Patch tokens are dealt alternately into two sets. Each token of the first proposes its most similar token of the
    second (cosine of the keys averaged over heads, in float32); the best proposals are accepted. Equal similarities, those
    of all tokens that are the same (`ALIKE`) among them, go to the lowest index.

    Of clips that are padded, each merges as many tokens as it is told, the ones that it would merge without padding. What
    is missing to `tokens_merged` goes from the end of its padding.

    Source: ToMe, section 3 and appendix D. Deviation: the paper knows no bound such as `ALIKE`.

    Args:
        keys: (batch, heads, tokens, head_dim) floating point, the attention's keys.
        tokens_merged: tokens that go, at most half of the patch tokens.
        num_special_tokens: tokens at the front that are never merged.
        clips: what each clip has and merges; None if there is no padding.

    Returns:
        The matching.

    Raises:
        ValueError: if `tokens_merged` is negative or more than half of the patch tokens.
    """
    batch, _, num_tokens, _ = keys.shape
    most = (num_tokens - num_special_tokens) // 2
    if not 0 <= tokens_merged <= most:
        raise ValueError(
            f"`tokens_merged` must be between 0 and half of the {num_tokens - num_special_tokens} patch tokens, got "
            f"{tokens_merged}. Merge at most {most}."
        )
    if not tokens_merged:
        nothing = torch.empty(batch, 0, dtype=torch.int64, device=keys.device)
        return Matching(torch.arange(num_tokens, device=keys.device).expand(batch, -1), nothing, nothing)
    with maybe_autocast(keys.device.type, enabled=False):
        metric = F.normalize(keys.float().mean(dim=1), dim=-1)  # (B, N, C)
        first, second = metric[:, num_special_tokens::2], metric[:, num_special_tokens + 1 :: 2]
        similarity = (first @ second.transpose(1, 2)).clamp_(max=ALIKE)  # (B, ceil(P / 2), P // 2)
    if clips is None:
        similarity, proposal = similarity.max(dim=-1)  # (B, ceil(P / 2)): score and partner
        goes_first = similarity.argsort(dim=-1, descending=True, stable=True)[:, :tokens_merged]  # (B, R)
        src = num_special_tokens + 2 * goes_first
        dst = num_special_tokens + 2 * proposal.gather(1, goes_first) + 1
    else:
        src, dst = _match_within_clips(similarity, tokens_merged, num_special_tokens, clips)

    stays = torch.ones(batch, num_tokens, dtype=torch.bool, device=keys.device).scatter(1, src, False)
    # A stable sort keeps the order within those that stay, where `nonzero` would have a shape only known at run time.
    kept = stays.to(torch.uint8).argsort(dim=-1, descending=True, stable=True)[:, : num_tokens - tokens_merged]
    return Matching(kept, src, dst)


def _match_within_clips(
    similarity: torch.Tensor,
    tokens_merged: int,
    num_special_tokens: int,
    clips: PaddedClips,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give src and dst (B, R) of clips whose padding is at the end; similarity is (B, first set, second set)."""
    device = similarity.device
    num_first, num_second = similarity.shape[1:]
    first_is_padding = 2 * torch.arange(num_first, device=device) >= clips.num_patches[:, None]  # (B, ceil(P / 2))
    second_is_padding = 2 * torch.arange(num_second, device=device) + 1 >= clips.num_patches[:, None]
    similarity = similarity.masked_fill(second_is_padding[:, None], -torch.inf)
    similarity, proposal = similarity.max(dim=-1)
    similarity = similarity.masked_fill(first_is_padding, -torch.inf)
    goes_first = similarity.argsort(dim=-1, descending=True, stable=True)[:, :tokens_merged]  # (B, R)
    src = num_special_tokens + 2 * goes_first
    dst = num_special_tokens + 2 * proposal.gather(1, goes_first) + 1
    # The first `merges` of them merge; in the place of the others goes padding, counted from the end.
    place = torch.arange(tokens_merged, device=device)
    padding = num_special_tokens + num_first + num_second - tokens_merged + place
    merges = place < clips.merges[:, None]
    return torch.where(merges, src, padding), torch.where(merges, dst, padding)


def merge_tokens(
    hidden_states: torch.Tensor, token_sizes: torch.Tensor, matching: Matching
) -> tuple[torch.Tensor, torch.Tensor]:
    """Replace matched tokens by their mean, each weighted by its size.

    The mean is taken as `x_dst + sum(size_src / size * (x_src - x_dst))`, which is the paper's weighted mean, leaves
    tokens that nothing merges into untouched to the last bit, and is defined for padding, tokens of size 0.

    Source: ToMe, section 3, "Tracking token size".

    Args:
        hidden_states: (batch, tokens, hidden) floating point.
        token_sizes: (batch, tokens) float32, patches behind each token.
        matching: what merges into what.

    Returns:
        The merged hidden states (batch, tokens - merged, hidden) in the dtype given, and their sizes
        (batch, tokens - merged) float32.
    """
    kept, src, dst = matching
    src_sizes = token_sizes.gather(1, src)  # (B, R)
    sizes = token_sizes.scatter_add(1, dst, src_sizes)  # (B, N)
    weights = src_sizes / sizes.gather(1, dst).clamp(min=1.0)  # a size is a whole number: only 0 is below 1
    # Many tokens may merge into one: in bfloat16, what each adds would be lost in the sum.
    summed = hidden_states.to(torch.promote_types(hidden_states.dtype, torch.float32))
    change = (_take(summed, src) - _take(summed, dst)) * weights.unsqueeze(-1)  # (B, R, D)
    merged = _take(summed, kept)
    # In place: `merged` is new, and a copy of all tokens would take as long as all else here.
    rows = _rows(_new_places(matching).gather(1, dst), kept.shape[1]).flatten()
    merged.flatten(0, 1).index_add_(0, rows, change.flatten(0, 1))
    return merged.to(hidden_states.dtype), sizes.gather(1, kept)


def merge_source_map(source_map: torch.Tensor, matching: Matching) -> torch.Tensor:
    """Follow each patch to the token that it is in after a merge.

    Args:
        source_map: (batch, patches) int64, the token that each patch is in before the merge.
        matching: what merges into what.

    Returns:
        (batch, patches) int64, the token that each patch is in afterwards.
    """
    _, src, dst = matching
    places = _new_places(matching)
    places = places.scatter(1, src, places.gather(1, dst))
    return places.gather(1, source_map)


def token_size_bias(token_sizes: torch.Tensor, dtype: torch.dtype, *, proportional: bool) -> torch.Tensor:
    """Turn token sizes into what is added to the attention scores of each key.

    Args:
        token_sizes: (batch, tokens) float32; 0 is padding, which no query attends to.
        dtype: floating point dtype of the attention.
        proportional: add log(size) (ToMe, equation 1), else only hide padding.

    Returns:
        (batch, 1, 1, tokens) in `dtype`; the dtype's lowest value at padding.
    """
    bias = token_sizes.log() if proportional else torch.zeros_like(token_sizes)
    bias = bias.to(dtype).masked_fill(token_sizes == 0, torch.finfo(dtype).min)
    return bias[:, None, None, :]


def _new_places(matching: Matching) -> torch.Tensor:
    """Give the place of each kept token among those that are kept (batch, tokens) int64; 0 for tokens that go."""
    kept, src, _ = matching
    places = torch.zeros(kept.shape[0], kept.shape[1] + src.shape[1], dtype=torch.int64, device=kept.device)
    return places.scatter(1, kept, torch.arange(kept.shape[1], device=kept.device).expand_as(kept))


def _take(tokens: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Pick tokens (batch, picked, hidden) by their index (batch, picked)."""
    # An embedding copies whole rows, forward and backward; `gather` would look up each number by itself.
    return F.embedding(_rows(index, tokens.shape[1]), tokens.flatten(0, 1))


def _rows(index: torch.Tensor, num_tokens: int) -> torch.Tensor:
    """Turn tokens of each clip (batch, picked) into rows of all clips' tokens, one clip after the other."""
    return index + num_tokens * torch.arange(index.shape[0], device=index.device).unsqueeze(-1)


__all__ = ["Matching", "PaddedClips", "bipartite_soft_matching", "merge_source_map", "merge_tokens", "token_size_bias"]
