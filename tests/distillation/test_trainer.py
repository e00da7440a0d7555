"""The Trainer with a teacher: the loss, and what the teacher sees."""

import copy

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import Trainer
from transformers.modeling_outputs import SequenceClassifierOutput

from fastast_hf.distillation.augmentation import SpectrogramAugmentation
from fastast_hf.distillation.losses import cmkd_loss
from fastast_hf.distillation.trainer import CMKDTrainer
from tests.distillation.trainings import (
    AUGMENTATION,
    MULTI,
    NUM_MEL_BINS,
    SINGLE,
    Recorder,
    arguments,
    assert_same_weights,
    clips,
    convolutional_teacher,
    largest_difference,
    student,
    train,
    with_teacher_logits,
)

# --- The loss -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
def test_the_training_loss_is_the_cmkd_loss(tmp_path, problem_type):
    dataset, teacher, model = clips(problem_type), convolutional_teacher(), student(problem_type=problem_type)
    settings = {"distillation_weight": 0.7, "distillation_temperature": 2.0}
    trainer = CMKDTrainer(model, arguments(tmp_path, **settings), train_dataset=dataset, teacher=teacher)
    model.train()
    loss = trainer.compute_loss(model, dataset[:])
    expected = cmkd_loss(
        model(dataset[:]["input_values"]).logits,
        teacher(dataset[:]["input_values"]).logits,
        dataset[:]["labels"],
        distillation_weight=0.7,
        temperature=2.0,
        problem_type=problem_type,
    )
    assert torch.equal(loss, expected)


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
def test_batch_of_8_is_4_accumulated_batches_of_2(tmp_path, problem_type):
    dataset, teacher, untrained = clips(problem_type), convolutional_teacher(), student(problem_type=problem_type)
    at_once, in_parts = copy.deepcopy(untrained), copy.deepcopy(untrained)
    trainers = [
        train(tmp_path, at_once, dataset, teacher=teacher),
        train(
            tmp_path,
            in_parts,
            dataset,
            teacher=teacher,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=4,
        ),
    ]
    assert_same_weights(at_once, in_parts, atol=1e-6)
    assert largest_difference(at_once, untrained) > 1e-3
    for first, second in zip(*(trainer.state.log_history[:-1] for trainer in trainers), strict=True):
        for name in ("loss", "label_loss", "distillation_loss"):
            assert first[name] == pytest.approx(second[name], abs=1e-5)


def test_weight_0_is_the_stock_trainer_and_never_runs_the_teacher(tmp_path):
    teacher, ours, stock = Recorder(convolutional_teacher()), student(), student()
    trainer = train(tmp_path, ours, teacher=teacher, distillation_weight=0.0)
    Trainer(stock, arguments(tmp_path), train_dataset=clips()).train()
    assert_same_weights(ours, stock)
    assert teacher.views == []
    assert "label_loss" in trainer.state.log_history[0]
    assert "distillation_loss" not in trainer.state.log_history[0]


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
def test_a_missing_problem_type_follows_from_the_labels(tmp_path, problem_type):
    model = student(problem_type=None)
    augmentation = SpectrogramAugmentation(**AUGMENTATION, mixup_probability=1.0)  # makes floats of indices
    train(tmp_path, model, clips(problem_type), teacher=convolutional_teacher(), augmentation=augmentation)
    assert model.config.problem_type == problem_type


def test_evaluation_loss_is_the_label_loss_without_teacher_or_augmentation(tmp_path):
    dataset, model, teacher = clips(), student(), Recorder(convolutional_teacher())
    trainer = CMKDTrainer(
        model,
        arguments(tmp_path),
        eval_dataset=with_teacher_logits(dataset, convolutional_teacher()),
        teacher=teacher,
        augmentation=SpectrogramAugmentation(**AUGMENTATION, mixup_probability=1.0),
    )
    loss = trainer.evaluate()["eval_loss"]
    batch = dataset[:]
    with torch.no_grad():
        logits = model(batch["input_values"]).logits
    assert loss == pytest.approx(torch.nn.functional.cross_entropy(logits, batch["labels"]).item(), abs=1e-5)
    assert teacher.views == []
    prediction = trainer.predict(trainer.eval_dataset.remove_columns("labels"))
    torch.testing.assert_close(torch.from_numpy(prediction.predictions), logits)


# --- The teacher ----------------------------------------------------------------------------------------------------


def test_teacher_is_frozen_in_eval_mode_and_sees_the_students_view(tmp_path):
    teacher = Recorder(convolutional_teacher())
    teacher.train()
    before = copy.deepcopy(teacher.state_dict())
    model, student_views = student(), []
    model.register_forward_pre_hook(
        lambda _, args, kwargs: student_views.append(kwargs["input_values"].clone()), with_kwargs=True
    )
    augmentation = SpectrogramAugmentation(**AUGMENTATION, mixup_probability=0.5)
    trainer = train(tmp_path, model, teacher=teacher, augmentation=augmentation, max_steps=4)

    assert len(teacher.views) == len(student_views) == 4
    for seen, shown in zip(teacher.views, student_views, strict=True):
        assert torch.equal(seen, shown)
    originals = clips()[:]["input_values"]
    assert not any(torch.equal(clip, original) for clip in student_views[0] for original in originals)
    assert set(teacher.modes) == {(False, False, False)}
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    optimized = {id(weight) for group in trainer.optimizer.param_groups for weight in group["params"]}
    assert optimized.isdisjoint(id(weight) for weight in teacher.parameters())


def test_checkpoint_holds_the_student_only(tmp_path):
    model = student()
    train(tmp_path, model, teacher=convolutional_teacher(), save_strategy="steps", save_steps=3)
    assert load_file(tmp_path / "checkpoint-3" / "model.safetensors").keys() == _saved_keys(model, tmp_path / "alone")


def _saved_keys(model, folder):
    model.save_pretrained(folder)
    return load_file(folder / "model.safetensors").keys()


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
def test_stored_logits_equal_a_live_teacher(tmp_path, problem_type):
    dataset, teacher = clips(problem_type), convolutional_teacher()
    live, stored = student(problem_type=problem_type), student(problem_type=problem_type)
    train(tmp_path, live, dataset, teacher=teacher)
    train(
        tmp_path,
        stored,
        with_teacher_logits(dataset, teacher),
        augmentation=SpectrogramAugmentation(
            time_roll=False, frequency_mask_bins=0, time_mask_frames=0, mixup_probability=0.0
        ),
    )
    assert_same_weights(live, stored, atol=1e-6)


def test_teacher_with_the_same_labels_in_another_order(tmp_path):
    same, permuted = student(), student()
    teacher = convolutional_teacher()
    shuffled = convolutional_teacher(["owl", "cat", "dog"])
    shuffled.load_state_dict(teacher.state_dict())
    with torch.no_grad():
        for parameter in shuffled.classifier[5].parameters():
            parameter.copy_(parameter[[2, 0, 1]].clone())
    train(tmp_path, same, teacher=teacher)
    train(tmp_path, permuted, teacher=shuffled)
    assert_same_weights(same, permuted, atol=1e-6)


def test_teacher_runs_under_the_students_autocast(tmp_path):
    class Spy(nn.Module):
        config = convolutional_teacher().config
        dtypes = set()

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(NUM_MEL_BINS, 3)

        def forward(self, input_values):
            logits = self.linear(input_values.mean(1))
            self.dtypes.add(logits.dtype)
            return SequenceClassifierOutput(logits=logits)

    teacher = Spy()
    trainer = train(tmp_path, student(), teacher=teacher, bf16=True)
    assert teacher.dtypes == {torch.bfloat16}
    assert trainer.state.log_history[0]["distillation_loss"] > 0
