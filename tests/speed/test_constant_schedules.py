"""Constant schedules: which save what is asked for, which is better than what a search chose, and the command for it."""

import random

import pytest

from fastast_hf.speed.constant_schedules import better_constant, constant_count, constant_ratios, conversion_command
from fastast_hf.speed.schedule_savings import SavingsOfSchedules
from tests.conftest import tiny_config

TARGETS = (1.0, 1.05, 1.2, 1.35, 1.5)


@pytest.fixture(scope="module")
def savings():
    return SavingsOfSchedules(tiny_config(num_hidden_layers=3), 96)


def test_one_ratio_saves_what_is_asked_for_and_stands_there_once(savings):
    found = constant_ratios(savings, (*TARGETS, TARGETS[-1]))
    assert len(found) == len(TARGETS)
    for ratios, target in zip(found, TARGETS, strict=True):
        assert len(ratios) == 3
        assert len(set(ratios)) == 1
        assert savings.saving(ratios) >= target
        assert target == 1 or savings.saving((ratios[0] - 2e-4,) * 3) < target


def test_one_count_is_the_least_that_saves_what_is_asked_for(savings):
    for target in TARGETS:
        count = constant_count(savings, target)
        assert savings.saving(count) >= target
        assert count == 1 or savings.saving(count - 1) < target
    assert constant_count(savings, 100.0) is None


def naive_better(rows, chosen, target):
    """Go through the rows as a reader of the table does."""
    best = None
    for row in rows:
        shown, to_beat = f"{row['mean_kl']:.5f}", f"{chosen['mean_kl']:.5f}"
        if row["mac_ratio"] < target or float(shown) >= float(to_beat):
            continue
        if best is None or row["mean_kl"] < best["mean_kl"]:
            best = row
    return best


def test_a_better_constant_saves_as_much_and_moves_the_answers_less_as_far_as_a_table_shows():
    draw = random.Random(0)
    outcomes = []
    for _ in range(300):
        spread = draw.choice([1e-6, 1e-5, 1e-2])
        rows = [
            {"name": f"r {n}", "mac_ratio": draw.choice([1.5, 2.0, 3.0]), "mean_kl": draw.random() * spread}
            for n in range(4)
        ]
        chosen = {"name": "tuned 2x", "mac_ratio": 2.0, "mean_kl": draw.random() * spread}
        found = better_constant(rows, chosen, target=2.0)
        assert found == naive_better(rows, chosen, 2.0)
        outcomes.append(found is None)
    assert 30 < sum(outcomes) < 270, "both happen"
    assert better_constant([], chosen, target=2.0) is None


def test_the_command_names_model_folder_and_schedule():
    count = {"name": "r 20", "merging": {"tokens_merged_per_layer": 20}}
    ratio = {"name": "ratio 0.0599", "merging": {"merge_ratio": [0.0599, 0.0599]}}
    assert conversion_command("MIT/ast", "ast", count) == (
        "fastast convert MIT/ast ast-r-20 --tokens-merged-per-layer 20"
    )
    assert conversion_command("a b/$x", "$x", ratio) == (
        "fastast convert 'a b/$x' '$x-ratio-0.0599' --merge-ratio 0.0599"
    )
