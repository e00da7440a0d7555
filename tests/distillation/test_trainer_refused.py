"""What no training starts with: arguments, teachers and data sets that contradict each other."""

import pytest
from torch import nn
from transformers import TrainingArguments

from fastast_hf.distillation.augmentation import SpectrogramAugmentation
from fastast_hf.distillation.trainer import CMKDTrainer
from tests.distillation.trainings import (
    AUGMENTATION,
    arguments,
    clips,
    convolutional_teacher,
    student,
    train,
    with_teacher_logits,
)


def test_other_arguments_class(tmp_path):
    with pytest.raises(ValueError, match=r"`args` must be CMKDTrainingArguments, got TrainingArguments"):
        CMKDTrainer(student(), TrainingArguments(tmp_path, use_cpu=True))


def test_label_smoothing(tmp_path):
    with pytest.raises(ValueError, match=r"`label_smoothing_factor` must be 0, got 0\.1"):
        CMKDTrainer(student(), arguments(tmp_path, label_smoothing_factor=0.1))


def test_loss_function_of_the_user(tmp_path):
    with pytest.raises(ValueError, match=r"`compute_loss_func` must be None, got a function"):
        CMKDTrainer(student(), arguments(tmp_path), compute_loss_func=lambda *_: None)


def test_no_teacher(tmp_path):
    with pytest.raises(ValueError, match=r"`teacher` must be given for `distillation_weight` 0\.5, got None"):
        train(tmp_path, student())


def test_two_teachers(tmp_path):
    teacher = convolutional_teacher()
    with pytest.raises(ValueError, match=r"`teacher` must be None with a `teacher_logits` column, got EfficientAT"):
        train(tmp_path, student(), with_teacher_logits(clips(), teacher), teacher=teacher)


def test_stored_logits_with_an_augmentation(tmp_path):
    dataset = with_teacher_logits(clips(), convolutional_teacher())
    with pytest.raises(ValueError, match=r"`augmentation` must be None with a `teacher_logits` column, got Spectro"):
        train(tmp_path, student(), dataset, augmentation=SpectrogramAugmentation(**AUGMENTATION))


def test_teacher_is_the_student(tmp_path):
    model = student()
    with pytest.raises(ValueError, match=r"`teacher` must be another model than the student, got the student"):
        CMKDTrainer(model, arguments(tmp_path), teacher=model)


def test_teacher_with_other_labels(tmp_path):
    message = r"got one that lacks 'dog' and adds 'cow'\. Set `id2label`"
    with pytest.raises(ValueError, match=message):
        CMKDTrainer(student(), arguments(tmp_path), teacher=convolutional_teacher(["cat", "cow", "owl"]))
    with pytest.raises(ValueError, match=r"lacks 'cat', 'dog', 'owl' and adds 'LABEL_0', 'LABEL_1', 'LABEL_2'"):
        CMKDTrainer(student(), arguments(tmp_path), teacher=convolutional_teacher(["LABEL_0", "LABEL_1", "LABEL_2"]))


def test_teacher_without_label_names(tmp_path):
    with pytest.raises(ValueError, match=r"`teacher` must have its label names in `config\.id2label`, got a Linear"):
        CMKDTrainer(student(), arguments(tmp_path), teacher=nn.Linear(2, 2))


def test_batches_without_labels(tmp_path):
    with pytest.raises(ValueError, match=r"`labels` must be in every batch, got \['input_values'\]"):
        train(tmp_path, student(), clips().remove_columns("labels"), teacher=convolutional_teacher())
