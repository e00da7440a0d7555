"""Other ways to choose what merges, at equal work: what they would change about the answers.

Each is put in place of what FastAST does while a model answers, and nothing of it stays.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from fastast_hf.evaluation import agreement, count_macs, inference
from fastast_hf.evaluation.tuning import fit_to_saving
from fastast_hf.model import FastASTForAudioClassification
from fastast_hf.model.layers_fastast import FastASTAttention, FastASTLayer
from fastast_hf.model.merge_schedule import NUM_SPECIAL_TOKENS
from fastast_hf.model.token_merging import ALIKE, Matching, bipartite_soft_matching, merge_source_map, merge_tokens
from fastast_hf.speed.variants import with_schedule

MATCHING = "fastast_hf.model.layers_fastast.bipartite_soft_matching"
BATCH_SIZE = 16


def compare_ideas(
    model: FastASTForAudioClassification, clips: Tensor, savings: tuple[float, ...]
) -> dict[str, list[float]]:
    """Hold every idea to the answers without merging.

    Args:
        model: a trained model.
        clips: (clips, frames, mels) float32 that it has not seen.
        savings: how many times less work.

    Returns:
        Mean KL in nats, one a saving, by idea. All layers have one ratio.
    """
    unmerged = _logits(with_schedule(model), clips)
    found = {}
    for name, idea in IDEAS.items():
        twin = with_schedule(model)
        with idea(twin):
            found[name] = [_divergence(twin, clips, unmerged, saving) for saving in savings]
    return found


def _divergence(twin: FastASTForAudioClassification, clips: Tensor, unmerged: Tensor, saving: float) -> float:
    """Merge so much that the work is saved, and compare the answers."""
    whole = count_macs(with_schedule(twin), clips[:1])

    def saved(ratios: tuple[float, ...]) -> float:
        twin.set_merge_ratio(list(ratios))
        return whole / count_macs(twin, clips[:1])

    twin.set_merge_ratio(list(fit_to_saving([1.0] * twin.config.num_hidden_layers, saved, saving)))
    return agreement(unmerged, _logits(twin, clips)).mean_kl


def _logits(model: FastASTForAudioClassification, clips: Tensor) -> Tensor:
    with inference(model):
        return torch.cat([model(batch).logits for batch in clips.split(BATCH_SIZE)])


@contextmanager
def _as_it_is(model: FastASTForAudioClassification) -> Iterator[None]:
    yield


@contextmanager
def _by_attention_output(model: FastASTForAudioClassification) -> Iterator[None]:
    """Match tokens by what attention gives them."""
    attend = FastASTAttention.forward

    def forward(self: Any, *args: Any, **kwargs: Any) -> tuple[Tensor, Any, Tensor]:
        output, weights, _ = attend(self, *args, **kwargs)
        return output, weights, output[:, None]

    with mock.patch.object(FastASTAttention, "forward", forward):
        yield


@contextmanager
def _by_tokens(model: FastASTForAudioClassification) -> Iterator[None]:
    """Match tokens by what they are, as ToMe's ablation does."""
    attend = FastASTAttention.forward

    def forward(self: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Any, Tensor]:
        output, weights, _ = attend(self, hidden_states, *args, **kwargs)
        return output, weights, hidden_states[:, None]

    with mock.patch.object(FastASTAttention, "forward", forward):
        yield


def _by_energy(weight: float) -> Callable[[FastASTForAudioClassification], Any]:
    """Let tokens that are like many others go first, so that what stands alone stays.

    Source: after Tran et al., "Accelerating Transformers with Spectrum-Preserving Token Merging" (PiToMe, NeurIPS 2024). Here
    the energy, a token's mean cosine with all patch tokens, is added to the score of its proposal.
    """

    def match(keys: Tensor, tokens_merged: int, *, num_special_tokens: int, clips: None = None) -> Matching:
        metric = torch.nn.functional.normalize(keys.float().mean(dim=1), dim=-1)[:, num_special_tokens:]  # (B, P, C)
        energy = (metric @ metric.mean(dim=1, keepdim=True).transpose(1, 2)).squeeze(-1)  # (B, P)
        similarity = (metric[:, ::2] @ metric[:, 1::2].transpose(1, 2)).clamp_(max=ALIKE)
        best, proposal = similarity.max(dim=-1)
        first = (best + weight * energy[:, ::2]).argsort(dim=-1, descending=True, stable=True)[:, :tokens_merged]
        src = num_special_tokens + 2 * first
        dst = num_special_tokens + 2 * proposal.gather(1, first) + 1
        stays = torch.ones(keys.shape[0], keys.shape[2], dtype=torch.bool).scatter(1, src, False)
        kept = stays.to(torch.uint8).argsort(dim=-1, descending=True, stable=True)
        return Matching(kept[:, : keys.shape[2] - tokens_merged], src, dst)

    @contextmanager
    def idea(model: FastASTForAudioClassification) -> Iterator[None]:
        with mock.patch(MATCHING, match):
            yield

    return idea


@contextmanager
def _before_the_first_layer(model: FastASTForAudioClassification) -> Iterator[None]:
    """Merge overlapping patches before the first layer's attention, by what they look like, in place of behind it."""
    layer: FastASTLayer = model.audio_spectrogram_transformer.layers[0]
    run = layer.forward

    def forward(
        hidden_states: Tensor, mask: Tensor, sizes: Tensor, sources: Any, tokens_merged: int, *args: Any, **kwargs: Any
    ) -> Any:
        if tokens_merged:
            patches = layer.layernorm_before(hidden_states)[:, None]
            matching = bipartite_soft_matching(patches, tokens_merged, num_special_tokens=NUM_SPECIAL_TOKENS)
            hidden_states, sizes = merge_tokens(hidden_states, sizes, matching)
            sources = sources if sources is None else merge_source_map(sources, matching)
            mask = sizes.log().to(hidden_states.dtype)[:, None, None, :]
        return run(hidden_states, mask, sizes, sources, 0, *args, **kwargs)

    with mock.patch.object(layer, "forward", forward):
        yield


IDEAS: dict[str, Callable[[FastASTForAudioClassification], Any]] = {
    "keys, as FastAST does": _as_it_is,
    "attention output": _by_attention_output,
    "tokens": _by_tokens,
    "keys, energy 0.05": _by_energy(0.05),
    "keys, energy 0.2": _by_energy(0.2),
    "keys, the first merge before layer 1": _before_the_first_layer,
}
