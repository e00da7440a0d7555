"""What schedules save is counted from a configuration alone, and is what the layers then save."""

import json
import shutil

import pytest
import torch

from fastast_hf import FastASTForAudioClassification
from fastast_hf.evaluation import count_macs
from fastast_hf.speed.schedule_savings import SavingsOfSchedules, merging_of, savings_of_checkpoint
from fastast_hf.speed.variants import with_schedule
from tests.conftest import SIZES, tiny_config, tiny_model

FRAMES, PATCHES = 96, 27


def naive_ratios(count, num_patches, num_layers):
    """Merge token by token, as long as each has a partner."""
    ratios = []
    for _ in range(num_layers):
        merged = 0
        while merged < count and 2 * (merged + 1) <= num_patches:
            merged += 1
        ratios.append(merged / num_patches)
        num_patches -= merged
    return tuple(ratios)


def test_what_is_saved_is_counted_for_ratios_and_counts():
    model, clips = tiny_model(num_hidden_layers=3, merge_ratio=0.4), torch.zeros(1, FRAMES, 36)
    savings = SavingsOfSchedules(model.config, FRAMES)
    assert (savings.num_layers, savings.num_patches) == (3, PATCHES)
    assert savings.saving((0.0,) * 3) == savings.saving(0) == 1.0
    unmerged = count_macs(with_schedule(model), clips)
    for schedule in ((0.5, 0.0, 0.1), 5, (0.5,) * 3):
        twin = with_schedule(model, **merging_of(schedule))
        assert savings.saving(schedule) == pytest.approx(unmerged / count_macs(twin, clips))


def test_no_schedule_saves_more_than_half_of_all_tokens_at_each_layer():
    savings = SavingsOfSchedules(tiny_config(), FRAMES)
    assert savings.most() == savings.saving((0.5,) * 3) >= max(savings.saving(count) for count in range(PATCHES + 1))


@pytest.mark.parametrize("num_layers", [1, 3, 7])
def test_one_count_for_all_layers_is_the_same_schedule_as_its_ratios(num_layers):
    savings = SavingsOfSchedules(tiny_config(num_hidden_layers=num_layers), FRAMES)
    for count in range(PATCHES + 1):
        ratios = savings.ratios_of(count)
        assert ratios == naive_ratios(count, PATCHES, num_layers)
        assert all(0 <= ratio <= 0.5 for ratio in ratios)
        assert savings.saving(ratios) == savings.saving(count)


def test_a_schedule_is_written_as_a_field_of_a_configuration():
    assert merging_of(5) == {"tokens_merged_per_layer": 5}
    assert merging_of((0.5, 0.1)) == {"merge_ratio": [0.5, 0.1]}


def test_a_checkpoint_tells_its_savings_without_its_weights(ast_folder, fastast_folder, monkeypatch):
    monkeypatch.setattr(FastASTForAudioClassification, "from_pretrained", None)
    expected = SavingsOfSchedules(tiny_config(num_hidden_layers=2), SIZES["max_length"])
    for folder in (ast_folder, fastast_folder):
        found = savings_of_checkpoint(str(folder))
        assert (found.num_patches, found.most()) == (PATCHES, expected.most())


def test_clips_are_as_long_as_the_feature_extractor_makes_them(fastast_folder, tmp_path):
    folder = shutil.copytree(fastast_folder, tmp_path / "mine")
    path = folder / "preprocessor_config.json"
    fields = json.loads(path.read_text())
    for max_length, patches in ((56, 15), (96, PATCHES)):
        path.write_text(json.dumps(fields | {"max_length": max_length}))
        assert savings_of_checkpoint(str(folder)).num_patches == patches
    path.write_text(json.dumps(fields | {"max_length": 97}))
    assert savings_of_checkpoint(str(folder)) is None, "whoever loads it is told"


def test_what_is_no_ast_is_left_to_whoever_loads_it(tmp_path):
    assert savings_of_checkpoint(str(tmp_path)) is None
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    assert savings_of_checkpoint(str(tmp_path)) is None
