"""What is chosen of all that was tried: the mean of the best, and what holds the labels that may change."""

import json

import pytest

from fastast_hf.evaluation import Agreement
from fastast_hf.evaluation.tuning import fit_to_saving
from fastast_hf.hub.results import check_results
from fastast_hf.speed import schedule_answers, tuning_settings
from fastast_hf.speed import tuned_schedule as module
from fastast_hf.speed.schedule_answers import AnswersOfSchedules
from fastast_hf.speed.tuned_schedule import tune_schedule
from fastast_hf.speed.tuning_settings import TuningSettings
from tests.speed.bars import recorded
from tests.speed.tuning import CLIPS, SAVINGS, opened


def speedup_of(schedule):
    """The speed-up of a schedule that was searched at it, or of a constant one."""
    return int(10 * SAVINGS.saving(schedule)) / 10


def with_drops(monkeypatch, searched, judging):
    """Let clips change their best labels as told, by the speed-up, among six that are searched on and three that judge."""

    def with_drop(name, drops):
        real = getattr(AnswersOfSchedules, name)

        def changed(self, schedule, *tell):
            return Agreement(1 - drops[speedup_of(schedule)], real(self, schedule, *tell).mean_kl)

        monkeypatch.setattr(AnswersOfSchedules, name, changed)

    with_drop("softened", searched)
    with_drop("agreement", judging)


def tuned_by_drop(max_drop):
    """Search a schedule by its drop; give its part of the results."""
    results = tune_schedule(opened(), CLIPS, TuningSettings(max_drop=max_drop, trials=1))
    check_results(json.loads(json.dumps(results)))
    return results["tuning"]


SOME = {1.1: 0.0, 1.2: 0.01, 1.3: 0.2, 1.4: 0.0}
NONE, ALL = (dict.fromkeys(SOME, drop) for drop in (0.0, 1.0))


@pytest.mark.parametrize("judging", [NONE, ALL, SOME])
def test_the_fastest_schedule_that_holds_the_answers_of_the_clips_searched_on_is_chosen(monkeypatch, judging):
    """Whatever judges, the same is chosen."""
    monkeypatch.setattr(tuning_settings, "SPEEDUPS", (*SOME, 100.0))
    with_drops(monkeypatch, SOME, judging)
    found = tuned_by_drop(5.0)
    rows = {row["name"]: row for row in found["rows"] if row["name"].startswith("tuned")}
    assert list(rows) == ["tuned 1.1x", "tuned 1.2x", "tuned 1.3x"]
    assert found["chosen"] == "tuned 1.2x"
    assert [row["top_answer_searched"] for row in rows.values()] == [1.0, 0.99, 0.8]
    assert [row["top_answer"] for row in rows.values()] == [1 - judging[speedup] for speedup in (1.1, 1.2, 1.3)]


def test_of_all_that_were_tried_at_a_saving_one_that_holds_is_chosen(monkeypatch):
    """Also where another moves the answers less on the whole, and more of the best labels."""
    monkeypatch.setattr(tuning_settings, "SPEEDUPS", (1.2,))
    tried = []

    def softened(self, schedule, *tell):
        tried.append(schedule)
        return Agreement(top_answer=1.0, mean_kl=9.0) if len(tried) == 2 else Agreement(top_answer=0.5, mean_kl=1.0)

    monkeypatch.setattr(AnswersOfSchedules, "softened", softened)
    tuning = tune_schedule(opened(), CLIPS, TuningSettings(max_drop=5.0, trials=4))["tuning"]
    (chosen,) = (row for row in tuning["rows"] if row["name"] == tuning["chosen"])
    assert chosen["merging"]["merge_ratio"] == list(tried[1]), "the second, the only one that held"
    assert chosen["top_answer_searched"] == 1.0


@pytest.mark.parametrize("does_mean_hold", [True, False])
def test_the_mean_of_the_best_is_chosen_where_it_holds(monkeypatch, does_mean_hold):
    monkeypatch.setattr(tuning_settings, "SPEEDUPS", (1.2,))
    bars, tried = recorded(monkeypatch, module), {}

    def softened(self, schedule, tell):
        is_mean = len(tried) == 16
        tried[schedule] = 2.0 if not tried else 1.0 + sum(schedule[::2])  # no two schedules alike
        tell(self.num_clips)
        return Agreement(float(not is_mean or does_mean_hold), tried[schedule])

    monkeypatch.setattr(AnswersOfSchedules, "softened", softened)
    tuning = tune_schedule(opened(), CLIPS, TuningSettings(max_drop=5.0, trials=16))["tuning"]
    assert tuning["trials"] == 16
    *trials, mean = tried
    first, second = sorted(trials, key=tried.get)[:2]
    between = [(one + other) / 2 for one, other in zip(first, second, strict=True)]
    assert mean == fit_to_saving(between, SAVINGS.saving, 1.2) not in trials
    (chosen,) = (row for row in tuning["rows"] if row["name"] == tuning["chosen"])
    assert chosen["merging"]["merge_ratio"] == list(mean if does_mean_hold else first)
    assert [(name, total) for name, total, _ in bars[:2]] == [
        ("16 schedules of 1.2x", 16 * 6),
        ("The mean of the best of 1.2x", 6),
    ]


@pytest.mark.parametrize(("of_mean", "is_chosen"), [(2.0, True), (2.1, False)])
def test_a_mean_that_is_worse_than_one_ratio_for_all_is_not_chosen(monkeypatch, of_mean, is_chosen):
    tried = []

    def softened(self, schedule, tell):
        tried.append(schedule)
        return Agreement(1.0, of_mean if len(tried) == 17 else 2.0 / len(tried))

    monkeypatch.setattr(AnswersOfSchedules, "softened", softened)
    tuning = tune_schedule(opened(), CLIPS, TuningSettings(speedup=1.2, trials=16))["tuning"]
    (chosen,) = (row for row in tuning["rows"] if row["name"] == tuning["chosen"])
    assert chosen["merging"]["merge_ratio"] == list(tried[16 if is_chosen else 15])


def test_a_drop_that_no_schedule_holds_is_told_before_anything_is_judged(monkeypatch):
    monkeypatch.setattr(tuning_settings, "SPEEDUPS", (1.1,))
    with_drops(monkeypatch, {1.1: 1 / 6}, {})
    message = r"`max_drop` must allow a schedule of 1\.1x, got 5, where 16\.7 of 100 clips \(1 of the 6 that were searched on\)"
    with pytest.raises(ValueError, match=message):
        tuned_by_drop(5.0)


def test_a_drop_is_as_exact_as_it_is_typed(monkeypatch):
    """49 of 50 are a drop of 2, and 100 * (1 - 0.98) is a hair more."""
    monkeypatch.setattr(tuning_settings, "SPEEDUPS", (1.1,))
    with_drops(monkeypatch, {1.1: 0.02}, {1.1: 0.02})
    assert tuned_by_drop(2.0)["chosen"] == "tuned 1.1x"


def test_a_constant_that_changes_more_labels_than_may_is_not_told_as_better(monkeypatch):
    monkeypatch.setattr(tuning_settings, "SPEEDUPS", (1.1,))
    real, drop = AnswersOfSchedules.agreement, 0.1

    def changed(self, schedule, *tell):
        real(self, schedule, *tell)
        if isinstance(schedule, int):
            return Agreement(1 - drop, 0.1)
        is_constant = self.num_clips == 3 and len(set(schedule)) == 1
        return Agreement(1.0, 0.2 if is_constant else 0.5)

    monkeypatch.setattr(AnswersOfSchedules, "agreement", changed)
    monkeypatch.setattr(
        AnswersOfSchedules, "softened", lambda self, schedule, *tell: Agreement(1.0, float(len(set(schedule)) == 1))
    )
    for max_drop, better in ((5.0, "ratio 0.1112"), (10.0, "r 3")):
        tuning = tune_schedule(opened(), CLIPS, TuningSettings(max_drop=max_drop, trials=2))["tuning"]
        assert tuning["better_constant"]["name"] == better


def test_every_pass_shows_a_bar(monkeypatch):
    monkeypatch.setattr(tuning_settings, "SPEEDUPS", (1.1, 1.2))
    bars, answers = recorded(monkeypatch, module), recorded(monkeypatch, schedule_answers)
    with_drops(monkeypatch, NONE, NONE)
    tuning = tune_schedule(opened(), CLIPS, TuningSettings(max_drop=5.0, trials=3, batch_size=4))["tuning"]
    assert [(name, total) for name, total, _ in bars] == [
        ("3 schedules of 1.1x", 3 * 6),
        ("3 schedules of 1.2x", 3 * 6),
        (f"Judging {len(tuning['rows'])} schedules", 3 * len(tuning["rows"])),
    ]
    assert [(name, total) for name, total, _ in answers] == [("Without merging", 6), ("Without merging", 3)]
    for _, total, steps in [*bars, *answers]:
        assert sum(steps) == total
        assert max(steps) <= 4
