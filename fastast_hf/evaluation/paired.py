"""Is one model better than another, or was it luck? Comparisons of two models on the same clips or the same folds.

Source: McNemar 1947, "Note on the sampling error of the difference between correlated proportions or percentages"
(Psychometrika 12), in its exact form; Nadeau and Bengio 2003, "Inference for the generalization error" (Machine Learning
52), for folds: Student's paired interval, wider. The distributions are scipy's.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy import stats


class PairedInterval(NamedTuple):
    """How much better one model is than another over several folds or seeds.

    Attributes:
        mean: Mean of the differences.
        low: Lower end of the confidence interval of the mean.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


class McNemar(NamedTuple):
    """On how many clips only one of two models is right, and how likely that is by chance.

    Attributes:
        only_first: Clips on which only the first model is right.
        only_second: Clips on which only the second is.
        p_value: Probability of a division at least as uneven if both were equally good, 0 to 1, two-sided.
    """

    only_first: int
    only_second: int
    p_value: float


def paired_interval(
    first: Sequence[float], second: Sequence[float], *, test_share: float = 0.0, confidence: float = 0.95
) -> PairedInterval:
    """Give the mean difference of two models' scores on the same folds, with Student's interval.

    Args:
        first: A score a fold or seed, at least two.
        second: The other model's, in the same order.
        test_share: For folds of one data set, the share of it that judges, 0.2 for five: trainings that share clips vary
            less than trainings on new ones would, and the interval is that much wider. 0: they share none.
        confidence: Of the interval, between 0 and 1.

    Returns:
        `first` minus `second`. With one and the same difference everywhere the interval is a point.

    Raises:
        ValueError: If the scores are not at least two pairs, or the confidence or the share is none.

    Example:
        >>> paired_interval([0.95, 0.97, 0.96], [0.90, 0.93, 0.91]).low > 0
        True
    """
    _check_pairs(first, second, least=2)
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must be between 0 and 1, got {confidence}. Give 0.95 for 95 %.")
    if not 0 <= test_share < 1:
        raise ValueError(f"`test_share` must be from 0 to below 1, got {test_share}. Give 0.2 for five folds.")
    differences = [one - other for one, other in zip(first, second, strict=True)]
    count = len(differences)
    mean = math.fsum(differences) / count
    error = stats.sem(differences) * math.sqrt(1 + count * test_share / (1 - test_share))
    half = stats.t.ppf((1 + confidence) / 2, df=count - 1) * error
    return PairedInterval(mean, mean - float(half), mean + float(half))


def mcnemar(first_is_right: Sequence[bool], second_is_right: Sequence[bool]) -> McNemar:
    """Compare two models on the same clips by the clips on which only one of them is right.

    Args:
        first_is_right: Whether the first model's answer is right, a clip each, at least one.
        second_is_right: The same of the second model, in the same order.

    Returns:
        The counts and the exact two-sided p-value, 1 where the models are right on the same clips.

    Raises:
        ValueError: If there is no clip, or not as many for both.

    Example:
        >>> mcnemar([True] * 8, [False] * 7 + [True])
        McNemar(only_first=7, only_second=0, p_value=0.015625)
    """
    _check_pairs(first_is_right, second_is_right, least=1)
    pairs = [(bool(one), bool(other)) for one, other in zip(first_is_right, second_is_right, strict=True)]
    only_first, only_second = pairs.count((True, False)), pairs.count((False, True))
    if only_first + only_second == 0:
        return McNemar(0, 0, 1.0)
    return McNemar(only_first, only_second, float(stats.binomtest(only_first, only_first + only_second).pvalue))


def _check_pairs(first: Sequence[object], second: Sequence[object], *, least: int) -> None:
    if len(first) != len(second) or len(first) < least:
        raise ValueError(
            f"`first` and `second` must be at least {least} pairs, got {len(first)} and {len(second)} values. Give both "
            "models' in the same order."
        )
