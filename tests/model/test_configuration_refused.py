"""Configurations that no model takes, refused wherever they come from: keywords, files, assignments."""

import copy
import json

import pytest

from fastast_hf import FastASTConfig
from tests.conftest import tiny_config

REFUSED = [
    ({"merge_ratio": 0.51}, "`merge_ratio` must be between 0 and 0.5, got 0.51 at layer 0"),
    ({"merge_ratio": -0.1}, "`merge_ratio` must be between 0 and 0.5, got -0.1 at layer 0"),
    ({"merge_ratio": float("nan")}, "`merge_ratio` must be between 0 and 0.5, got nan at layer 0"),
    ({"merge_ratio": [0.1, 0.2, 0.6]}, "`merge_ratio` must be between 0 and 0.5, got 0.6 at layer 2"),
    ({"merge_ratio": [0.1, 0.2]}, "`merge_ratio` must have one value for each of the 3 layers, got 2.*layer 2"),
    ({"merge_ratio": [0.1] * 4}, "`merge_ratio` must have one value for each of the 3 layers, got 4.*layer 3"),
    ({"merge_ratio": []}, "`merge_ratio` must have one value for each of the 3 layers, got 0.*layer 0"),
    ({"merge_ratio": "0.25"}, "`merge_ratio` must be a number or a list of one a layer, got '0.25' at layer 0"),
    ({"merge_ratio": None}, "`merge_ratio` must be a number or a list of one a layer, got None at layer 0"),
    ({"merge_ratio": True}, "`merge_ratio` must be a number or a list of one a layer, got True at layer 0"),
    (
        {"merge_ratio": [0.1, None, 0.1]},
        "`merge_ratio` must be a number or a list of one a layer, got None at layer 1",
    ),
    ({"tokens_merged_per_layer": -1}, "`tokens_merged_per_layer` must not be negative, got -1 at layer 0"),
    ({"tokens_merged_per_layer": [1, 1, -2]}, "`tokens_merged_per_layer` must not be negative, got -2 at layer 2"),
    ({"tokens_merged_per_layer": 4.0}, "`tokens_merged_per_layer` must be an int or a list.*, got 4.0 at layer 0"),
    ({"tokens_merged_per_layer": True}, "`tokens_merged_per_layer` must be an int or a list.*, got True at layer 0"),
    ({"tokens_merged_per_layer": [1, 1]}, "`tokens_merged_per_layer` must have one value for each of the 3 layers"),
    (
        {"tokens_merged_per_layer": [13, 8, 0]},
        "`tokens_merged_per_layer` must be at most half of a layer's patch tokens, got 8 at layer 1, which 14 patch "
        "tokens enter at `max_length` = 96. Give it at most 7",
    ),
    ({"patch_size": [16, 16]}, r"`patch_size` must be one int, got \[16, 16\]"),
]
refused = pytest.mark.parametrize(("fields", "message"), REFUSED)


@refused
def test_a_bad_keyword_is_refused(fields, message):
    with pytest.raises((TypeError, ValueError), match=message):
        tiny_config(**fields)


@refused
def test_a_bad_file_is_refused(fields, message, tmp_path):
    content = {**tiny_config().to_dict(), **fields}
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises((TypeError, ValueError), match=message):
        FastASTConfig.from_pretrained(tmp_path)


@refused
def test_a_bad_keyword_over_a_good_file_is_refused(fields, message, tmp_path):
    tiny_config().save_pretrained(tmp_path)
    with pytest.raises((TypeError, ValueError), match=message):
        FastASTConfig.from_pretrained(tmp_path, **fields)


@refused
def test_a_bad_assignment_is_refused_and_changes_nothing(fields, message):
    config = tiny_config()
    before = copy.deepcopy(config.__dict__)
    ((name, value),) = fields.items()
    with pytest.raises((TypeError, ValueError), match=message):
        setattr(config, name, value)
    assert config.__dict__ == before


@pytest.mark.parametrize("old", [{}, {"merge_ratio": [0.1, 0.2, 0.3]}, {"tokens_merged_per_layer": [3, 2, 1]}])
@pytest.mark.parametrize(("fields", "message"), [case for case in REFUSED if "patch_size" not in case[0]])
def test_a_bad_schedule_set_at_once_is_refused_and_changes_nothing(fields, message, old):
    config = tiny_config(**old)
    before = copy.deepcopy(config.__dict__)
    with pytest.raises((TypeError, ValueError), match=message):
        config.set_merge_schedule(**fields)
    assert config.__dict__ == before


BOTH = "`merge_ratio` and `tokens_merged_per_layer` must not both be set, got 0.25 and 4"


def test_a_ratio_and_a_count_together_are_refused(tmp_path):
    both = {"merge_ratio": 0.25, "tokens_merged_per_layer": 4}
    with pytest.raises(ValueError, match=BOTH):
        tiny_config(**both)
    with pytest.raises(ValueError, match=BOTH):
        tiny_config(**dict(reversed(both.items())))
    config = tiny_config(merge_ratio=0.25)
    with pytest.raises(ValueError, match=BOTH):
        config.tokens_merged_per_layer = 4
    assert config.tokens_merged_per_layer is None
    with pytest.raises(ValueError, match=BOTH):
        config.set_merge_schedule(**both)
    assert (config.merge_ratio, config.tokens_merged_per_layer) == (0.25, None)
    config.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=BOTH):
        FastASTConfig.from_pretrained(tmp_path, tokens_merged_per_layer=4)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("max_length", 64, "got 13 at layer 0, which 15 patch tokens enter at `max_length` = 64"),
        ("num_hidden_layers", 4, "one value for each of the 4 layers, got 3"),
        ("num_mel_bins", 16, "got 13 at layer 0, which 9 patch tokens"),
        ("time_stride", 16, "got 13 at layer 0, which 18 patch tokens"),
        ("frequency_stride", 20, "got 13 at layer 0, which 18 patch tokens"),
        ("patch_size", 20, "got 13 at layer 0, which 16 patch tokens"),
    ],
)
def test_a_list_is_checked_against_every_field_that_it_depends_on(name, value, message):
    config = tiny_config(tokens_merged_per_layer=[13, 7, 3])
    before = copy.deepcopy(config.__dict__)
    with pytest.raises(ValueError, match=message):
        setattr(config, name, value)
    assert config.__dict__ == before


@pytest.mark.parametrize("value", ["false", 0, None])
def test_proportional_attention_is_yes_or_no(value):
    with pytest.raises(TypeError, match=f"`proportional_attention` must be True or False, got {value!r}"):
        tiny_config(proportional_attention=value)
    config = tiny_config()
    with pytest.raises(TypeError, match=f"`proportional_attention` must be True or False, got {value!r}"):
        config.proportional_attention = value
    assert config.proportional_attention is True


@pytest.mark.parametrize("fields", [{"max_length": 10}, {"num_mel_bins": 8}, {"max_length": 10, "num_mel_bins": 8}])
def test_a_spectrogram_smaller_than_a_patch_is_refused(fields):
    with pytest.raises(
        ValueError, match=r"`(max_length|num_mel_bins)` must be at least `patch_size` = 16, got (10|8)"
    ):
        tiny_config(merge_ratio=0.25, **fields)
