"""The way of a sound's patches through the layers, beside a plain twin that follows every merge by itself."""

import numpy as np
import pytest
import torch

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.classification.tracing import trace_waveform
from fastast_hf.model import layers_fastast
from tests.conftest import tiny_model

EXTRACTOR = FastASTFeatureExtractor(num_mel_bins=36, max_length=96)


def waveform(seconds=0.9, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * 16_000)).astype(np.float32)


def model(**fields):
    return tiny_model(num_hidden_layers=3, **fields)


def sources_by_hand(traced, clip, monkeypatch):
    """Follow each patch through the matchings of the layers, one by one."""
    matchings = []
    real = layers_fastast.bipartite_soft_matching

    def noted(*args, **options):
        matchings.append(real(*args, **options))
        return matchings[-1]

    with monkeypatch.context() as patch:
        patch.setattr(layers_fastast, "bipartite_soft_matching", noted)
        with torch.inference_mode():
            traced(clip)
    places = {patch: patch for patch in range(2, 2 + matchings[0].kept.shape[1] + matchings[0].src.shape[1] - 2)}
    rows = [list(places.values())]
    for kept, src, dst in matchings:
        into = dict(zip(src[0].tolist(), dst[0].tolist(), strict=True))
        order = {token: place for place, token in enumerate(kept[0].tolist())}
        places = {patch: order[into.get(token, token)] for patch, token in places.items()}
        rows.append(list(places.values()))
    return rows


def test_patches_are_followed_through_every_layer(monkeypatch):
    traced = model(merge_ratio=0.3)
    found = trace_waveform(traced, EXTRACTOR, waveform())
    clip = torch.from_numpy(found.log_mel)[None]
    assert found.sources.tolist() == sources_by_hand(traced, clip, monkeypatch)
    with torch.inference_mode():
        output = traced(clip, output_token_sources=True)
    assert found.sources[-1].tolist() == output.token_sources[0].tolist()
    counts = found.patch_tokens
    assert 2 + counts[-1] == output.token_sizes.shape[1], "the special tokens beside them"
    assert counts == (found.patch_grid[0] * found.patch_grid[1], *counts[1:])
    assert list(counts) == sorted(counts, reverse=True)
    assert found.labels[0].score == pytest.approx(output.logits.softmax(-1).max().item())


def test_nothing_is_left_behind_and_without_merging_every_patch_is_a_token():
    traced = model()
    first, second = (trace_waveform(traced, EXTRACTOR, waveform(), top_k=2) for _ in range(2))
    assert np.array_equal(first.sources, second.sources)
    assert len(first.labels) == 2
    assert not any(layer._forward_hooks for layer in traced.audio_spectrogram_transformer.layers)
    assert set(first.patch_tokens) == {first.sources.shape[1]}
    assert (first.sources == np.arange(2, 2 + first.sources.shape[1])).all()


def test_a_short_sound_has_patches_of_its_own_length():
    short, long = (trace_waveform(model(merge_ratio=0.2), EXTRACTOR, waveform(seconds)) for seconds in (0.4, 3.0))
    assert short.log_mel.shape[0] < long.log_mel.shape[0] == 96
    assert short.patch_grid[1] < long.patch_grid[1]
