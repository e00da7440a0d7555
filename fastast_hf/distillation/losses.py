"""The CMKD loss: labels and a teacher's soft targets, for one label a clip or for many."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

SINGLE_LABEL = "single_label_classification"
MULTI_LABEL = "multi_label_classification"


def cmkd_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    *,
    distillation_weight: float,
    temperature: float,
    problem_type: str,
) -> Tensor:
    """Blend the label loss and the distillation loss: `(1 - distillation_weight) * label + distillation_weight * KL`.

    Source: Gong et al. 2022 (arXiv 2203.06760), equation 1. `distillation_weight` is the paper's 1 - lambda.

    Args:
        student_logits: (batch, classes), any floating dtype; computed in float32.
        teacher_logits: (batch, classes), any floating dtype; no gradient flows into them.
        labels: What `label_loss` takes.
        distillation_weight: 0 (labels only) to 1 (teacher only); the paper uses 0.5.
        temperature: Above 0; divides the teacher's logits only.
        problem_type: `"single_label_classification"` or `"multi_label_classification"`.

    Returns:
        The loss, a float32 scalar.

    Raises:
        ValueError: If an argument is outside its range or the shapes do not fit.

    Example:
        >>> logits = torch.zeros(1, 2)
        >>> settings = {"distillation_weight": 0.5, "temperature": 1.0, "problem_type": "single_label_classification"}
        >>> cmkd_loss(logits, logits, torch.tensor([0]), **settings)  # half of log(2): the teacher agrees
        tensor(0.3466)
    """
    check_distillation_weight(distillation_weight)
    from_labels = label_loss(student_logits, labels, problem_type=problem_type)
    from_teacher = distillation_loss(
        student_logits, teacher_logits, temperature=temperature, problem_type=problem_type
    )
    return torch.lerp(from_labels, from_teacher, distillation_weight)


def label_loss(student_logits: Tensor, labels: Tensor, *, problem_type: str) -> Tensor:
    """Compare logits with labels: cross-entropy for one label a clip, binary cross-entropy for many.

    Args:
        student_logits: (batch, classes), any floating dtype; computed in float32.
        labels: One label: class indices (batch,) of an integer dtype, or probabilities (batch, classes) of a floating
            dtype, as mixup makes them. Many labels: (batch, classes), each 0 to 1, any dtype.
        problem_type: `"single_label_classification"` or `"multi_label_classification"`.

    Returns:
        The mean over clips (one label) or over clips and classes (many), a float32 scalar.

    Raises:
        ValueError: If `problem_type` is another one or the labels do not fit the logits.
    """
    _check_problem_type(problem_type)
    logits = student_logits.float()  # (B, C)
    indices = problem_type == SINGLE_LABEL and not labels.is_floating_point()
    _check_labels(logits, labels, indices=indices)
    if problem_type == MULTI_LABEL:
        return F.binary_cross_entropy_with_logits(logits, labels.float())
    return F.cross_entropy(logits, labels.long() if indices else labels.float())


def distillation_loss(
    student_logits: Tensor, teacher_logits: Tensor, *, temperature: float, problem_type: str
) -> Tensor:
    """Measure how far the student is from its teacher: KL(teacher || student).

    Source: Gong et al. 2022 (arXiv 2203.06760), equation 1: the temperature divides the teacher's logits only, and no
    factor temperature^2 follows, unlike Hinton et al. 2015.

    Args:
        student_logits: (batch, classes), any floating dtype; computed in float32.
        teacher_logits: (batch, classes), any floating dtype; no gradient flows into them.
        temperature: Above 0; above 1 softens the teacher's targets.
        problem_type: `"single_label_classification"`: softmax, summed over classes, mean over clips.
            `"multi_label_classification"`: sigmoid, a Bernoulli divergence a class, mean over clips and classes.

    Returns:
        The divergence in nats, a float32 scalar, 0 where student and (softened) teacher agree.

    Raises:
        ValueError: If an argument is outside its range or the shapes differ.
    """
    _check_problem_type(problem_type)
    check_temperature(temperature)
    if student_logits.shape != teacher_logits.shape:
        raise ValueError(
            f"`teacher_logits` must have the shape of the student's {tuple(student_logits.shape)}, got "
            f"{tuple(teacher_logits.shape)}. Give the teacher the student's labels."
        )
    student = student_logits.float()  # (B, C)
    teacher = teacher_logits.detach().float() / temperature  # (B, C)
    if problem_type == SINGLE_LABEL:
        return F.kl_div(student.log_softmax(-1), teacher.log_softmax(-1), reduction="batchmean", log_target=True)
    return _bernoulli_kl(teacher, student).mean()


def _bernoulli_kl(teacher: Tensor, student: Tensor) -> Tensor:
    """Return KL(sigmoid(teacher) || sigmoid(student)) of each entry.

    log(1 - sigmoid(x)) is logsigmoid(-x): logarithms of probabilities that round to 0 are never taken.
    """
    present = teacher.sigmoid() * (F.logsigmoid(teacher) - F.logsigmoid(student))
    absent = (-teacher).sigmoid() * (F.logsigmoid(-teacher) - F.logsigmoid(-student))
    return present + absent


def check_distillation_weight(distillation_weight: float) -> None:
    """Refuse a weight outside [0, 1].

    Args:
        distillation_weight: The teacher's share of the loss.

    Raises:
        ValueError: If it is outside [0, 1].
    """
    if not 0 <= distillation_weight <= 1:
        raise ValueError(
            f"`distillation_weight` must be between 0 and 1, got {distillation_weight}. "
            "Use 0 for labels only, 1 for the teacher only."
        )


def check_temperature(temperature: float, *, name: str = "temperature") -> None:
    """Refuse a temperature that is not a positive number.

    Args:
        temperature: The divisor of the teacher's logits.
        name: What the caller calls it.

    Raises:
        ValueError: If it is 0, negative, infinite or not a number.
    """
    if not 0 < temperature < math.inf:
        raise ValueError(
            f"`{name}` must be above 0 and finite, got {temperature}. Use 1 for the teacher as it is, more for "
            "softer targets."
        )


def _check_problem_type(problem_type: str) -> None:
    if problem_type not in (SINGLE_LABEL, MULTI_LABEL):
        raise ValueError(
            f"`problem_type` must be {SINGLE_LABEL!r} or {MULTI_LABEL!r}, got {problem_type!r}. "
            "Set `problem_type` in the model's config."
        )


def _check_labels(logits: Tensor, labels: Tensor, *, indices: bool) -> None:
    expected = logits.shape[:1] if indices else logits.shape
    if labels.shape != expected:
        meaning = "class indices" if indices else "a value for every class"
        raise ValueError(
            f"`labels` must be {meaning} of shape {tuple(expected)}, got {tuple(labels.shape)} of {labels.dtype}. "
            "Check the labels against the model's `problem_type` and `num_labels`."
        )
