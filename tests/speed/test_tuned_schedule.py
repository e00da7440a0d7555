"""Tuning on a small model: what is searched on, what is told, and which schedule is chosen."""

import json

import pytest
import torch

from fastast_hf.evaluation import agreement, count_macs
from fastast_hf.evaluation.tuning import fit_to_saving
from fastast_hf.hub.results import check_results
from fastast_hf.hub.tables import results_block
from fastast_hf.speed import tuning_settings
from fastast_hf.speed.schedule_answers import AnswersOfSchedules
from fastast_hf.speed.tuned_schedule import tune_schedule
from fastast_hf.speed.tuning_settings import TuningSettings
from fastast_hf.speed.variants import with_schedule
from tests.speed.tuning import CLIPS, SAVINGS, SEARCHED, opened


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
    apart = tune_schedule(opened(), SEARCHED, settings, clips_to_check=CLIPS[2::3])
    together = tune_schedule(opened(), CLIPS, settings)
    assert {**apart["tuning"], "seconds": 0} == {**together["tuning"], "seconds": 0}


def test_constants_are_told_beside_what_was_found(tuned):
    names = [row["name"].split()[0] for row in tuned["tuning"]["rows"]]
    assert set(names) == {"ratio", "r", "tuned"}
    for row in tuned["tuning"]["rows"]:
        if row["name"].startswith("ratio"):
            assert len(set(row["merging"]["merge_ratio"])) == 1


@pytest.mark.parametrize("speedup", [1.2, 1.23, 1.5])
def test_constants_are_told_at_the_speed_up_that_is_asked_for(speedup):
    rows = tune_schedule(opened(), CLIPS, TuningSettings(speedup=speedup, trials=1))["tuning"]["rows"]
    count = next(count for count in range(1, 14) if SAVINGS.saving(count) >= speedup)
    (ratio, *_) = fit_to_saving([1.0] * 3, SAVINGS.saving, speedup)
    names = [row["name"] for row in rows]
    assert {f"r {count}", f"ratio {ratio:g}"} <= set(names)
    assert len(names) == len(set(names))


def naive_constant_count_start(speedup):
    """The tokens that the least r merges at each layer, as shares of those that enter it, scaled as a search does."""
    count, tokens, shares = 1, 27, []
    while SAVINGS.saving(count) < speedup:
        count += 1
    for _ in range(3):
        shares.append(min(count, tokens // 2) / tokens)
        tokens -= min(count, tokens // 2)
    return fit_to_saving(shares, SAVINGS.saving, speedup)


def test_a_search_starts_from_one_ratio_and_from_one_count():
    answers = AnswersOfSchedules(opened().model, SEARCHED, 4)
    winners = set()
    for speedup in (1.1, 1.2, 1.3, 1.4, 1.5):
        starts = [
            fit_to_saving([1.0] * 3, SAVINGS.saving, speedup),
            naive_constant_count_start(speedup),
        ]
        divergences = [answers.softened(ratios).mean_kl for ratios in starts]
        tuning = tune_schedule(opened(), CLIPS, TuningSettings(speedup=speedup, trials=2))["tuning"]
        assert tuning["trials"] == 2
        winners.add(best := divergences.index(min(divergences)))
        assert tuning["rows"][-1]["merging"]["merge_ratio"] == list(starts[best])
    assert winners == {0, 1}, "each is the better one somewhere"


def naive_better(tuning, speedup):
    """Sort the plain rows that are fast enough, and look whether the first is better than the one that was chosen."""
    chosen = next(row for row in tuning["rows"] if row["name"] == tuning["chosen"])
    plain = [row for row in tuning["rows"] if not row["name"].startswith("tuned") and row["mac_ratio"] >= speedup]
    best = sorted(plain, key=lambda row: row["mean_kl"])[0]
    return best if f"{best['mean_kl']:.5f}" < f"{chosen['mean_kl']:.5f}" else None


def test_a_constant_that_the_clips_to_check_like_better_is_told_and_not_chosen():
    is_told = []
    for speedup in (1.1, 1.2, 1.3, 1.4, 1.5):
        settings = TuningSettings(speedup=speedup, trials=2)
        found = tune_schedule(opened(), CLIPS, settings, checkpoint="models/mine")
        tuning, better = found["tuning"], found["tuning"]["better_constant"]
        check_results(json.loads(json.dumps(found)))
        assert tuning["chosen"] == f"tuned {speedup:g}x"
        expected = naive_better(tuning, speedup)
        is_told.append(expected is not None)
        if expected is None:
            assert better is None
        else:
            assert (better["name"], better["mean_kl"]) == (expected["name"], expected["mean_kl"])
            assert better["command"].startswith(
                f"fastast convert models/mine mine-{better['name'].replace(' ', '-')} --"
            )
            assert better["command"] in results_block(found)
    assert set(is_told) == {True, False}


def test_clips_to_check_choose_nothing():
    """Whatever judges, the same is chosen."""
    settings = TuningSettings(speedup=1.2, trials=3)
    chosen = [
        tune_schedule(opened(), SEARCHED, settings, clips_to_check=scale * CLIPS[2::3])["tuning"]["rows"][-1][
            "merging"
        ]
        for scale in (1, 0.1, -3)
    ]
    assert chosen[0] == chosen[1] == chosen[2]


def test_the_own_schedule_of_a_model_does_not_matter_and_stays():
    merging = opened(merge_ratio=0.4)
    found = tune_schedule(merging, CLIPS, TuningSettings(speedup=1.5, trials=1))
    plain = tune_schedule(opened(), CLIPS, TuningSettings(speedup=1.5, trials=1))
    assert found["tuning"]["rows"] == plain["tuning"]["rows"]
    assert merging.model.config.merge_ratio == 0.4


@pytest.mark.parametrize("settings", [TuningSettings(speedup=100.0), TuningSettings(max_drop=5.0)])
def test_what_a_model_cannot_save_is_told_before_it_answers_anything(settings, monkeypatch):
    monkeypatch.setattr(tuning_settings, "SPEEDUPS", (100.0,))
    monkeypatch.setattr(AnswersOfSchedules, "__init__", None)
    with pytest.raises(ValueError, match=r"^`(speedup|max_drop)` must be "):
        tune_schedule(opened(), CLIPS, settings)


def test_few_clips_are_refused():
    with pytest.raises(ValueError, match=r"`clips` must be at least 6, got 5\. A hundred"):
        tune_schedule(opened(), CLIPS[:5], TuningSettings(speedup=2.0))
