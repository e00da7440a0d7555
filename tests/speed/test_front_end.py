"""Waveforms to features, both ways: what is given to whom, in which order, and arithmetic; never a time."""

import json

import numpy as np
import pytest
import torch

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.hub.results import check_results
from fastast_hf.speed import front_end
from fastast_hf.speed.front_end import measure_front_end
from fastast_hf.speed.variants import as_stock_extractor
from tests.hub.results_example import speed_example

SETTINGS = {"num_mel_bins": 36, "max_length": 96}


class Extractor(FastASTFeatureExtractor):
    """Takes as long as it is told, call by call, by a clock of its own."""

    def __init__(self, events, name, seconds, shift=0.0, **settings):
        super().__init__(**SETTINGS, **settings)
        self.told = events, name, iter([0.0, *seconds]), shift  # the warm-up's first

    def __call__(self, clips, **arguments):
        events, name, seconds, shift = self.told
        events.append((name, clips, arguments))
        Clock.now += next(seconds)
        return {"input_values": torch.zeros(len(clips), 96, 36) + shift}


class Clock:
    now = 0.0


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(front_end, "let_threads_fall_asleep", lambda: None)


def measured(monkeypatch, **settings):
    """Measure what takes 8, 6, 9 and 2, 2, 1 seconds."""
    events = []
    monkeypatch.setattr(front_end, "perf_counter", lambda: Clock.now)
    stock = Extractor(events, "stock", [8.0, 6.0, 9.0], shift=0.25, **settings)
    fast = Extractor(events, "fast", [2.0, 2.0, 1.0], **settings)
    return measure_front_end(stock, fast, num_clips=2, turns=3), events


def test_medians_and_quartiles_are_those_of_ratios_within_a_turn(monkeypatch):
    found, _ = measured(monkeypatch)
    assert (found["stock_ms_per_clip"], found["fast_ms_per_clip"]) == (4000, 1000)
    assert (found["speed_up_low"], found["speed_up"], found["speed_up_high"]) == (3.5, 4, 6.5)  # of 4, 3 and 9
    assert (found["num_clips"], found["turns"], found["clip_seconds"]) == (2, 3, 0.96)


def test_the_two_are_the_first_in_turn_and_get_the_same_clips_at_once(monkeypatch):
    _, events = measured(monkeypatch)
    order = "".join(name[0] for name, _, _ in events)
    assert order == "sf" + "sf" + "fs" + "sf"  # the warm-up is the first
    clips = events[0][1]
    assert all(given is clips for _, given, _ in events)
    assert [(clip.dtype, clip.shape) for clip in clips] == [(np.float32, (15_360,))] * 2
    assert not np.array_equal(*clips)
    assert all(
        told == {"sampling_rate": 16_000, "return_tensors": "pt", "padding": "max_length"} for _, _, told in events
    )


@pytest.mark.parametrize(("do_normalize", "difference"), [(True, 2 * 3.0 * 0.25), (False, 0.25)])
def test_the_difference_is_that_before_normalisation(monkeypatch, do_normalize, difference):
    found, _ = measured(monkeypatch, std=3.0, do_normalize=do_normalize)
    assert found["largest_difference"] == difference


def test_both_compute_the_same_and_results_fit_their_schema():
    fast = FastASTFeatureExtractor(**SETTINGS)
    found = measure_front_end(as_stock_extractor(fast), fast, num_clips=2, turns=2)
    assert 0 <= found["largest_difference"] < 1e-4
    check_results(speed_example() | {"front_end": json.loads(json.dumps(found))})


@pytest.mark.parametrize("name", ["num_clips", "turns"])
def test_a_number_below_1_is_refused(name):
    fast = FastASTFeatureExtractor(**SETTINGS)
    with pytest.raises(ValueError, match=rf"`{name}` must be at least 1, got 0\. Leave it out for the default\."):
        measure_front_end(as_stock_extractor(fast), fast, **{name: 0})


def test_a_feature_extractor_that_pads_to_the_longest_is_measured_as_the_stock_one():
    longest = FastASTFeatureExtractor(**SETTINGS, padding="longest")
    found = measure_front_end(as_stock_extractor(longest), longest, num_clips=2, turns=1)
    assert found["largest_difference"] < 1e-4
