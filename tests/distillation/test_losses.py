import math

import pytest
import torch

from fastast_hf.distillation.losses import cmkd_loss, distillation_loss, label_loss

SINGLE = "single_label_classification"
MULTI = "multi_label_classification"


def softmax(logits):
    largest = max(logits)
    exponentials = [math.exp(logit - largest) for logit in logits]
    return [value / sum(exponentials) for value in exponentials]


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


def naive_label_loss(student, labels, problem_type):
    """The definition, clip by clip and class by class; one label a clip comes as probabilities."""
    if problem_type == SINGLE:
        clips = [
            -sum(label * math.log(p) for label, p in zip(targets, softmax(logits), strict=True))
            for logits, targets in zip(student, labels, strict=True)
        ]
        return sum(clips) / len(clips)
    entries = [
        -(label * math.log(sigmoid(logit)) + (1 - label) * math.log(1 - sigmoid(logit)))
        for logits, targets in zip(student, labels, strict=True)
        for logit, label in zip(logits, targets, strict=True)
    ]
    return sum(entries) / len(entries)


def naive_distillation_loss(student, teacher, temperature, problem_type):
    if problem_type == SINGLE:
        clips = [
            sum(
                p * math.log(p / q)
                for p, q in zip(softmax([t / temperature for t in teacher_clip]), softmax(student_clip), strict=True)
            )
            for student_clip, teacher_clip in zip(student, teacher, strict=True)
        ]
        return sum(clips) / len(clips)
    entries = []
    for student_clip, teacher_clip in zip(student, teacher, strict=True):
        for student_logit, teacher_logit in zip(student_clip, teacher_clip, strict=True):
            p, q = sigmoid(teacher_logit / temperature), sigmoid(student_logit)
            entries.append(p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)))
    return sum(entries) / len(entries)


def random_batch(batch_size, num_labels, problem_type):
    generator = torch.Generator().manual_seed(batch_size * 31 + num_labels)
    student = 3 * torch.randn(batch_size, num_labels, generator=generator)
    teacher = 3 * torch.randn(batch_size, num_labels, generator=generator)
    labels = torch.rand(batch_size, num_labels, generator=generator)
    if problem_type == SINGLE:
        labels = labels / labels.sum(-1, keepdim=True)
    return student, teacher, labels


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("num_labels", [1, 2, 7])
@pytest.mark.parametrize(("weight", "temperature"), [(0.0, 1.0), (0.3, 0.5), (0.9, 2.0), (1.0, 4.0)])
def test_losses_equal_their_plain_definition(problem_type, batch_size, num_labels, weight, temperature):
    student, teacher, labels = random_batch(batch_size, num_labels, problem_type)
    from_labels = naive_label_loss(student.tolist(), labels.tolist(), problem_type)
    from_teacher = naive_distillation_loss(student.tolist(), teacher.tolist(), temperature, problem_type)

    assert label_loss(student, labels, problem_type=problem_type).item() == pytest.approx(from_labels, abs=1e-5)
    assert distillation_loss(
        student, teacher, temperature=temperature, problem_type=problem_type
    ).item() == pytest.approx(from_teacher, abs=1e-5)
    assert cmkd_loss(
        student,
        teacher,
        labels,
        distillation_weight=weight,
        temperature=temperature,
        problem_type=problem_type,
    ).item() == pytest.approx((1 - weight) * from_labels + weight * from_teacher, abs=1e-5)


def test_one_label_by_hand():
    # softmax(log 3, 0) = (3/4, 1/4); the teacher's logits log 9 and 0 are log 3 and 0 at temperature 2.
    student = torch.zeros(1, 2)
    teacher = torch.tensor([[math.log(9), 0.0]])
    divergence = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    settings = {"temperature": 2.0, "problem_type": SINGLE}
    assert distillation_loss(student, teacher, **settings).item() == pytest.approx(divergence, abs=1e-6)
    loss = cmkd_loss(student, teacher, torch.tensor([0]), distillation_weight=0.25, **settings)
    assert loss.item() == pytest.approx(0.75 * math.log(2) + 0.25 * divergence, abs=1e-6)


def test_many_labels_by_hand():
    # sigmoid(log 3) = 3/4 against sigmoid(0) = 1/2 in the first class, equal in the second: the mean is half of it.
    student = torch.zeros(1, 2)
    teacher = torch.tensor([[math.log(9), 0.0]])
    divergence = (0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2
    settings = {"temperature": 2.0, "problem_type": MULTI}
    assert distillation_loss(student, teacher, **settings).item() == pytest.approx(divergence, abs=1e-6)
    loss = cmkd_loss(student, teacher, torch.tensor([[1.0, 0.0]]), distillation_weight=0.25, **settings)
    assert loss.item() == pytest.approx(0.75 * math.log(2) + 0.25 * divergence, abs=1e-6)


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
def test_no_divergence_between_equals(problem_type):
    logits, _, _ = random_batch(4, 6, problem_type)
    loss = distillation_loss(logits, logits, temperature=1.0, problem_type=problem_type)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    loss = distillation_loss(logits, 3 * logits, temperature=3.0, problem_type=problem_type)
    assert loss.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_class_indices_are_one_hot_probabilities(dtype):
    student, _, _ = random_batch(5, 3, SINGLE)
    indices = torch.tensor([0, 2, 1, 1, 0])
    one_hot = torch.nn.functional.one_hot(indices, 3).float()
    torch.testing.assert_close(
        label_loss(student, indices.to(dtype), problem_type=SINGLE), label_loss(student, one_hot, problem_type=SINGLE)
    )


def test_many_labels_may_be_integers():
    student, _, _ = random_batch(2, 3, MULTI)
    labels = torch.tensor([[0, 1, 1], [0, 0, 1]])
    assert label_loss(student, labels, problem_type=MULTI) == label_loss(student, labels.float(), problem_type=MULTI)


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
def test_gradient_flows_to_the_student_only(problem_type):
    student, teacher, labels = random_batch(3, 4, problem_type)
    student.requires_grad_()
    teacher.requires_grad_()
    cmkd_loss(student, teacher, labels, distillation_weight=0.5, temperature=1.0, problem_type=problem_type).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_logits_stay_finite(problem_type, signs, dtype):
    student = (signs[0] * torch.tensor([[1e4, -1e4, 0.0]])).to(dtype).requires_grad_()
    teacher = (signs[1] * torch.tensor([[1e4, -1e4, 0.0]])).to(dtype)
    loss = cmkd_loss(
        student,
        teacher,
        torch.tensor([[1.0, 0.0, 0.0]]),
        distillation_weight=0.5,
        temperature=0.5,
        problem_type=problem_type,
    )
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(problem_type, dtype):
    student, teacher, labels = random_batch(4, 9, problem_type)
    settings = {"distillation_weight": 0.5, "temperature": 2.0, "problem_type": problem_type}
    half = cmkd_loss(student.to(dtype), teacher.to(dtype), labels, **settings)
    full = cmkd_loss(student.to(dtype).float(), teacher.to(dtype).float(), labels, **settings)
    assert half.dtype == torch.float32
    assert half == full


SETTINGS = {"distillation_weight": 0.5, "temperature": 1.0, "problem_type": SINGLE}


@pytest.mark.parametrize("weight", [-0.1, 1.5, math.nan])
def test_distillation_weight_outside_its_range(weight):
    with pytest.raises(ValueError, match=r"`distillation_weight` must be between 0 and 1, got"):
        cmkd_loss(
            torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([0]), **SETTINGS | {"distillation_weight": weight}
        )


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_temperature_outside_its_range(temperature):
    with pytest.raises(ValueError, match=r"`temperature` must be above 0 and finite, got"):
        cmkd_loss(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([0]), **SETTINGS | {"temperature": temperature})


@pytest.mark.parametrize("problem_type", ["regression", None])
def test_unknown_problem_type(problem_type):
    message = rf"`problem_type` must be '{SINGLE}' or '{MULTI}', got {problem_type!r}"
    with pytest.raises(ValueError, match=message):
        label_loss(torch.zeros(1, 2), torch.tensor([0]), problem_type=problem_type)
    with pytest.raises(ValueError, match=message):
        distillation_loss(torch.zeros(1, 2), torch.zeros(1, 2), temperature=1.0, problem_type=problem_type)


def test_teacher_with_other_labels():
    with pytest.raises(
        ValueError, match=r"`teacher_logits` must have the shape of the student's \(1, 2\), got \(1, 3\)"
    ):
        distillation_loss(torch.zeros(1, 2), torch.zeros(1, 3), temperature=1.0, problem_type=SINGLE)


@pytest.mark.parametrize(
    ("labels", "problem_type", "message"),
    [
        (torch.zeros(2, 2, dtype=torch.long), SINGLE, r"class indices of shape \(2,\), got \(2, 2\) of torch.int64"),
        (torch.zeros(3, dtype=torch.long), SINGLE, r"class indices of shape \(2,\), got \(3,\)"),
        (torch.zeros(2, 3), SINGLE, r"a value for every class of shape \(2, 2\), got \(2, 3\)"),
        (torch.zeros(2, dtype=torch.long), MULTI, r"a value for every class of shape \(2, 2\), got \(2,\)"),
    ],
)
def test_labels_that_do_not_fit(labels, problem_type, message):
    with pytest.raises(ValueError, match=rf"`labels` must be {message}"):
        label_loss(torch.zeros(2, 2), labels, problem_type=problem_type)
