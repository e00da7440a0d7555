"""Fields of a configuration that no model can be built of, wherever they come from."""

import json
import math

import numpy as np
import pytest
import torch
from transformers import ASTForAudioClassification

from fastast_hf import FastASTConfig, FastASTForAudioClassification
from tests.conftest import tiny_config

REFUSED = [
    ({"num_labels": 1e7}, r"`num_labels` must be an int of at least 1, got 10000000\.0\. Leave it out"),
    ({"num_labels": "10"}, r"`num_labels` must be an int of at least 1, got '10'\. Leave it out"),
    ({"num_labels": None}, r"`num_labels` must be an int of at least 1, got None\. Leave it out"),
    ({"num_labels": 0}, r"`num_labels` must be an int of at least 1, got 0\. Leave it out"),
    ({"id2label": ["dog"]}, r"`id2label` must be a dictionary of names, got a list\. Write them as \{\"0\": \"dog\""),
    (
        {"id2label": {"0": "a", "2": "b"}},
        r"`id2label` must name the labels from 0 to 1, got the id '2' among 2\. Write",
    ),
    ({"id2label": {"x": "y"}}, r"`id2label` must name the labels from 0 to 0, got the id 'x' among 1\. Write"),
    ({"id2label": {"0": {"a": 1}}}, r"`id2label` must hold names as text, got \{'a': 1\} for 0\. Write"),
    ({"id2label": {"0": True}}, r"`id2label` must hold names as text, got True for 0\. Write"),
    ({"num_labels": True}, r"`num_labels` must be an int of at least 1, got True\. Leave it out"),
    ({"id2label": {"0": None}}, r"`id2label` must hold names as text, got None for 0\. Write"),
    ({"dtype": "load"}, r"`dtype` must be one of float32, .* in a configuration, got 'load'\. Remove it"),
    ({"torch_dtype": "load"}, r"`dtype` must be one of float32, .* in a configuration, got 'load'\. Remove it"),
    ({"dtype": "int64"}, r"`dtype` must be one of float32, .* in a configuration, got 'int64'\. Remove it"),
    ({"hidden_act": "nope"}, r"`hidden_act` must be an activation that transformers has, got 'nope'\. AST's is gelu"),
    ({"hidden_dropout_prob": 5}, r"`hidden_dropout_prob` must lie in \[0, 1\], got 5\. 0 drops nothing"),
    ({"attention_probs_dropout_prob": -0.1}, r"`attention_probs_dropout_prob` must lie in \[0, 1\], got -0\.1\."),
    ({"layer_norm_eps": -1.0}, r"`layer_norm_eps` must be a finite number of at least 0, got -1\.0\. AST's is 1e-12"),
    (
        {"layer_norm_eps": math.inf},
        r"`layer_norm_eps` must be a finite number of at least 0, got inf\. AST's is 1e-12",
    ),
    *(
        ({name: number}, rf"`{name}` must be at least 1, got {number}\. Give the number that the weights were trained")
        for name, number in (
            ("num_attention_heads", -3),
            ("num_attention_heads", 0),
            ("num_hidden_layers", -1),
            ("hidden_size", 0),
            ("intermediate_size", -1),
            ("patch_size", 0),
            ("time_stride", 0),
            ("frequency_stride", -10),
        )
    ),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_a_bad_field_is_told(fields, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        tiny_config(**fields)
    (tmp_path / "config.json").write_text(json.dumps({**tiny_config().to_dict(), **fields}))
    with pytest.raises(ValueError, match=message):
        FastASTConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["time_stride", "frequency_stride"])
def test_a_bad_stride_that_is_assigned_changes_nothing(name):
    config = tiny_config()
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1, got 0"):
        setattr(config, name, 0)
    assert getattr(config, name) == 10


@pytest.mark.parametrize(
    ("name", "value"), [("hidden_act", "nope"), ("num_attention_heads", -3), ("id2label", {0: "a", 2: "b"})]
)
def test_a_bad_field_that_is_assigned_is_caught_on_saving(name, value, tmp_path):
    config = tiny_config()
    setattr(config, name, value)
    with pytest.raises(ValueError, match=f"`{name}` must"):
        config.save_pretrained(tmp_path)
    assert not (tmp_path / "config.json").exists()


@pytest.mark.parametrize(
    ("fields", "num_labels"),
    [
        ({"id2label": None, "label2id": None}, 2),
        ({"id2label": None, "label2id": None, "num_labels": 7}, 7),
        ({"id2label": {"1": "b", "0": "a"}}, 2),
        ({"id2label": {0: "a"}, "problem_type": "regression"}, 1),
    ],
)
def test_labels_that_transformers_writes_pass(fields, num_labels):
    assert tiny_config(**fields).num_labels == num_labels


@pytest.mark.parametrize("number", [np.int64(3), torch.tensor(3), np.array(3)])
def test_a_number_of_labels_may_be_numpy_s_or_torch_s(number, ast_folder):
    assert FastASTConfig(num_labels=number).id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    options = {"num_labels": number, "ignore_mismatched_sizes": True}
    assert FastASTForAudioClassification.from_pretrained(ast_folder, **options).config.num_labels == 3


def test_labels_may_be_numbers(ast_folder, tmp_path):
    """As many fine-tuning scripts write them."""
    numbers = {"id2label": {0: 0, 1: 1.5, 2: np.int64(7)}, "label2id": {0: 0, 1.5: 1, np.int64(7): 2}}
    texts = ({0: "0", 1: "1.5", 2: "7"}, {"0": 0, "1.5": 1, "7": 2})
    config = FastASTConfig(**numbers)
    assert (config.id2label, config.label2id) == texts
    config = FastASTConfig.from_pretrained(ast_folder, **numbers)
    assert (config.id2label, config.label2id) == texts
    fields = json.loads((ast_folder / "config.json").read_text())
    fields |= {"id2label": {"0": 0, "1": 1, "2": 2}, "label2id": {"0": 0, "1": 1, "2": 2}}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    assert FastASTConfig.from_pretrained(tmp_path).id2label == {0: "0", 1: "1", 2: "2"}


NEW = {"id2label": {0: "dog", 1: "rain"}, "label2id": {"dog": 0, "rain": 1}}


@pytest.mark.parametrize(
    ("of_file", "given", "left"),
    [
        ({"id2label": {"1": "a", "2": "b", "3": "c"}}, NEW, NEW["id2label"]),
        ({"id2label": ["a", "b", "c", "d", "e"]}, NEW, NEW["id2label"]),
        ({"num_labels": 10**6, "id2label": None}, NEW, NEW["id2label"]),
        ({"num_labels": 5}, NEW, NEW["id2label"]),
        ({}, NEW | {"num_labels": 5}, NEW["id2label"]),
        ({"id2label": {"1": "a", "2": "b", "3": "c"}}, {"num_labels": 2}, {0: "LABEL_0", 1: "LABEL_1"}),
        ({}, {"num_labels": 2}, {0: "LABEL_0", 1: "LABEL_1"}),
        ({}, {"num_labels": 5}, {index: f"sound {index}" for index in range(5)}),
        ({"problem_type": "single_label_classification"}, {"id2label": {0: "a"}, "problem_type": "regression"}, {0: "a"}),
    ],
)  # fmt: skip
def test_labels_that_keywords_replace_need_not_make_sense(of_file, given, left, ast_folder, tmp_path):
    fields = json.loads((ast_folder / "config.json").read_text()) | of_file
    (tmp_path / "config.json").write_text(json.dumps(fields))
    config = FastASTConfig.from_pretrained(tmp_path, **given)
    assert config.id2label == left
    assert config.label2id == {name: index for index, name in left.items()} or "label2id" not in given
    if not of_file and len(given) < 3:  # else, of the stock model, it depends on which keyword is the last
        options = {**given, "ignore_mismatched_sizes": True}
        stock = ASTForAudioClassification.from_pretrained(ast_folder, **options).config
        assert (stock.id2label, stock.label2id) == (config.id2label, config.label2id)


def test_labels_that_keywords_leave_are_told(ast_folder, tmp_path):
    fields = json.loads((ast_folder / "config.json").read_text()) | {"id2label": {"1": "a", "2": "b"}}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    for given in ({}, {"num_labels": 2}, {"label2id": {"a": 0, "b": 1}}, {"id2label": {0: "a", 2: "b"}}):
        with pytest.raises(
            ValueError, match=r"`id2label` must name the labels from 0 to 1, got the id '?2'? among 2\."
        ):
            FastASTConfig.from_pretrained(tmp_path, **given)


@pytest.mark.parametrize("dtype", ["float16", torch.bfloat16, None])
def test_dtypes_of_weights_pass(dtype):
    assert tiny_config(dtype=dtype).dtype in (torch.float16, torch.bfloat16, None)
