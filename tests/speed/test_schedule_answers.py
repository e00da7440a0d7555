"""Answers of a small model under schedules: how far they move, what they save, and one count for all layers as ratios."""

import math

import pytest
import torch

from fastast_hf.evaluation import count_macs
from fastast_hf.speed.schedule_answers import AnswersOfSchedules, merging_of
from fastast_hf.speed.variants import with_schedule
from tests.conftest import tiny_model

CLIPS = torch.randn(6, 96, 36, generator=torch.Generator().manual_seed(0))
PATCHES = 27


@pytest.fixture(scope="module")
def model():
    return tiny_model(num_hidden_layers=3)


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


def test_the_search_goes_by_softened_answers(model):
    twin = with_schedule(model, merge_ratio=[0.5, 0.0, 0.1])
    with torch.inference_mode():
        soft = [logits.double().div(2).log_softmax(-1) for logits in (model(CLIPS).logits, twin(CLIPS).logits)]
    expected = sum(float(p.exp() @ (p - q)) for p, q in zip(*soft, strict=True)) / len(CLIPS)
    assert AnswersOfSchedules(model, CLIPS, 4).divergence((0.5, 0.0, 0.1)) == pytest.approx(expected, rel=1e-4)


def test_what_is_saved_is_counted_for_ratios_and_counts(model):
    answers = AnswersOfSchedules(model, CLIPS, 4)
    assert answers.saving((0.0,) * 3) == answers.saving(0) == 1.0
    for schedule, merging in [
        ((0.5, 0.0, 0.1), {"merge_ratio": [0.5, 0.0, 0.1]}),
        (5, {"tokens_merged_per_layer": 5}),
    ]:
        twin = with_schedule(model, **merging)
        assert answers.saving(schedule) == pytest.approx(count_macs(model, CLIPS) / count_macs(twin, CLIPS))
    assert math.isfinite(answers.agreement(5).mean_kl)


@pytest.mark.parametrize("num_layers", [1, 3, 7])
def test_one_count_for_all_layers_is_the_same_schedule_as_its_ratios(num_layers):
    answers = AnswersOfSchedules(tiny_model(num_hidden_layers=num_layers), CLIPS, 6)
    for count in range(PATCHES + 1):
        ratios = answers.ratios_of(count)
        assert ratios == naive_ratios(count, PATCHES, num_layers)
        assert all(0 <= ratio <= 0.5 for ratio in ratios)
        assert answers.saving(ratios) == answers.saving(count)
        assert answers.divergence(ratios) == answers.divergence(count)


def test_a_schedule_is_written_as_a_field_of_a_configuration():
    assert merging_of(5) == {"tokens_merged_per_layer": 5}
    assert merging_of((0.5, 0.1)) == {"merge_ratio": [0.5, 0.1]}
