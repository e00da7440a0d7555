"""Checkpoints: AST's open here, ours open there, whole, and on whatever devices."""

import re

import pytest
import torch
from accelerate import infer_auto_device_map
from safetensors.torch import load_file, save_file
from transformers import ASTConfig, ASTForAudioClassification, ASTModel, PreTrainedModel

from fastast_hf import FastASTForAudioClassification, FastASTModel
from tests.conftest import TINY, randomize, tiny_ast, tiny_config, tiny_input, tiny_model
from tests.model.twins import STOCK, both_attentions, both_classes


def assert_clean(info):
    assert not any(info.values()), info


@both_classes
@both_attentions
@pytest.mark.parametrize("names", ["old", "new"])
@pytest.mark.parametrize("checkpoint_class", [ASTModel, ASTForAudioClassification])
def test_any_ast_checkpoint_opens_whole_and_without_a_word(
    checkpoint_class, names, attention, model_class, tmp_path, transformers_log
):
    ast = tiny_ast(checkpoint_class)
    ast.save_pretrained(tmp_path)
    if names == "new":
        save_file(ast.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    keys = load_file(tmp_path / "model.safetensors")
    assert any("attention.query" in key for key in keys) == (names == "old")
    assert any("q_proj" in key for key in keys) == (names == "new")

    stock, expected = STOCK[model_class].from_pretrained(
        tmp_path, attn_implementation=attention, output_loading_info=True
    )
    if checkpoint_class is STOCK[model_class]:
        transformers_log.clear()
    model, info = model_class.from_pretrained(tmp_path, attn_implementation=attention, output_loading_info=True)
    assert info == expected
    if checkpoint_class is STOCK[model_class]:
        assert_clean(info)
        assert transformers_log.records == []
        assert torch.equal(model(tiny_input())[0], stock(tiny_input())[0])
    for ours, theirs in zip(model.base_model.parameters(), stock.base_model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@both_classes
def test_stock_ast_opens_what_is_saved(model_class, tmp_path):
    model = tiny_model(model_class, merge_ratio=0.25)
    model.save_pretrained(tmp_path)
    stock, info = STOCK[model_class].from_pretrained(tmp_path, output_loading_info=True)
    assert_clean(info)
    model.set_merge_ratio(0)
    assert torch.equal(stock(tiny_input())[0], model(tiny_input())[0])


@both_classes
def test_a_checkpoint_that_was_opened_saves_and_opens_again(model_class, tmp_path, transformers_log):
    tiny_ast(STOCK[model_class]).save_pretrained(tmp_path / "ast")
    model = model_class.from_pretrained(tmp_path / "ast", merge_ratio=[0.1, 0.2, 0.3])
    model.save_pretrained(tmp_path / "fast")
    assert (
        load_file(tmp_path / "ast" / "model.safetensors").keys()
        == load_file(tmp_path / "fast" / "model.safetensors").keys()
    )
    again, info = model_class.from_pretrained(tmp_path / "fast", output_loading_info=True)
    assert_clean(info)
    assert again.config.merge_ratio == [0.1, 0.2, 0.3]
    assert torch.equal(again(tiny_input())[0], model(tiny_input())[0])
    assert transformers_log.records == []


def test_a_new_head_is_the_only_thing_that_is_new(tmp_path):
    tiny_ast().save_pretrained(tmp_path)
    model, info = FastASTForAudioClassification.from_pretrained(
        tmp_path, num_labels=7, ignore_mismatched_sizes=True, output_loading_info=True
    )
    assert model.config.num_labels == 7
    assert {key[0] for key in info["mismatched_keys"]} == {"classifier.dense.weight", "classifier.dense.bias"}
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]


def test_a_fastast_inside_another_model_is_fitted_and_loaded(tmp_path):
    class Around(PreTrainedModel):
        config_class = ASTConfig
        base_model_prefix = "around"

        def __init__(self, config):
            super().__init__(config)
            self.encoder = FastASTModel(tiny_config())
            self.post_init()

    around = randomize(Around(ASTConfig()))
    around.save_pretrained(tmp_path)
    again, info = Around.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    for name, tensor in around.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


# Devices


def test_a_layer_is_never_split_over_devices():
    model = tiny_model()
    assert set(model._no_split_modules) == {"FastASTEmbeddings", "FastASTLayer"}
    assert set(model.base_model._no_split_modules) == {"FastASTEmbeddings", "FastASTLayer"}
    layer = sum(p.numel() for p in model.base_model.layers[0].parameters()) * 4
    places = infer_auto_device_map(
        model, max_memory={"cpu": 3 * layer, "disk": 10**9}, no_split_module_classes=list(model._no_split_modules)
    )
    assert set(places.values()) == {"cpu", "disk"}
    assert not any(re.search(r"layers\.\d+\.|embeddings\.", name) for name in places)


@pytest.mark.parametrize("device_map", ["cpu", "auto", {"": "cpu"}])
def test_a_device_map_changes_nothing(device_map, tmp_path):
    model = tiny_model(merge_ratio=0.25)
    model.save_pretrained(tmp_path)
    placed = FastASTForAudioClassification.from_pretrained(tmp_path, device_map=device_map)
    assert torch.equal(placed(tiny_input()).logits, model(tiny_input()).logits)


def test_layers_on_disk_change_nothing(tmp_path):
    model = tiny_model(merge_ratio=0.25)
    model.save_pretrained(tmp_path / "model")
    places = {
        "audio_spectrogram_transformer.embeddings": "cpu",
        "audio_spectrogram_transformer.layers.0": "cpu",
        "audio_spectrogram_transformer.layers.1": "disk",
        "audio_spectrogram_transformer.layers.2": "disk",
        "audio_spectrogram_transformer.layernorm": "cpu",
        "classifier": "cpu",
    }
    placed = FastASTForAudioClassification.from_pretrained(
        tmp_path / "model", device_map=places, offload_folder=tmp_path / "offload"
    )
    with torch.no_grad():
        output = placed(tiny_input(), output_token_sources=True)
        expected = model(tiny_input(), output_token_sources=True)
    assert torch.equal(output.logits, expected.logits)
    assert torch.equal(output.token_sources, expected.token_sources)


def test_labels_come_with_the_model():
    assert tiny_model().config.id2label == TINY["id2label"]
