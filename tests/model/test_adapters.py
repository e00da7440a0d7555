"""What an adapter_config.json may hold: what PEFT writes for plain LoRA, and nothing that leads elsewhere or has no end."""

import json
import sys

import pytest
import torch
from safetensors.torch import save_file

from fastast_hf import FastASTModel
from fastast_hf.model.adapters import adapter_fields, check_ranks, path_of_base
from tests.conftest import tiny_model

peft = pytest.importorskip("peft", reason="peft is not installed")

# PEFT 0.21 asks transformers by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

PLAIN = {"peft_type": "LORA", "r": 2, "target_modules": ["q_proj"], "base_model_name_or_path": "you/base"}
BACKTRACKING = "(([a-z._0-9]+)+)+X"


def folder_of(fields, folder):
    (folder / "adapter_config.json").write_text(fields if isinstance(fields, str) else json.dumps(fields))
    save_file({"a": torch.zeros(1)}, folder / "adapter_model.safetensors")
    return folder


def test_a_folder_without_an_adapter_has_no_fields(tmp_path):
    assert adapter_fields(tmp_path) is None
    assert path_of_base(tmp_path) == tmp_path


@pytest.mark.filterwarnings("ignore:.*invalid shape:peft.PeftWarning")  # PEFT 0.21 takes a bias for half of a weight
@pytest.mark.parametrize(
    "options",
    [
        {"target_modules": ["q_proj", "v_proj"], "modules_to_save": ["classifier"]},
        {"target_modules": "all-linear", "use_rslora": True},
        {"target_modules": ["attention.q_proj"], "rank_pattern": {"^layers.0.attention.q_proj": 3}},
        {"target_modules": ["q_proj"], "alpha_pattern": {"q_proj": 0.5}, "lora_dropout": 0.1},
        {"target_modules": ["q_proj"], "layers_to_transform": [0], "layers_pattern": "layers"},
        {
            "target_modules": ["q_proj"],
            "layers_to_transform": 1,
            "layers_pattern": ["layers"],
            "exclude_modules": ["k_proj"],
        },
        {"target_modules": ["q_proj"], "init_lora_weights": "gaussian"},
        {"target_modules": ["q_proj"], "init_lora_weights": False},
        {"target_modules": ["q_proj"], "init_lora_weights": "orthogonal"},
        {"target_modules": ["q_proj"], "bias": "all"},
        {"target_modules": ["q_proj"], "bias": "lora_only"},
        {"target_modules": ["q_proj"], "lora_bias": True},
    ],
)
def test_what_peft_writes_for_plain_lora_passes(options, tmp_path):
    model = tiny_model(FastASTModel, num_hidden_layers=2)
    peft.get_peft_model(model, peft.LoraConfig(r=4, **options)).save_pretrained(tmp_path)
    written = json.loads((tmp_path / "adapter_config.json").read_text())
    assert len(written) > 20
    assert adapter_fields(tmp_path) == written


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("peft_type", "XLORA", "LORA"),
        ("peft_type", "ADALORA", "LORA"),
        ("peft_type", ["LORA"], "LORA"),
        ("r", 0, "a whole number from 1"),
        ("r", 2.0, "a whole number from 1"),
        ("r", True, "a whole number from 1"),
        ("lora_alpha", float("nan"), "a number"),
        ("lora_alpha", 10**400, "a number"),
        ("target_modules", None, "a list of at most 250 plain names of modules"),
        ("target_modules", [], "a list of at most 250 plain names of modules"),
        ("target_modules", "all-linear", "a list of at most 250 plain names of modules"),
        ("target_modules", BACKTRACKING, "a list of at most 250 plain names of modules"),
        ("target_modules", ["q_proj"] * 251, "a list of at most 250 plain names of modules"),
        ("target_modules", ["q" * 101], "a list of at most 250 plain names of modules"),
        ("exclude_modules", BACKTRACKING, "a list of at most 250 plain names of modules"),
        ("modules_to_save", [BACKTRACKING], "a list of at most 250 plain names of modules"),
        ("modules_to_save", [""], "a list of at most 250 plain names of modules"),
        ("layers_pattern", BACKTRACKING, "a list of at most 250 plain names of modules"),
        ("layers_to_transform", ["0"], "at most 250 numbers of layers"),
        ("rank_pattern", {BACKTRACKING: 2}, "ranks from 1 by plain names"),
        ("rank_pattern", {"q_proj": 0}, "ranks from 1 by plain names"),
        ("rank_pattern", {f"a{number}": 2 for number in range(251)}, "ranks from 1 by plain names"),
        ("alpha_pattern", {BACKTRACKING: 2}, "numbers by plain names"),
        ("alpha_pattern", {"q_proj": "2"}, "numbers by plain names"),
        *(("bias", value, "none, all or lora_only") for value in ("boft_only", None, ["all"])),
        ("lora_bias", "yes", "true or false"),
        *(
            ("init_lora_weights", value, "true, false, gaussian or orthogonal")
            for value in ("pissa", "olora", "loftq", "corda", "eva", "mica", "lora_ga", 1, None)
        ),
        ("adapters", {"0": "/elsewhere"}, "off or left out"),
        ("megatron_config", {"a": 1}, "off or left out"),
        ("corda_config", {"cache_file": "/elsewhere"}, "off or left out"),
        ("eva_config", {"rho": 2.0}, "off or left out"),
        ("loftq_config", {"loftq_bits": 4}, "off or left out"),
        ("trainable_token_indices", [0], "off or left out"),
        ("target_parameters", ["weight"], "off or left out"),
        ("layer_replication", [[0, 12]] * 2000, "off or left out"),
        ("use_dora", True, "off or left out"),
        ("what_peft_will_know", "/elsewhere", "off or left out"),
    ],
)  # fmt: skip
def test_what_is_more_than_plain_lora_is_refused(field, value, wanted, tmp_path):
    message = rf"`{field}` must be {wanted} in an adapter_config\.json, got .* in .*merge_and_unload"
    with pytest.raises(ValueError, match=message):
        adapter_fields(folder_of(PLAIN | {field: value}, tmp_path))


@pytest.mark.parametrize("field", ["peft_type", "r", "target_modules"])
def test_what_settles_an_adapter_cannot_be_left_out(field, tmp_path):
    with pytest.raises(ValueError, match=rf"`{field}` must be .* got None in"):
        adapter_fields(folder_of({name: value for name, value in PLAIN.items() if name != field}, tmp_path))


@pytest.mark.parametrize(
    "text", ["{", "[]", "7", "[" * 100_000, '{"peft_type": "\ud800'.encode("utf-8", "replace").decode()]
)
def test_what_is_no_configuration_is_told(text, tmp_path):
    with pytest.raises(ValueError, match=r"`adapter_config\.json` must be .*Copy or download it again"):
        adapter_fields(folder_of(text, tmp_path))


def test_an_adapter_names_its_model_if_it_is_alone(tmp_path):
    assert path_of_base(folder_of(PLAIN, tmp_path)) == "you/base"
    for fields in (PLAIN | {"base_model_name_or_path": ["you/base"]}, {**PLAIN, "base_model_name_or_path": None}):
        with pytest.raises(
            ValueError, match=r"`base_model_name_or_path` must name the adapter's model, got .*Write its"
        ):
            path_of_base(folder_of(fields, tmp_path))
    with pytest.raises(ValueError, match=r"`base_model_name_or_path` must name the adapter's model, got None"):
        path_of_base(folder_of({name: PLAIN[name] for name in ("peft_type", "r", "target_modules")}, tmp_path))
    (tmp_path / "config.json").write_text("{}")
    assert path_of_base(tmp_path) == tmp_path, "a model that has its adapter beside it"


def test_without_peft_an_adapter_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr("fastast_hf.model.adapters.is_peft_available", lambda: False)  # it is installed here
    assert adapter_fields(folder_of(PLAIN | {"peft_type": "XLORA"}, tmp_path)) is None


@pytest.mark.parametrize("field", ["r", "rank_pattern"])
def test_a_rank_has_a_bound(field):
    fields = PLAIN | {"r": 4, "rank_pattern": {"k_proj": 4}}
    fields[field] = 5 if field == "r" else {"v_proj": 1, "k_proj": 5}
    check_ranks(fields, "x", 5, "the width of the model")
    with pytest.raises(
        ValueError, match=rf"`{field}` must be at most 4, the width of the model, in .*, got 5 in x\. Copy"
    ):
        check_ranks(fields, "x", 4, "the width of the model")


@pytest.mark.parametrize(
    ("targets", "patterns", "is_free"),
    [
        (["q_proj", "v_proj"], ["q_proj", "v_proj"], True),
        (["layers.0.attention.q_proj", "attention.v_proj"], ["q_proj", "attention.v_proj"], True),
        (["q_proj", "v_proj"], ["q_proj"], False),
        (["q_proj"], ["attention.q_proj"], False),
        (["q_proj"], ["^q_proj"], False),
        (["xq_proj"], ["q_proj"], False),
        (["q_proj"], [], False),
    ],
)
def test_a_rank_of_which_no_layer_is_built_is_free(targets, patterns, is_free):
    fields = {"r": 10**6, "target_modules": targets, "rank_pattern": dict.fromkeys(patterns, 4)}
    if is_free:
        check_ranks(fields, "x", 4, "the width of the model")
        return
    with pytest.raises(ValueError, match=r"`r` must be at most 4, the width of the model, in .*, got 1000000 in x\."):
        check_ranks(fields, "x", 4, "the width of the model")


def test_orthogonal_weights_are_of_a_low_rank():
    """PEFT decomposes a matrix of rank x rank for each layer."""
    fields = PLAIN | {"r": 256, "init_lora_weights": "orthogonal"}
    check_ranks(fields, "x", 3072, "the width of the model")
    message = r"`r` must be at most 256, the highest of orthogonal weights, in .*, got 258 in x\."
    with pytest.raises(ValueError, match=message):
        check_ranks(fields | {"r": 258}, "x", 3072, "the width of the model")
    with pytest.raises(ValueError, match=r"`r` must be at most 32, the width of the model, in .*, got 256 in x\."):
        check_ranks(fields, "x", 32, "the width of the model")


def test_the_module_that_auto_mapping_names_is_not_imported(tmp_path):
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    tiny_model(FastASTModel, num_hidden_layers=1).save_pretrained(base)
    model = FastASTModel.from_pretrained(base)
    peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(adapter)
    path = adapter / "adapter_config.json"
    fields = json.loads(path.read_text())
    assert fields["auto_mapping"]["parent_library"] == "fastast_hf.model.modeling_fastast"
    fields["auto_mapping"]["parent_library"] = "this"  # prints where it is imported, and nothing else does so
    path.write_text(json.dumps(fields))
    assert FastASTModel.from_pretrained(adapter).peft_config["default"].auto_mapping["parent_library"] == "this"
    assert "this" not in sys.modules
