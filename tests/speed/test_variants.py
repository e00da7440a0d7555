"""One set of weights in many variants."""

import pytest
import torch
from transformers import ASTForAudioClassification

from fastast_hf import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.evaluation import count_macs
from fastast_hf.speed import variants as module
from fastast_hf.speed.variants import (
    as_stock_ast,
    as_stock_extractor,
    count_clip_macs,
    in_dtype,
    random_classifier,
    stock_features,
    with_schedule,
)
from tests.conftest import tiny_ast, tiny_input, tiny_model


def shares_weights(one, other):
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(
        tensor.data_ptr() == theirs[name].data_ptr() for name, tensor in ours.items()
    )


@pytest.mark.parametrize("merging", [{"merge_ratio": 0.4}, {"tokens_merged_per_layer": 5}, {}])
@pytest.mark.parametrize("make", [tiny_ast, tiny_model, lambda: tiny_model(tokens_merged_per_layer=3)])
def test_another_schedule_shares_the_weights(make, merging):
    model = make()
    twin = with_schedule(model, **merging)
    assert isinstance(twin, FastASTForAudioClassification)
    assert shares_weights(model, twin)
    assert not twin.training
    assert twin.config._attn_implementation == model.config._attn_implementation
    expected = tiny_model(**merging)  # the same seed
    with torch.inference_mode():
        assert torch.equal(twin(tiny_input()).logits, expected(tiny_input()).logits)


def test_a_merging_model_becomes_a_stock_ast_with_its_weights():
    model = tiny_model(merge_ratio=0.4)
    ast = as_stock_ast(model)
    assert type(ast) is ASTForAudioClassification
    assert shares_weights(model, ast)
    assert ast.config.id2label == model.config.id2label
    with torch.inference_mode():
        assert torch.equal(ast(tiny_input()).logits, tiny_ast()(tiny_input()).logits)


def test_another_dtype_leaves_the_weights_as_they_are():
    model = tiny_model(merge_ratio=0.4)
    assert in_dtype(model, torch.bfloat16).dtype == torch.bfloat16
    assert model.dtype == torch.float32
    assert shares_weights(in_dtype(model, torch.float32), model)


def test_a_stock_feature_extractor_makes_the_same_features():
    extractor = FastASTFeatureExtractor(max_length=64, num_mel_bins=48, mean=-1.0, std=2.0)
    stock = as_stock_extractor(extractor)
    noise = torch.rand(6000, generator=torch.Generator().manual_seed(0)).numpy()
    ours, theirs = (each(noise, sampling_rate=16_000, return_tensors="pt") for each in (extractor, stock))
    assert theirs["input_values"].shape == (1, 64, 48)
    torch.testing.assert_close(ours["input_values"], theirs["input_values"], rtol=0, atol=1e-3)


@pytest.mark.parametrize(("has_torchaudio", "told"), [(True, "torchaudio"), (False, "numpy")])
def test_what_stock_features_are_computed_with_is_told(has_torchaudio, told, monkeypatch):
    monkeypatch.setattr(module, "is_speech_available", lambda: has_torchaudio)
    assert stock_features() == told


@pytest.mark.parametrize("model", [tiny_ast(), tiny_model(merge_ratio=0.25), tiny_model(tokens_merged_per_layer=5)])
def test_work_is_counted_without_doing_it(model):
    clips = tiny_input(3)
    assert 3 * count_clip_macs(model, 96) == count_macs(model, clips)
    assert not next(model.parameters()).is_meta


def test_a_shorter_clip_is_less_work():
    model = tiny_model(merge_ratio=0.25)
    assert count_clip_macs(model, 40) == count_macs(model, tiny_input(1, num_frames=40)) < count_clip_macs(model, 96)


def test_random_weights_are_always_the_same():
    (one, extractor), (other, _) = random_classifier("ast-tiny"), random_classifier("ast-tiny")
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())
    assert (one.config.hidden_size, one.config.num_hidden_layers, one.config.num_attention_heads) == (192, 12, 3)
    assert (one.config.intermediate_size, one.config.time_stride, one.config.num_labels) == (768, 10, 527)
    assert one.config.max_length == extractor.max_length == 512
    assert not one.training
