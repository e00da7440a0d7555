"""What a search may be told, and at which savings it searches and tells."""

import math

import pytest

from fastast_hf.speed import tuning_settings as module
from fastast_hf.speed.schedule_savings import SavingsOfSchedules
from fastast_hf.speed.tuning_settings import TuningSettings, check_settings, targets_to_search, targets_to_tell
from tests.conftest import tiny_config

SAVINGS = SavingsOfSchedules(tiny_config(num_hidden_layers=3), 96)
MOST = SAVINGS.saving((0.5,) * 3)


@pytest.mark.parametrize("fields", [{}, {"speedup": 2.0, "max_drop": 1.0}])
def test_settings_that_contradict_each_other_are_refused(fields):
    with pytest.raises(ValueError, match=r"`speedup` or `max_drop` must be given, and not both, got"):
        check_settings(TuningSettings(**fields))


@pytest.mark.parametrize("max_drop", [-0.5, 100.5, math.nan, math.inf])
def test_a_share_of_a_hundred_clips_is_one(max_drop):
    wrong = r"`max_drop` must be from 0 to 100, got .*\. It is how many of 100 clips may change their best label\."
    with pytest.raises(ValueError, match=wrong):
        check_settings(TuningSettings(max_drop=max_drop))


def test_one_saving_is_searched_or_all_that_can_be_reached(monkeypatch):
    monkeypatch.setattr(module, "SPEEDUPS", (1.1, 1.3, MOST, 100.0))
    assert targets_to_search(SAVINGS, TuningSettings(speedup=1.25)) == [1.25]
    assert targets_to_search(SAVINGS, TuningSettings(max_drop=1.0)) == [1.1, 1.3, MOST]
    assert targets_to_tell(SAVINGS, TuningSettings(speedup=1.25)) == [1.1, 1.25, 1.3, MOST]
    assert targets_to_tell(SAVINGS, TuningSettings(speedup=1.3)) == [1.1, 1.3, MOST]
    assert targets_to_tell(SAVINGS, TuningSettings(max_drop=1.0)) == [1.1, 1.3, MOST]


@pytest.mark.parametrize("speedup", [100.0, math.nextafter(MOST, 9), math.inf, math.nan])
def test_a_speed_up_out_of_reach_is_told(speedup):
    with pytest.raises(
        ValueError, match=r"`speedup` must be at most \d\.\d\d, which .* got .*\. Ask for less"
    ) as caught:
        targets_to_search(SAVINGS, TuningSettings(speedup=speedup))
    told = float(str(caught.value).split("at most ")[1].split(",")[0])
    assert MOST - 0.01 < told <= MOST, "rounded down: what is told can be asked for"
    assert targets_to_search(SAVINGS, TuningSettings(speedup=told)) == [told]


def test_a_model_that_merging_hardly_helps_is_told(monkeypatch):
    monkeypatch.setattr(module, "SPEEDUPS", (100.0,))
    message = r"`max_drop` must be of a model that merging makes 100x faster.* saves 1\.\d\dx at most\. Give `speedup`"
    with pytest.raises(ValueError, match=message):
        targets_to_search(SAVINGS, TuningSettings(max_drop=5.0))
