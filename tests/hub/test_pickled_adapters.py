"""Adapters by PEFT, which transformers puts on by itself: pickles, their own or to which they lead, and sizes that are not theirs."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ASTFeatureExtractor, ASTForAudioClassification, AutoModelForAudioClassification

from fastast_hf import FastASTForAudioClassification
from fastast_hf.classification.loading import load_classifier
from fastast_hf.hub.safe_weights import check_safe_weights
from fastast_hf.hub.sizes import check_sizes
from tests.conftest import SIZES, tiny_ast, tiny_input
from tests.test_pickled_weights import DOORS_OF_AST, Bomb, with_index

peft = pytest.importorskip("peft", reason="peft is not installed")

# PEFT 0.21 asks transformers by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

# Neither a training nor a conversion takes an adapter at all, see tests/experiment/test_start_refused.py.
DOORS = {name: door for name, door in DOORS_OF_AST.items() if name not in ("student", "teacher", "conversion")} | {
    "check": lambda folder: check_safe_weights(str(folder), {})
}


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
    return told(adapter, base_model_name_or_path=str(base))


def told(adapter, **fields):
    """Write fields into the configuration of an adapter."""
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return adapter


@pytest.fixture
def model_with_adapter(adapter, ast_folder, tmp_path):
    """A whole checkpoint that has its adapter beside it."""
    folder = tmp_path / "whole"
    folder.mkdir()
    for path in (*ast_folder.iterdir(), *adapter.glob("adapter_*")):
        (folder / path.name).write_bytes(path.read_bytes())
    weights = load_file(adapter / "adapter_model.safetensors")
    second = {name.replace("layers.0.", "layers.1."): weight.clone() for name, weight in weights.items()}
    save_file(weights | second, folder / "adapter_model.safetensors")
    return folder


def pickled(file):
    torch.save(load_file(file), file.with_suffix(".bin"))
    file.unlink()
    return file.with_suffix(".bin")


def test_an_adapter_of_safetensors_is_put_on(adapter, base):
    check_safe_weights(str(adapter), {})
    with_it, without = (FastASTForAudioClassification.from_pretrained(folder) for folder in (adapter, base))
    assert not torch.equal(with_it(tiny_input()).logits, without(tiny_input()).logits)


@pytest.mark.parametrize("door", ["FastASTModel", "FastASTForAudioClassification", "check"])
def test_an_adapter_cannot_name_a_model_of_pickles(door, adapter, base):
    weights = load_file(base / "model.safetensors")
    with_index(base, pickled(base / "model.safetensors").name, weights)
    torch.save(weights, base / "model.bin")
    with pytest.raises(
        ValueError, match=r"`model\.safetensors\.index\.json` must .* got 'model\.bin' in .*base\. Pickled"
    ):
        DOORS[door](adapter)


def test_the_model_of_an_adapter_has_a_configuration(adapter, base):
    (base / "config.json").write_text("[]")
    with pytest.raises(ValueError, match=r"`config\.json` must be a JSON object of settings, got .*base with another"):
        check_safe_weights(str(adapter), {})


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
    with pytest.raises(ValueError, match=message):
        FastASTForAudioClassification.from_pretrained("you/pickled")


@pytest.mark.parametrize("door", ["student", "teacher"])
def test_a_training_takes_no_adapter_of_the_hub(door, model_with_adapter, hub):
    hub.publish(model_with_adapter, "you/whole")
    with pytest.raises(ValueError, match=r"_name_or_path` must be a whole model, got you/whole with a PEFT adapter\."):
        DOORS_OF_AST[door]("you/whole")


def lead_to_a_pickle(folder, elsewhere, bomb):
    """Have an adapter name another folder, whose adapter is a pickle, as a mixture of adapters does."""
    elsewhere.mkdir()
    (elsewhere / "adapter_config.json").write_bytes((folder / "adapter_config.json").read_bytes())
    torch.save({"state": bomb}, elsewhere / "adapter_model.bin")
    fields = {"peft_type": "XLORA", "adapters": {"0": str(elsewhere)}, "hidden_size": 32}
    (folder / "adapter_config.json").write_text(json.dumps(fields))
    return folder


def by_auto_class(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "fastast"}))
    return AutoModelForAudioClassification.from_pretrained(folder)


@pytest.mark.parametrize("door", [*DOORS_OF_AST, "Auto class", "load_adapter", "adapter alone"])
def test_an_adapter_cannot_lead_to_pickles_elsewhere(door, model_with_adapter, base, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: opened.append(args))  # PEFT would come here
    doors = DOORS_OF_AST | {
        "Auto class": by_auto_class,
        "load_adapter": FastASTForAudioClassification.from_pretrained(base).load_adapter,
        "adapter alone": FastASTForAudioClassification.from_pretrained,
    }
    folder = lead_to_a_pickle(model_with_adapter, tmp_path / "elsewhere", Bomb(tmp_path / "it ran"))
    if door == "adapter alone":
        (name_base(folder, base) / "config.json").unlink()
    with pytest.raises(
        ValueError, match=r"`peft_type` must be LORA in an adapter_config\.json, got 'XLORA' in .*whole"
    ):
        doors[door](folder)
    assert opened == []


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"r": 10**6}, r"`r` must be at most 48, the width of the model's widest layer, .* got 1000000 in"),
        ({"rank_pattern": {"q_proj": 10**6}}, r"`rank_pattern` must be at most 48, the width of .* got 1000000 in"),
        ({"target_modules": "(([a-z._0-9]+)+)+X"}, r"`target_modules` must be a list of .* plain names"),
    ],
)
def test_an_adapter_takes_no_time_and_memory_without_bound(fields, message, door, model_with_adapter):
    with pytest.raises(ValueError, match=message):
        DOORS[door](told(model_with_adapter, **fields))


def test_an_adapter_is_held_to_its_weights_where_nobody_knows_the_model_s_width(model_with_adapter):
    config = json.loads((model_with_adapter / "config.json").read_text())
    del config["hidden_size"], config["intermediate_size"]
    (model_with_adapter / "config.json").write_text(json.dumps(config | {"model_type": "whisper"}))
    check_safe_weights(str(model_with_adapter), {})
    with pytest.raises(ValueError, match=r"`r` must be at most 2, the rank of its weights, .* got 3 in"):
        check_safe_weights(str(told(model_with_adapter, r=3)), {})


def test_the_sizes_are_those_of_the_model_that_is_loaded(model_with_adapter, base, hub):
    """Of a repository with whole weights and an adapter, transformers loads what the adapter names, unlike of a folder."""
    ASTFeatureExtractor(**SIZES).save_pretrained(model_with_adapter)
    adapter = load_file(model_with_adapter / "adapter_model.safetensors")
    only_first = {name: weight for name, weight in adapter.items() if "layers.0." in name}
    save_file(only_first, model_with_adapter / "adapter_model.safetensors")
    hub.publish(base, "you/base")
    hub.publish(name_base(model_with_adapter, "you/base"), "you/whole")
    model, _ = load_classifier("you/whole")
    assert model.config.num_hidden_layers == 1, "the base's, and not the two of the repository itself"
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2000}))
    hub.publish(base, "you/large")
    hub.publish(name_base(model_with_adapter, "you/large"), "you/bad")
    message = r"`num_hidden_layers` must be that of the weights, got 2000 in you/large\. Copy or download its config"
    with pytest.raises(ValueError, match=message):
        load_classifier("you/bad")


@pytest.mark.filterwarnings("ignore:.*invalid shape:peft.PeftWarning")  # PEFT 0.21 takes a bias for half of a weight
@pytest.mark.parametrize(
    "options",
    [
        {"r": 16, "target_modules": ["q_proj", "v_proj"], "rank_pattern": {"q_proj": 8, "v_proj": 2}},
        {"r": 40, "target_modules": ["fc1", "fc2"]},
        {"r": 48, "target_modules": ["q_proj"]},
        {"target_modules": ["q_proj"], "bias": "all", "modules_to_save": ["classifier"]},
        {"target_modules": ["q_proj"], "bias": "lora_only"},
        {"target_modules": ["q_proj"], "lora_bias": True},
        {"target_modules": ["q_proj"], "init_lora_weights": "orthogonal"},
    ],
)
def test_a_trained_adapter_answers_as_it_was_trained(options, base, tmp_path):
    trained = peft.get_peft_model(FastASTForAudioClassification.from_pretrained(base), peft.LoraConfig(**options))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.2, generator=generator)
        expected = trained.eval()(input_values=tiny_input()).logits
    trained.save_pretrained(tmp_path / "adapter")
    check_safe_weights(str(tmp_path / "adapter"), {})
    model = FastASTForAudioClassification.from_pretrained(tmp_path / "adapter")
    with torch.no_grad():
        torch.testing.assert_close(model(tiny_input()).logits, expected)
        without = FastASTForAudioClassification.from_pretrained(base)(tiny_input()).logits
    assert not torch.allclose(without, expected)


@pytest.mark.parametrize("door", DOORS_OF_AST)
def test_a_pickled_adapter_beside_a_model_is_told_as_one(door, model_with_adapter):
    pickled(model_with_adapter / "adapter_model.safetensors")
    message = r"`adapter_model\.safetensors` must be in the adapter, got .*whole without\. Pickled weights such as adapter_model"
    with pytest.raises(ValueError, match=message):
        DOORS_OF_AST[door](model_with_adapter)


def test_what_is_no_adapter_is_not_put_on(base, tmp_path):
    model = FastASTForAudioClassification.from_pretrained(base)
    with pytest.raises(ValueError, match=r"`peft_model_id` must hold an adapter_config\.json, .* got .*base\. Check"):
        model.load_adapter(base)


def test_an_adapter_of_the_right_sizes_passes(model_with_adapter):
    config_dict = json.loads((model_with_adapter / "config.json").read_text())
    told(model_with_adapter, r=1, rank_pattern={"^x.q_proj": 1, "q_proj": 2, "layers.0.attention.q_proj": 1})
    check_sizes(str(model_with_adapter), config_dict, {})
    check_safe_weights(str(model_with_adapter), {})


LAYER = r"audio_spectrogram_transformer\.layers\.\d\.attention\.q_proj"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"r": 49},
            r"`r` must be at most 48, the width of the model's widest layer, in an adapter_config\.json, got 49",
        ),
        ({"r": 1}, rf"`r` must be the rank of the adapter's weights, 2 for {LAYER}, got 1 in .* Save it again"),
        ({"rank_pattern": {"k_proj": 49}}, r"`rank_pattern` must be at most 48, the width of the .* got 49 in"),
        (
            {"rank_pattern": {"q_proj": 1}},
            rf"`rank_pattern` must be the rank of the adapter's .* 2 for {LAYER}, got 1 in",
        ),
        ({"target_modules": ["k_proj"]}, rf"`target_modules` must name every layer .* got .*whole without {LAYER}\."),
    ],
)
def test_a_configuration_tells_the_sizes_of_the_adapter(fields, message, model_with_adapter):
    config_dict = json.loads((model_with_adapter / "config.json").read_text())
    told(model_with_adapter, **fields)
    with pytest.raises(ValueError, match=message):
        check_safe_weights(str(model_with_adapter), {})
    with pytest.raises(ValueError, match=message):
        check_sizes(str(model_with_adapter), config_dict, {})


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({}, r"must hold LoRA's weights of some layers, got .*whole of none\."),
        (
            {"q_proj.lora_A.weight": (2, 32)},
            r"two weights of a low rank .* got the shapes \(2, 32\) and None for q_proj",
        ),
        ({"q_proj.lora_A.weight": (0, 32), "q_proj.lora_B.weight": (32, 0)}, r"two weights of a low rank .* got"),
        ({"q_proj.lora_A.weight": (), "q_proj.lora_B.weight": (32, 0)}, r"two weights of a low rank .* got"),
        ({"q_proj.lora_A.weight": (9999, 1), "q_proj.lora_B.weight": (1, 9999)}, r"two weights of a low rank .* got"),
    ],
)
def test_weights_of_an_adapter_are_of_low_rank(shapes, message, model_with_adapter):
    weights = {name: torch.zeros(shape) for name, shape in shapes.items()} | {"other": torch.zeros(1)}
    save_file(weights, model_with_adapter / "adapter_model.safetensors")
    with pytest.raises(ValueError, match=rf"`adapter_model\.safetensors` .*{message}"):
        check_safe_weights(str(told(model_with_adapter, r=9999)), {})
