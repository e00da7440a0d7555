"""Other ways to choose what merges: that each does what it says, and leaves nothing behind."""

import pytest
import torch

from fastast_hf.model.layers_fastast import FastASTAttention, bipartite_soft_matching
from model_cards.evidence import ideas
from model_cards.evidence.ideas import IDEAS, compare_ideas
from tests.conftest import tiny_model

CLIPS = torch.randn(3, 96, 36, generator=torch.Generator().manual_seed(0))


def test_every_idea_is_told_at_every_saving_and_nothing_of_it_stays():
    forward, model = FastASTAttention.forward, tiny_model(num_hidden_layers=3)
    found = compare_ideas(model, CLIPS, (1.2, 1.5))
    assert found.keys() == IDEAS.keys()
    assert all(len(values) == 2 and all(value > 0 for value in values) for values in found.values())
    assert len({tuple(values) for values in found.values()}) == len(IDEAS)
    assert FastASTAttention.forward is forward
    assert ideas.MATCHING.endswith(bipartite_soft_matching.__name__)
    assert found["keys, as FastAST does"] == compare_ideas(model, CLIPS, (1.2, 1.5))["keys, as FastAST does"]


def test_energy_without_weight_is_what_fastast_does(monkeypatch):
    monkeypatch.setattr(ideas, "IDEAS", {"plain": IDEAS["keys, as FastAST does"], "none": ideas._by_energy(0.0)})
    found = compare_ideas(tiny_model(num_hidden_layers=3), CLIPS, (1.5,))
    assert found["none"] == pytest.approx(found["plain"])


def test_the_first_merge_can_come_before_attention():
    model = tiny_model(merge_ratio=0.3)
    layer = model.audio_spectrogram_transformer.layers[0]
    seen = []
    layer.attention.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[1]))
    with torch.inference_mode():
        expected = model(CLIPS).logits
        with ideas._before_the_first_layer(model):
            model(CLIPS)
        assert seen[1] < seen[0]
        assert torch.equal(model(CLIPS).logits, expected)
