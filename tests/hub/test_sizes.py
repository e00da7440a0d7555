"""Sizes in a config.json that are not those of the weights, met by the door that loads classifiers."""

import json
import shutil

import pytest

from fastast_hf.classification.loading import load_classifier


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
        ({"num_attention_heads": 33}, r"`model` must have possible sizes .*, of which no model can be built \(.*\)\."),
    ],
)
def test_a_configuration_of_other_sizes_than_the_weights_is_refused(fields, message, with_field):
    """Before a model of these sizes is built: that would take all memory, or for ever."""
    with pytest.raises(
        ValueError, match=message + " Copy or download its config.json and its model.safetensors again"
    ):
        load_classifier(with_field(**fields))
