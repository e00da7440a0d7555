"""Accuracy, mean average precision and d-prime as `evaluate` metrics that load offline.

`evaluate.load("accuracy")` fetches its code from the Hub; these classes are in the package and behave the same:
`compute`, `add_batch`, `evaluate.combine`. They keep the predictions in memory, so that processes do not share a lock
file.
"""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import evaluate
import numpy as np
from datasets import Features, List, Value
from sklearn.metrics import average_precision_score, roc_auc_score
from transformers import EvalPrediction

SCORES = Features(predictions=List(Value("float64")), references=List(Value("float64")))
"""A row of class scores and a row of zeros and ones for every clip."""


class _InMemoryMetric(evaluate.Metric):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **{"keep_in_memory": True, **kwargs})


class Accuracy(_InMemoryMetric):
    """Measure the share of clips whose predicted class is right.

    >>> Accuracy().compute(predictions=[0, 1, 2], references=[0, 1, 1])["accuracy"]
    0.666...
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Share of clips whose predicted class is right.",
            citation="",
            inputs_description="Class ids, one a clip.",
            features=Features(predictions=Value("int64"), references=Value("int64")),
        )

    def _compute(self, predictions: list[int], references: list[int]) -> dict[str, float]:
        return {"accuracy": float(np.mean(np.asarray(predictions) == np.asarray(references)))}


class MeanAveragePrecision(_InMemoryMetric):
    """Measure the average precision of each class, averaged over the classes: AudioSet's mAP.

    >>> result = MeanAveragePrecision().compute(predictions=[[0.9, 0.2], [0.4, 0.8]], references=[[1, 0], [1, 0]])
    >>> result == {"map": 1.0, "classes_without_positives": 1}
    True
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Macro-averaged average precision over the classes that have a positive clip.",
            citation="",
            inputs_description="Scores and zeros and ones, each of shape (clips, classes).",
            features=SCORES,
        )

    def _compute(self, predictions: list[list[float]], references: list[list[float]]) -> dict[str, float | int]:
        value, left_out = mean_average_precision(np.asarray(predictions), np.asarray(references))
        return {"map": value, "classes_without_positives": left_out}


class DPrime(_InMemoryMetric):
    """Measure d-prime: how far apart, in standard deviations, the scores of positive and negative clips lie.

    It is infinite where every positive clip scores above every negative one.

    >>> DPrime().compute(predictions=[[0.1], [0.4], [0.3], [0.8]], references=[[0], [0], [1], [1]])["d_prime"]
    0.95...
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="d-prime of the mean area under the ROC curve over the classes.",
            citation="",
            inputs_description="Scores and zeros and ones, each of shape (clips, classes).",
            features=SCORES,
        )

    def _compute(self, predictions: list[list[float]], references: list[list[float]]) -> dict[str, float]:
        return {"d_prime": d_prime(np.asarray(predictions), np.asarray(references))}


def compute_metrics(problem_type: str) -> Callable[[EvalPrediction], dict[str, float]]:
    """Return the `compute_metrics` of a Trainer.

    Args:
        problem_type: "single_label_classification" (accuracy and mAP, over softmax scores) or
            "multi_label_classification" (mAP and d-prime, over sigmoid scores).

    Returns:
        A function from logits (clips, classes), or a tuple that starts with them, and labels to named numbers.

    Raises:
        ValueError: `problem_type` is neither of the two.
    """
    measures = {
        "single_label_classification": _single_label_metrics,
        "multi_label_classification": _multi_label_metrics,
    }
    if problem_type not in measures:
        raise ValueError(
            f"`problem_type` must be one of {sorted(measures)}, got {problem_type!r}. "
            "Set it as the model's configuration has it."
        )
    measure = measures[problem_type]

    def compute(prediction: EvalPrediction) -> dict[str, float]:
        outputs = prediction.predictions
        logits = outputs[0] if isinstance(outputs, tuple) else outputs
        return measure(np.asarray(logits, dtype=np.float64), np.asarray(prediction.label_ids))

    return compute


def mean_average_precision(scores: np.ndarray, targets: np.ndarray) -> tuple[float, int]:
    """Average the average precision over classes.

    Source: AST's `calculate_stats`, the measure of AudioSet. Deviation: a class without a positive clip has no average
    precision; it is left out and counted, where scikit-learn counts it as zero.

    Args:
        scores: Shape (clips, classes); only their order within a class matters.
        targets: Zeros and ones of the same shape.

    Returns:
        The mean in [0, 1], NaN if no class has a positive; and the number of classes without one.
    """
    has_positive = targets.any(axis=0)
    precisions = [average_precision_score(targets[:, c], scores[:, c]) for c in np.flatnonzero(has_positive)]
    return float(np.mean(precisions)) if precisions else math.nan, int(np.sum(~has_positive))


def d_prime(scores: np.ndarray, targets: np.ndarray) -> float:
    """Turn the mean area under the ROC curve into d-prime.

    Source: AST's `d_prime`: sqrt(2) times the normal quantile of the mean AUC. Classes without both a positive and a
    negative clip have no AUC and are left out.

    Args:
        scores: Shape (clips, classes); only their order within a class matters.
        targets: Zeros and ones of the same shape.

    Returns:
        0 at chance, infinite at a mean AUC of 1, minus infinite at 0, NaN if no class has an AUC.
    """
    defined = targets.any(axis=0) & ~targets.all(axis=0)
    areas = [roc_auc_score(targets[:, c], scores[:, c]) for c in np.flatnonzero(defined)]
    return math.sqrt(2) * _normal_quantile(float(np.mean(areas))) if areas else math.nan


def _normal_quantile(probability: float) -> float:
    """Return the point of the standard normal distribution below which a share in [0, 1] lies."""
    if probability in (0.0, 1.0):  # where `inv_cdf` raises
        return math.inf if probability else -math.inf
    return NormalDist().inv_cdf(probability)


def _single_label_metrics(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores /= scores.sum(axis=1, keepdims=True)  # (N, C)
    one_hot = np.eye(logits.shape[1])[labels]  # (N, C)
    return {
        **Accuracy().compute(predictions=logits.argmax(axis=1), references=labels),
        **MeanAveragePrecision().compute(predictions=scores, references=one_hot),
    }


def _multi_label_metrics(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    # Average precision and AUC see only the order of a class's scores, which the sigmoid would blur near 0 and 1.
    return {
        **MeanAveragePrecision().compute(predictions=logits, references=labels),
        **DPrime().compute(predictions=logits, references=labels),
    }
