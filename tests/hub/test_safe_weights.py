"""Pickled weights in a repository on the Hub. Those in a folder are in tests/test_pickled_weights.py."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import ViTConfig, ViTModel

from fastast_hf import FastASTForAudioClassification
from fastast_hf.experiment.arguments import ModelArguments
from fastast_hf.experiment.converting import convert_checkpoint
from fastast_hf.hub.conversion import ast_from_vision_transformer
from fastast_hf.hub.safe_weights import check_safe_weights, weight_shapes
from tests.conftest import tiny_ast


@pytest.fixture
def published(hub, tmp_path, monkeypatch):
    """Publish an AST whole, and one that has its weights as a pickle alone."""
    # Else transformers asks a service on the Hub for safetensors of such a repository.
    monkeypatch.setenv("DISABLE_SAFETENSORS_CONVERSION", "1")
    folder = tmp_path / "ast"
    tiny_ast(num_hidden_layers=1).save_pretrained(folder)
    hub.publish(folder, "you/safe")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    hub.publish(folder, "you/pickled")


def test_a_repository_with_safetensors_passes(published):
    check_safe_weights("you/safe", {"revision": "main"})
    FastASTForAudioClassification.from_pretrained("you/safe")


def test_a_repository_with_pickled_weights_is_refused_before_they_are_fetched(published, hub):
    message = r"`model\.safetensors` must be in the checkpoint, got you/pickled without\. Pickled .*Convert it once"
    with pytest.raises(ValueError, match=message):
        check_safe_weights("you/pickled", {"revision": "main"})
    message = (
        r"`pretrained_model_name_or_path` must hold model\.safetensors, got you/pickled without.*Convert an AST once"
    )
    with pytest.raises(OSError, match=message):
        FastASTForAudioClassification.from_pretrained("you/pickled")
    assert hub.count("GET", r"pytorch_model\.bin") == 0


def test_an_index_on_the_hub_that_names_pickles_is_refused_before_they_are_fetched(published, hub, tmp_path):
    weights = torch.load(tmp_path / "ast" / "pytorch_model.bin", weights_only=True)
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, "pytorch_model.bin")}
    (tmp_path / "ast" / "model.safetensors.index.json").write_text(json.dumps(index))
    hub.publish(tmp_path / "ast", "you/index")
    message = (
        r"`model\.safetensors\.index\.json` must name safetensors files beside it, got 'pytorch_model\.bin' in you/"
    )
    for door in (FastASTForAudioClassification.from_pretrained, lambda name: check_safe_weights(name, {})):
        with pytest.raises(ValueError, match=message):
            door("you/index")
    assert hub.count("GET", r"pytorch_model\.bin") == 0


@pytest.mark.parametrize("shards", [{}, {"max_shard_size": "20KB"}])
def test_sizes_are_read_without_the_weights(shards, tmp_path):
    model = tiny_ast(num_hidden_layers=1)
    model.save_pretrained(tmp_path, **shards)
    assert (tmp_path / "model.safetensors.index.json").is_file() == bool(shards)
    shapes = weight_shapes(str(tmp_path), {})
    assert sorted(shapes.values()) == sorted(tuple(tensor.shape) for tensor in model.state_dict().values())
    assert shapes["classifier.dense.weight"] == (5, 32)
    for path in tmp_path.glob("*.safetensors*"):
        path.unlink()
    assert weight_shapes(str(tmp_path), {}) == {}


def test_an_index_that_is_nested_deeply_is_told(tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text("[" * 100_000)
    message = (
        rf"`model\.safetensors\.index\.json` must be an index of weights, got {tmp_path} with .* Copy or download"
    )
    with pytest.raises(ValueError, match=message):
        weight_shapes(str(tmp_path), {})


@pytest.mark.parametrize(
    ("field", "value"),
    [("quantization_config", {"quant_method": "fp8"}), ("attn_implementation", "kernels-community/flash-attn2")],
)
@pytest.mark.parametrize("door", ["check", "library", "command"])
def test_a_vision_transformer_cannot_name_native_code(door, field, value, tmp_path):
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    ViTModel(ViTConfig(**sizes, image_size=32)).save_pretrained(tmp_path / "vit")
    path = tmp_path / "vit" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    arguments = ModelArguments(model_name_or_path=str(tmp_path / "vit"))
    doors = {
        "check": lambda: check_safe_weights(str(tmp_path / "vit"), {}),
        "library": lambda: ast_from_vision_transformer(tmp_path / "vit"),
        "command": lambda: convert_checkpoint(arguments, tmp_path / "new", labels=["dog", "rain"]),
    }
    with pytest.raises(ValueError, match=rf"`{field}` must .* in a config\.json, got .* Remove it"):
        doors[door]()


def test_a_repository_that_is_not_there_is_told(hub):
    with pytest.raises(OSError, match="you/nothing is not a local folder and is not a valid model identifier"):
        check_safe_weights("you/nothing", {"revision": "main"})
