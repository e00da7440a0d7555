import math
import socket

import evaluate
import numpy as np
import pytest
from transformers import EvalPrediction

from fastast_hf.evaluation.metrics import (
    Accuracy,
    DPrime,
    MeanAveragePrecision,
    compute_metrics,
    d_prime,
    mean_average_precision,
)


def naive_average_precision(scores, targets):
    """Mean over the positives of the precision among all clips that score at least as high."""
    precisions = [targets[scores >= scores[i]].mean() for i in np.flatnonzero(targets)]
    return np.mean(precisions)


def naive_auc(scores, targets):
    """Share of pairs of a positive and a negative in the right order; a tie is half a pair."""
    wins = [(p > n) + 0.5 * (p == n) for p in scores[targets == 1] for n in scores[targets == 0]]
    return np.mean(wins)


def naive_normal_quantile(probability):
    """Halve the interval in which the distribution function passes the probability."""
    low, high = -10.0, 10.0
    for _ in range(100):
        middle = (low + high) / 2
        below = 0.5 * (1 + math.erf(middle / math.sqrt(2))) < probability
        low, high = (middle, high) if below else (low, middle)
    return low


def random_clips(seed, clips=40, classes=5, ties=False):
    rng = np.random.default_rng(seed)
    targets = (rng.random((clips, classes)) < 0.3).astype(np.float32)
    targets[0], targets[1] = 1, 0  # each class has both
    scores = rng.standard_normal((clips, classes)) + targets
    return (scores.round(0) if ties else scores).astype(np.float32), targets


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_mean_average_precision_equals_its_twin(seed, ties):
    scores, targets = random_clips(seed, ties=ties)
    expected = np.mean([naive_average_precision(scores[:, c], targets[:, c]) for c in range(5)])
    result = MeanAveragePrecision().compute(predictions=scores, references=targets)
    assert result["map"] == pytest.approx(expected)
    assert result["classes_without_positives"] == 0


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_d_prime_equals_its_twin(seed, ties):
    scores, targets = random_clips(seed, ties=ties)
    auc = np.mean([naive_auc(scores[:, c], targets[:, c]) for c in range(5)])
    expected = 2**0.5 * naive_normal_quantile(auc)
    assert DPrime().compute(predictions=scores, references=targets)["d_prime"] == pytest.approx(expected)


def test_classes_without_positives_are_left_out_and_counted():
    scores, targets = random_clips(0)
    expected, _ = mean_average_precision(scores[:, [0, 2, 4]], targets[:, [0, 2, 4]])
    targets[:, [1, 3]] = 0
    assert mean_average_precision(scores, targets) == (pytest.approx(expected), 2)


def test_d_prime_leaves_out_classes_of_one_kind():
    scores, targets = random_clips(0)
    expected = d_prime(scores[:, 2:], targets[:, 2:])
    targets[:, 0], targets[:, 1] = 0, 1
    assert d_prime(scores, targets) == pytest.approx(expected)


def test_no_class_has_a_positive():
    value, left_out = mean_average_precision(np.zeros((4, 3)), np.zeros((4, 3)))
    assert np.isnan(value)
    assert left_out == 3
    assert np.isnan(d_prime(np.zeros((4, 3)), np.zeros((4, 3))))


def test_d_prime_at_chance_and_at_both_ends():
    targets = np.array([[0], [1], [0], [1]])
    assert d_prime(np.zeros((4, 1)), targets) == 0
    assert d_prime(targets.astype(float), targets) == np.inf
    assert d_prime(-targets.astype(float), targets) == -np.inf


def test_accuracy_collects_batches():
    metric = Accuracy()
    metric.add_batch(predictions=np.array([0, 1]), references=np.array([0, 2]))
    metric.add_batch(predictions=np.array([3, 3]), references=np.array([3, 3]))
    assert metric.compute() == {"accuracy": 0.75}
    assert metric.compute(predictions=[1], references=[0]) == {"accuracy": 0.0}  # starts anew


def test_metrics_combine():
    scores, targets = random_clips(0)
    result = evaluate.combine([MeanAveragePrecision(), DPrime()]).compute(predictions=scores, references=targets)
    assert result["map"] == mean_average_precision(scores, targets)[0]
    assert result["d_prime"] == d_prime(scores, targets)


def test_single_label_metrics():
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=60)
    logits = (3 * rng.standard_normal((60, 4)) + 3 * np.eye(4)[labels]).astype(np.float32)
    result = compute_metrics("single_label_classification")(EvalPrediction(predictions=logits, label_ids=labels))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    one_hot = np.arange(4) == labels[:, None]
    expected = np.mean([naive_average_precision(probabilities[:, c], one_hot[:, c]) for c in range(4)])
    assert result["accuracy"] == np.mean(logits.argmax(1) == labels)
    assert result["map"] == pytest.approx(expected)
    assert set(result) == {"accuracy", "map", "classes_without_positives"}


def test_multi_label_metrics_take_the_logits_of_a_tuple():
    logits, targets = random_clips(1)
    extra = np.zeros((40, 7))
    prediction = EvalPrediction(predictions=(logits, extra), label_ids=targets)
    result = compute_metrics("multi_label_classification")(prediction)
    sigmoid = 1 / (1 + np.exp(-logits.astype(np.float64)))
    assert result["map"] == pytest.approx(mean_average_precision(sigmoid, targets)[0])
    assert result["d_prime"] == pytest.approx(d_prime(sigmoid, targets))
    assert set(result) == {"map", "d_prime", "classes_without_positives"}


def test_confident_logits_keep_their_order():
    # A sigmoid in float32 gives 1.0 for both.
    logits, targets = np.float32([[40], [30]]), np.float32([[1], [0]])
    prediction = EvalPrediction(predictions=logits, label_ids=targets)
    assert compute_metrics("multi_label_classification")(prediction)["map"] == 1


def test_unknown_problem_type():
    with pytest.raises(ValueError, match=r"`problem_type` must be one of \['multi_.*'\], got 'regression'. Set it as"):
        compute_metrics("regression")


def test_metrics_need_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    for metric in (MeanAveragePrecision(), DPrime()):
        metric.compute(predictions=[[0.1], [0.9]], references=[[0], [1]])
    assert Accuracy().compute(predictions=[1, 0], references=[1, 1]) == {"accuracy": 0.5}
