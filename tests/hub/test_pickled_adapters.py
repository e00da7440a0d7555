"""Adapters by PEFT, which transformers puts on by itself: their own pickles, and those of the model that they name."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import ASTForAudioClassification

from fastast_hf import FastASTForAudioClassification
from fastast_hf.hub.safe_weights import check_safe_weights
from tests.conftest import tiny_ast, tiny_input
from tests.test_pickled_weights import DOORS_OF_AST, with_index

peft = pytest.importorskip("peft", reason="peft is not installed")

# PEFT 0.21 asks transformers by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture
def base(tmp_path):
    tiny_ast(num_hidden_layers=1).save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def adapter(base, tmp_path):
    """An adapter for the queries, as PEFT saves it."""
    model = ASTForAudioClassification.from_pretrained(base)
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    peft.get_peft_model(model, config).save_pretrained(tmp_path / "adapter")
    return name_base(tmp_path / "adapter", base)


def name_base(adapter, base):
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": str(base)}))
    return adapter


def pickled(file):
    torch.save(load_file(file), file.with_suffix(".bin"))
    file.unlink()
    return file.with_suffix(".bin")


def test_an_adapter_of_safetensors_is_put_on(adapter, base):
    check_safe_weights(str(adapter), {})
    with_it, without = (FastASTForAudioClassification.from_pretrained(folder) for folder in (adapter, base))
    assert not torch.equal(with_it(tiny_input()).logits, without(tiny_input()).logits)


@pytest.mark.parametrize("door", ["FastASTModel", "FastASTForAudioClassification", "teacher"])
def test_an_adapter_cannot_name_a_model_of_pickles(door, adapter, base):
    weights = load_file(base / "model.safetensors")
    with_index(base, pickled(base / "model.safetensors").name, weights)
    torch.save(weights, base / "model.bin")
    with pytest.raises(
        ValueError, match=r"`model\.safetensors\.index\.json` must .* got 'model\.bin' in .*base\. Pickled"
    ):
        DOORS_OF_AST[door](adapter)


def test_a_pickled_adapter_of_the_hub_is_refused(adapter, base, hub):
    """transformers takes adapter_model.bin where there are no safetensors."""
    hub.publish(base, "you/base")
    hub.publish(name_base(adapter, "you/base"), "you/adapter")
    check_safe_weights("you/adapter", {"revision": "main"})
    FastASTForAudioClassification.from_pretrained("you/adapter")
    pickled(adapter / "adapter_model.safetensors")
    hub.publish(adapter, "you/pickled")
    message = (
        r"`adapter_model\.safetensors` must be in the adapter, got you/pickled without\. Pickled .* Save it again with"
    )
    with pytest.raises(ValueError, match=message):
        check_safe_weights("you/pickled", {"revision": "main"})
    message = r"`pretrained_model_name_or_path` must lead to safetensors alone, got .*adapter_model\.bin\. Pickled"
    with pytest.raises(ValueError, match=message):
        FastASTForAudioClassification.from_pretrained("you/pickled")
