"""Paired comparisons against sums written out."""

import itertools
import math

import pytest

from fastast_hf.evaluation.paired import mcnemar, paired_interval


def test_the_interval_is_student_s():
    first, second = [0.95, 0.97, 0.96, 0.99, 0.9], [0.90, 0.93, 0.91, 0.91, 0.91]
    differences = [a - b for a, b in zip(first, second, strict=True)]
    mean = sum(differences) / 5
    deviation = math.sqrt(sum((difference - mean) ** 2 for difference in differences) / 4)
    half = 2.7764451 * deviation / math.sqrt(5)  # the tables' t of 4 degrees of freedom
    assert paired_interval(first, second) == pytest.approx((mean, mean - half, mean + half))


def test_folds_that_share_clips_to_learn_from_say_less():
    first, second = [0.95, 0.97, 0.96, 0.99, 0.9], [0.90, 0.93, 0.91, 0.91, 0.91]
    apart, folds = paired_interval(first, second), paired_interval(first, second, test_share=0.2)
    # a fifth judges, four fifths teach: 1/5 becomes 1/5 + 1/4
    widened = math.sqrt((1 / 5 + 1 / 4) / (1 / 5))
    assert folds.mean == apart.mean
    assert folds.high - folds.mean == pytest.approx(widened * (apart.high - apart.mean))


def test_the_same_difference_everywhere_is_a_point():
    assert paired_interval([0.5, 0.75], [0.25, 0.5]) == (0.25, 0.25, 0.25)


def naive_p_value(only_first, only_second):
    """Count the coin throws that are at least as uneven, one by one."""
    throws = list(itertools.product((0, 1), repeat=only_first + only_second))
    distance = abs(only_first - only_second)
    return sum(abs(2 * sum(throw) - len(throw)) >= distance for throw in throws) / len(throws)


@pytest.mark.parametrize("only_first", range(5))
@pytest.mark.parametrize("only_second", range(5))
def test_mcnemar_counts_coin_throws(only_first, only_second):
    first = [True] * only_first + [False] * only_second + [True, False]
    second = [False] * only_first + [True] * only_second + [True, False]
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.p_value == pytest.approx(naive_p_value(only_first, only_second))


@pytest.mark.parametrize(("first", "second"), [([0.5], [0.5]), ([0.5, 0.6], [0.5]), ([], [])])
def test_what_is_no_pairs_is_refused(first, second):
    with pytest.raises(ValueError, match="`first` and `second` must be at least 2 pairs"):
        paired_interval(first, second)


def test_mcnemar_needs_a_clip():
    with pytest.raises(ValueError, match="must be at least 1 pairs, got 0 and 0 values"):
        mcnemar([], [])


@pytest.mark.parametrize("test_share", [-0.2, 1, 20])
def test_a_share_that_judges_is_a_share(test_share):
    with pytest.raises(ValueError, match="`test_share` must be from 0 to below 1"):
        paired_interval([0.5, 0.6], [0.5, 0.4], test_share=test_share)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_a_confidence_is_a_share(confidence):
    with pytest.raises(ValueError, match="`confidence` must be between 0 and 1"):
        paired_interval([0.5, 0.6], [0.5, 0.4], confidence=confidence)
