"""A config.json that does not fit the weights beside it, met by the door that loads classifiers."""

import json
import shutil

import pytest
from transformers import ASTFeatureExtractor, ASTModel

from fastast_hf.classification.loading import load_classifier
from tests.conftest import SIZES, tiny_ast


@pytest.fixture
def with_field(fastast_folder, tmp_path):
    """Change a field of a checkpoint's config.json."""

    def change(**fields):
        shutil.copytree(fastast_folder, tmp_path / "model")
        path = tmp_path / "model" / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))
        return str(tmp_path / "model")

    return change


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"num_hidden_layers": 10_000_000},
            r"`num_hidden_layers` must be that of the weights, got 10000000 in .*model\.",
        ),
        ({"num_labels": 1_000_000_000}, r"`num_labels` must be that of the weights, got 1000000000 in .*model\."),
        (
            {"num_labels": 6, "id2label": None, "label2id": None},
            r"`num_labels` must be that of the weights, got 6 in .*model\.",
        ),
        (
            {"num_hidden_layers": 3},
            r"`model` must have the sizes of its weights .* of 31,792 parameters .* 24,517 weights\.",
        ),
        (
            {"intermediate_size": 10**12},
            r"`model` must have the sizes of its weights .* parameters is described beside 24,517 weights\.",
        ),
        (
            {"max_length": 10**12},
            r"`model` must have the sizes of its weights .* parameters is described beside 24,517 weights\.",
        ),
        (
            {"intermediate_size": 40},
            r"`model` must have the sizes of its weights .*model with others, as listed above\.",
        ),
        ({"hidden_size": 10**30}, r"`model` must have possible sizes .*, of which no model can be built \(.*\)\."),
        (
            {"num_hidden_layers": 1},
            r"`model` must have a place for all of its weights .*, got .*model with 16 too many, such as .*layers\.1\..*\.",
        ),
        (
            {"qkv_bias": False},
            r"`model` must have a place for all of its weights .*, got .*model with 6 too many, such as .*bias\.",
        ),
        (
            {"hidden_act": ["gelu"]},
            r"`model` must have possible sizes .*, of which .* 'hidden_act' expected str.*\)\.",
        ),
        (
            {"dtype": ["load"]},
            r"`model` must have possible sizes .*, of which no model can be built \(IndexError: .*\)\.",
        ),
        ({"patch_grid": 1}, r"`model` must have possible sizes .* \(AttributeError: property 'patch_grid' .*\)\."),
        ({"num_attention_heads": 33}, r"`model` must have possible sizes .*, of which no model can be built \(.*\)\."),
    ],
)
def test_a_configuration_of_other_sizes_than_the_weights_is_refused(fields, message, with_field):
    """Before a model of these sizes is built: that would take all memory, or for ever."""
    with pytest.raises(
        ValueError, match=message + " Copy or download its config.json and its model.safetensors again"
    ):
        load_classifier(with_field(**fields))


def test_a_field_in_words_stays_in_its_words(with_field):
    with pytest.raises(ValueError, match=r"^`merge_ratio` must be a number or a list of one a layer, got 'much' at"):
        load_classifier(with_field(merge_ratio="much"))


def test_an_encoder_of_many_labels_is_told_before_they_get_names(tmp_path):
    tiny_ast(ASTModel, num_hidden_layers=1).save_pretrained(tmp_path)
    ASTFeatureExtractor(**SIZES).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text()) | {"num_labels": 10**9, "id2label": None, "label2id": None}
    path.write_text(json.dumps(config))
    message = (
        r"`model` must be a trained classifier, got .* without classifier\.dense\.bias, classifier\.dense\.weight\."
    )
    with pytest.raises(ValueError, match=message):
        load_classifier(str(tmp_path))
