"""The merge schedule's arithmetic, and a configuration that cannot be brought into an impossible state."""

import copy
import json
import pickle

import pytest
from transformers import ASTConfig, AutoConfig

from fastast_hf import FastASTConfig, MergeSchedule
from fastast_hf.model.merge_schedule import plan_merges
from tests.conftest import tiny_config

AST_PATCHES = 1212


def naive_schedule(config, num_patches):
    """Walk the layers as the paper's text does."""
    merged_per_layer, left_per_layer = [], []
    for layer in range(config.num_hidden_layers):
        if config.tokens_merged_per_layer is not None:
            wanted = config.tokens_merged_per_layer
            wanted = wanted[layer] if isinstance(wanted, list) else wanted
        else:
            ratio = config.merge_ratio[layer] if isinstance(config.merge_ratio, list) else config.merge_ratio
            wanted = int(round(ratio * num_patches, 6))
        merged = min(wanted, num_patches // 2)
        num_patches -= merged
        merged_per_layer.append(merged)
        left_per_layer.append(num_patches + 2)
    return MergeSchedule(tuple(merged_per_layer), tuple(left_per_layer))


def plan(config, num_patches):
    return plan_merges(
        num_patches,
        config.num_hidden_layers,
        merge_ratio=config.merge_ratio,
        tokens_merged_per_layer=config.tokens_merged_per_layer,
    )


def macs(config, num_frames):
    """Multiply-accumulates of one clip: linear layers and both attention products."""
    hidden, inner = config.hidden_size, config.intermediate_size
    schedule = config.merge_schedule(num_frames)
    entering = schedule.tokens_left[0] + schedule.tokens_merged[0]
    total = (entering - 2) * config.patch_size**2 * hidden
    for left in schedule.tokens_left:
        total += 4 * entering * hidden**2 + 2 * entering**2 * hidden + 2 * left * hidden * inner
        entering = left
    return total + hidden * config.num_labels


# The schedule


@pytest.mark.parametrize("ratio", [0, 0.0, 0.1, 0.29, 1 / 3, 0.5, [0.0, 0.5, 0.29], [0.5] * 3])
def test_a_ratio_equals_the_naive_twin_at_every_size(ratio):
    config = tiny_config(merge_ratio=ratio)
    for patches in range(130):
        assert plan(config, patches) == naive_schedule(config, patches)


@pytest.mark.parametrize("count", [0, 1, 5, 13, 1000, [13, 7, 3], [0, 0, 13]])
def test_a_count_equals_the_naive_twin_at_every_size(count):
    config = tiny_config(tokens_merged_per_layer=count)
    for patches in range(130):
        assert plan(config, patches) == naive_schedule(config, patches)


def test_the_schedule_starts_from_the_patches_of_the_length_given():
    config = FastASTConfig(merge_ratio=0.25)
    assert config.patch_grid == (12, 101)
    for num_frames, patches in ((1024, 1212), (512, 600), (128, 144), (498, 588), (16, 12), (3000, 3588)):
        schedule = config.merge_schedule(num_frames)
        assert schedule.tokens_left[0] + schedule.tokens_merged[0] == patches + 2
        assert schedule == plan(config, patches)
    assert config.merge_schedule() == config.merge_schedule(1024)


def test_a_single_count_is_a_ceiling_of_half_the_patches():
    config = FastASTConfig(tokens_merged_per_layer=93)
    assert config.merge_schedule().tokens_merged == (93,) * 12  # the last that fits
    config.tokens_merged_per_layer = 94
    assert config.merge_schedule().tokens_merged == (*(94,) * 11, 89)  # 178 patches are left, half of them merge
    config.tokens_merged_per_layer = 10_000
    assert config.merge_schedule(128).tokens_merged == (72, 36, 18, 9, 4, 2, 1, 1, 0, 0, 0, 0)


def test_a_list_for_the_full_length_is_a_ceiling_on_a_shorter_clip():
    config = tiny_config(tokens_merged_per_layer=[13, 7, 3])
    assert config.merge_schedule().tokens_left == (16, 9, 6)
    assert config.merge_schedule(16).tokens_merged == (1, 1, 0)


@pytest.mark.parametrize(
    ("schedule", "full", "five_seconds"),
    [
        ({}, 1.0, 2.30),
        ({"tokens_merged_per_layer": 20}, 1.13, 2.96),
        ({"tokens_merged_per_layer": 40}, 1.29, 4.07),
        ({"tokens_merged_per_layer": 60}, 1.50, None),
        ({"tokens_merged_per_layer": 80}, 1.77, None),
        ({"merge_ratio": 0.1}, 1.89, 4.22),
        ({"merge_ratio": 0.25}, 3.94, 8.74),
    ],
)
def test_the_work_saved_is_that_of_the_method_table(schedule, full, five_seconds):
    baseline = macs(FastASTConfig(num_labels=527), 1024)
    assert baseline == pytest.approx(130.5e9, rel=0.01)
    config = FastASTConfig(num_labels=527, **schedule)
    assert baseline / macs(config, 1024) == pytest.approx(full, rel=0.01)
    if five_seconds is not None:
        assert baseline / macs(config, 498) == pytest.approx(five_seconds, rel=0.01)


def test_too_few_frames_for_a_patch_are_refused():
    with pytest.raises(ValueError, match=r"`num_frames` must be at least `patch_size` = 16, got 15\. Pad"):
        FastASTConfig().merge_schedule(15)
    assert FastASTConfig().merge_schedule(16).tokens_left[0] == 14


def test_the_default_merges_nothing():
    config = FastASTConfig()
    assert config.merge_ratio == 0
    assert config.tokens_merged_per_layer is None
    assert config.proportional_attention is True
    assert sum(config.merge_schedule().tokens_merged) == 0
    assert set(config.merge_schedule().tokens_left) == {AST_PATCHES + 2}


# Files and keywords


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"merge_ratio": 0.25},
        {"merge_ratio": [0.1, 0.2, 0.3]},
        {"merge_ratio": (0.1, 0.2, 0.3)},
        {"tokens_merged_per_layer": 4},
        {"tokens_merged_per_layer": (4, 0, 2)},
        {"proportional_attention": False},
    ],
)
def test_a_file_gives_back_what_was_saved(fields, tmp_path):
    config = tiny_config(**fields)
    config.save_pretrained(tmp_path)
    again = FastASTConfig.from_pretrained(tmp_path)
    for name in ("merge_ratio", "tokens_merged_per_layer", "proportional_attention"):
        assert getattr(again, name) == getattr(config, name)
        assert type(getattr(again, name)) is type(getattr(config, name))
    assert again.to_dict() == config.to_dict()
    assert again.merge_schedule() == config.merge_schedule()
    assert FastASTConfig.from_dict(config.to_dict()).to_dict() == config.to_dict()
    assert FastASTConfig.from_json_file(tmp_path / "config.json").to_dict() == config.to_dict()
    assert isinstance(AutoConfig.from_pretrained(tmp_path), FastASTConfig)


def test_a_tuple_becomes_a_list_at_once():
    config = tiny_config(merge_ratio=(0.1, 0.2, 0.3))
    assert config.merge_ratio == [0.1, 0.2, 0.3]
    config.merge_ratio = (0.3, 0.2, 0.1)
    assert config.merge_ratio == [0.3, 0.2, 0.1]


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy, lambda config: pickle.loads(pickle.dumps(config))])
def test_a_copy_is_checked_like_the_original(copier):
    config = copier(tiny_config(merge_ratio=0.25))
    assert config.merge_ratio == 0.25
    with pytest.raises(ValueError, match=r"got 0\.6 at layer 0"):
        config.merge_ratio = 0.6
    assert config.merge_ratio == 0.25


def test_the_order_of_keywords_does_not_matter(tmp_path):
    tiny_config(merge_ratio=0.25, max_length=96).save_pretrained(tmp_path)
    keywords = {"tokens_merged_per_layer": [20, 10, 5], "max_length": 176, "merge_ratio": 0.0, "num_mel_bins": 36}
    for order in (keywords, dict(reversed(keywords.items()))):
        config = FastASTConfig.from_pretrained(tmp_path, **order)
        assert config.merge_schedule().tokens_merged == (20, 10, 5)
        assert tiny_config(**order).merge_schedule() == config.merge_schedule()


def test_a_count_replaces_the_ratio_of_a_file_when_the_ratio_is_set_to_zero(tmp_path):
    tiny_config(merge_ratio=0.25).save_pretrained(tmp_path)
    config = FastASTConfig.from_pretrained(tmp_path, merge_ratio=0, tokens_merged_per_layer=4)
    assert config.merge_schedule().tokens_merged == (4, 4, 4)


def test_the_schedule_can_go_from_ratio_to_count_and_back():
    config = tiny_config(merge_ratio=0.25)
    config.set_merge_schedule(tokens_merged_per_layer=(3, 2, 1))
    assert (config.merge_ratio, config.tokens_merged_per_layer) == (0.0, [3, 2, 1])
    config.set_merge_schedule(merge_ratio=(0.5, 0, 0))
    assert (config.merge_ratio, config.tokens_merged_per_layer) == ([0.5, 0, 0], None)
    config.set_merge_schedule()
    assert sum(config.merge_schedule().tokens_merged) == 0


def test_keywords_that_are_not_fields_are_handed_back(tmp_path):
    tiny_config().save_pretrained(tmp_path)
    config, unused = FastASTConfig.from_pretrained(
        tmp_path, merge_ratio=0.25, num_labels=7, unknown=1, return_unused_kwargs=True
    )
    assert (config.merge_ratio, config.num_labels, unused) == (0.25, 7, {"unknown": 1})


def test_the_dictionary_given_stays_as_it_was():
    content = {"merge_ratio": 0.25, "num_hidden_layers": 3}
    FastASTConfig.from_dict(content, merge_ratio=0.1, num_labels=7)
    assert content == {"merge_ratio": 0.25, "num_hidden_layers": 3}


def test_a_published_ast_configuration_opens_without_a_word(tmp_path, transformers_log):
    ASTConfig(num_labels=7, max_length=512).save_pretrained(tmp_path)
    config = FastASTConfig.from_pretrained(tmp_path, merge_ratio=0.25)
    assert (config.model_type, config.max_length, config.num_labels) == ("fastast", 512, 7)
    assert json.loads(config.to_json_string())["model_type"] == "fastast"
    assert transformers_log.records == []


def test_a_configuration_of_another_model_still_warns(tmp_path, transformers_log):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    FastASTConfig.from_pretrained(tmp_path)
    assert "model of type `vit`" in transformers_log.text


def test_a_list_changed_in_place_is_caught_on_saving(tmp_path):
    config = tiny_config(merge_ratio=[0.1, 0.2, 0.3])
    config.merge_ratio[1] = 0.9
    with pytest.raises(ValueError, match=r"got 0\.9 at layer 1"):
        config.save_pretrained(tmp_path)
    assert not (tmp_path / "config.json").exists()


def test_a_list_given_is_not_shared_with_the_giver():
    ratios = [0.1, 0.2, 0.3]
    config = tiny_config(merge_ratio=ratios)
    ratios[0] = 0.9
    assert config.merge_ratio == [0.1, 0.2, 0.3]


def test_the_saved_file_names_the_code_of_every_class(tmp_path):
    tiny_config().save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["auto_map"] == {
        "AutoConfig": "configuration_fastast.FastASTConfig",
        "AutoModel": "modeling_fastast.FastASTModel",
        "AutoModelForAudioClassification": "modeling_fastast.FastASTForAudioClassification",
    }
    assert (tmp_path / "configuration_fastast.py").exists()


def test_the_code_of_a_subclass_stays_its_own(tmp_path):
    config = tiny_config(auto_map={"AutoModel": "modeling_mine.MyModel", "AutoConfig": "you/theirs--code.Config"})
    config.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())["auto_map"]
    assert saved["AutoModel"] == "modeling_mine.MyModel"
    assert saved["AutoConfig"] == "configuration_fastast.FastASTConfig", "the code is saved beside it"
    assert saved["AutoModelForAudioClassification"] == "modeling_fastast.FastASTForAudioClassification"
