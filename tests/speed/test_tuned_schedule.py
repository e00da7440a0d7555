"""Tuning on a small model: what is searched on, what is told, and which schedule is chosen."""

import json
import math

import pytest
import torch

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.evaluation import agreement, count_macs
from fastast_hf.hub.results import check_results
from fastast_hf.hub.tables import results_block
from fastast_hf.speed import tuned_schedule as module
from fastast_hf.speed.contenders import Opened
from fastast_hf.speed.tuned_schedule import AnswersOfSchedules, TuningSettings, check_settings, tune_schedule
from fastast_hf.speed.variants import with_schedule
from tests.conftest import tiny_model

CLIPS = torch.randn(9, 96, 36, generator=torch.Generator().manual_seed(0))


def opened(**fields):
    return Opened(
        "mine", tiny_model(num_hidden_layers=3, **fields), FastASTFeatureExtractor(num_mel_bins=36, max_length=96)
    )


@pytest.fixture(scope="module")
def tuned():
    return tune_schedule(opened(), CLIPS, TuningSettings(speedup=1.5, trials=4, batch_size=4))


def test_results_fit_their_schema_and_are_rendered(tuned):
    check_results(json.loads(json.dumps(tuned)))
    assert "| tuned 1.5x | 1.5" in results_block(tuned)
    part = tuned["tuning"]
    assert (part["num_clips_searched"], part["num_clips_checked"], part["trials"]) == (6, 3, 4)
    assert part["chosen"] == "tuned 1.5x"


def test_every_row_tells_of_the_clips_that_were_not_searched_on(tuned):
    model, held_out = opened().model, CLIPS[2::3]
    with torch.inference_mode():
        unmerged = model(held_out).logits
        for row in tuned["tuning"]["rows"]:
            twin = with_schedule(model, **row["merging"])
            expected = agreement(unmerged, twin(held_out).logits)
            assert row["mean_kl"] == pytest.approx(expected.mean_kl, abs=1e-9)
            assert row["top_answer"] == expected.top_answer
            assert row["mac_ratio"] == pytest.approx(
                count_macs(model, held_out) / count_macs(twin, held_out), rel=1e-9
            )


def test_other_clips_can_judge_in_place_of_a_third_of_the_first():
    settings = TuningSettings(speedup=1.5, trials=2)
    apart = tune_schedule(opened(), CLIPS[[0, 1, 3, 4, 6, 7]], settings, clips_to_check=CLIPS[2::3])
    together = tune_schedule(opened(), CLIPS, settings)
    assert {**apart["tuning"], "seconds": 0} == {**together["tuning"], "seconds": 0}


def test_constants_are_told_beside_what_was_found(tuned):
    names = [row["name"].split()[0] for row in tuned["tuning"]["rows"]]
    assert set(names) == {"ratio", "r", "tuned"}
    for row in tuned["tuning"]["rows"]:
        if row["name"].startswith("ratio"):
            assert len(set(row["merging"]["merge_ratio"])) == 1


def test_the_own_schedule_of_a_model_does_not_matter_and_stays():
    merging = opened(merge_ratio=0.4)
    found = tune_schedule(merging, CLIPS, TuningSettings(speedup=1.5, trials=1))
    plain = tune_schedule(opened(), CLIPS, TuningSettings(speedup=1.5, trials=1))
    assert found["tuning"]["rows"] == plain["tuning"]["rows"]
    assert merging.model.config.merge_ratio == 0.4


def test_the_fastest_schedule_that_holds_the_answers_is_chosen(monkeypatch):
    drops = {1.1: 0.0, 1.2: 0.01, 1.3: 0.2, 1.4: 0.0}
    monkeypatch.setattr(module, "SPEEDUPS", (*drops, 100.0))
    real = module._row

    def row(name, answers, schedule):
        found = real(name, answers, schedule)
        kind, speedup = name.split()
        return found | ({"top_answer": 1 - drops[float(speedup[:-1])]} if kind == "tuned" else {})

    monkeypatch.setattr(module, "_row", row)
    found = tune_schedule(opened(), CLIPS, TuningSettings(max_drop=5.0, trials=1))["tuning"]
    assert [row["name"] for row in found["rows"] if row["name"].startswith("tuned")] == [
        *("tuned 1.1x", "tuned 1.2x", "tuned 1.3x")
    ]
    assert found["chosen"] == "tuned 1.2x"
    drops[1.1] = 0.06
    with pytest.raises(ValueError, match=r"`max_drop` must allow a schedule of 1\.1x, got 5, where 6\.0 of 100 clips"):
        tune_schedule(opened(), CLIPS, TuningSettings(max_drop=5.0, trials=1))


def test_what_a_model_cannot_save_is_told():
    with pytest.raises(ValueError, match=r"`target` must be at most .*, got 100\. Ask for less"):
        tune_schedule(opened(), CLIPS, TuningSettings(speedup=100.0, trials=1))


def test_a_model_that_merging_hardly_helps_is_told(monkeypatch):
    monkeypatch.setattr(module, "SPEEDUPS", (100.0,))
    with pytest.raises(
        ValueError, match=r"`max_drop` must be of a model that merging makes 100x faster.* Give `speedup`"
    ):
        tune_schedule(opened(), CLIPS, TuningSettings(max_drop=5.0))


@pytest.mark.parametrize("fields", [{}, {"speedup": 2.0, "max_drop": 1.0}])
def test_settings_that_contradict_each_other_are_refused(fields):
    with pytest.raises(ValueError, match=r"`speedup` or `max_drop` must be given, and not both, got"):
        check_settings(TuningSettings(**fields))


def test_few_clips_are_refused():
    with pytest.raises(ValueError, match=r"`clips` must be at least 6, got 5\. A hundred"):
        tune_schedule(opened(), CLIPS[:5], TuningSettings(speedup=2.0))


def test_the_search_goes_by_softened_answers():
    model = opened().model
    twin = with_schedule(model, merge_ratio=[0.5, 0.0, 0.1])
    with torch.inference_mode():
        soft = [logits.double().div(2).log_softmax(-1) for logits in (model(CLIPS).logits, twin(CLIPS).logits)]
    expected = sum(float(p.exp() @ (p - q)) for p, q in zip(*soft, strict=True)) / len(CLIPS)
    assert AnswersOfSchedules(model, CLIPS, 4).divergence((0.5, 0.0, 0.1)) == pytest.approx(expected, rel=1e-4)


def test_what_is_saved_is_counted_for_ratios_and_counts():
    model = opened().model
    answers = AnswersOfSchedules(model, CLIPS, 4)
    assert answers.saving((0.0,) * 3) == answers.saving(0) == 1.0
    for schedule, merging in [
        ((0.5, 0.0, 0.1), {"merge_ratio": [0.5, 0.0, 0.1]}),
        (5, {"tokens_merged_per_layer": 5}),
    ]:
        twin = with_schedule(model, **merging)
        assert answers.saving(schedule) == pytest.approx(count_macs(model, CLIPS) / count_macs(twin, CLIPS))
    assert math.isfinite(answers.agreement(5).mean_kl)
