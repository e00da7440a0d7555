"""Answers of a small model under schedules: how far they move, and that whoever waits for them is told."""

import pytest
import torch

from fastast_hf.evaluation import agreement
from fastast_hf.speed import schedule_answers as module
from fastast_hf.speed.schedule_answers import AnswersOfSchedules
from fastast_hf.speed.schedule_savings import SavingsOfSchedules
from fastast_hf.speed.variants import with_schedule
from tests.conftest import tiny_model
from tests.speed.bars import recorded

CLIPS = torch.randn(6, 96, 36, generator=torch.Generator().manual_seed(0))
PATCHES = 27


@pytest.fixture(scope="module")
def model():
    return tiny_model(num_hidden_layers=3)


def test_the_search_goes_by_softened_answers(model):
    twin = with_schedule(model, merge_ratio=[0.5, 0.0, 0.1])
    with torch.inference_mode():
        soft = [logits.double().div(2).log_softmax(-1) for logits in (model(CLIPS).logits, twin(CLIPS).logits)]
    expected = sum(float(p.exp() @ (p - q)) for p, q in zip(*soft, strict=True)) / len(CLIPS)
    assert AnswersOfSchedules(model, CLIPS, 4).softened((0.5, 0.0, 0.1)).mean_kl == pytest.approx(expected, rel=1e-4)


def test_answers_are_compared_with_those_without_merging(model):
    answers = AnswersOfSchedules(model, CLIPS, 4)
    assert answers.num_clips == 6
    for schedule, merging in [
        ((0.5, 0.0, 0.1), {"merge_ratio": [0.5, 0.0, 0.1]}),
        (5, {"tokens_merged_per_layer": 5}),
    ]:
        twin = with_schedule(model, **merging)
        with torch.inference_mode():
            expected = agreement(model(CLIPS).logits, twin(CLIPS).logits)
        found = answers.agreement(schedule)
        assert found.top_answer == expected.top_answer
        assert found.mean_kl == pytest.approx(expected.mean_kl, abs=1e-9)
        assert answers.softened(schedule).top_answer == expected.top_answer


def test_one_count_for_all_layers_answers_as_its_ratios_do(model):
    answers, savings = AnswersOfSchedules(model, CLIPS, 6), SavingsOfSchedules(model.config, 96)
    for count in range(PATCHES + 1):
        assert answers.softened(savings.ratios_of(count)) == answers.softened(count)


def test_every_pass_tells_how_many_clips_are_done(model, monkeypatch):
    bars = recorded(monkeypatch, module)
    answers = AnswersOfSchedules(model, CLIPS, 4)
    assert bars == [("Without merging", 6, [4, 2])]
    for ask in (answers.agreement, answers.softened):
        told = []
        ask(5, told.append)
        assert told == [4, 2]
