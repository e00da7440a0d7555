"""Native code that a config.json names is refused; what a caller gives is the caller's own."""

import json

import pytest

from fastast_hf import FastASTConfig
from fastast_hf.model.native_code import check_attention_name, check_not_quantized


@pytest.fixture
def configuration(fastast_folder, tmp_path):
    """Write a config.json with a field of a stranger."""

    def write(**fields):
        config = json.loads((fastast_folder / "config.json").read_text()) | fields
        (tmp_path / "config.json").write_text(json.dumps(config))
        return tmp_path

    return write


@pytest.mark.parametrize("field", ["attn_implementation", "_attn_implementation", "_attn_implementation_internal"])
@pytest.mark.parametrize(
    "name", ["kernels-community/flash-attn2", "a/b:attention", {"": "a/b"}, "flash_attention_3", 1]
)
def test_a_configuration_cannot_name_attention_of_others(field, name, configuration):
    message = rf"`{field}` must be one of eager, sdpa, flash_attention_2, flex_attention in a config\.json, got "
    with pytest.raises(ValueError, match=message):
        FastASTConfig.from_pretrained(configuration(**{field: name}))
    with pytest.raises(ValueError, match=message):
        check_attention_name({field: name})


@pytest.mark.parametrize("name", ["eager", "sdpa", "flash_attention_2", "flex_attention", None])
def test_a_configuration_may_name_attention_of_transformers(name, configuration):
    folder = configuration(attn_implementation=name)
    assert FastASTConfig.from_pretrained(folder)._attn_implementation == name
    # What a caller gives is the caller's own.
    config = FastASTConfig.from_pretrained(folder, attn_implementation="a/b")
    assert config._attn_implementation == "a/b"


def test_a_configuration_cannot_ask_for_quantized_weights(configuration):
    folder = configuration(quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True})
    with pytest.raises(
        ValueError, match=r"`quantization_config` must not be in a config\.json, got .*bitsandbytes.* Remove"
    ):
        FastASTConfig.from_pretrained(folder)
    with pytest.raises(ValueError, match=r"`quantization_config` must not be in a config\.json, got \{\}\. Remove"):
        check_not_quantized({"quantization_config": {}})
    own = FastASTConfig.from_pretrained(
        configuration(quantization_config=None), quantization_config={"quant_method": "x"}
    )
    assert own.quantization_config == {"quant_method": "x"}
