"""One model of a run: where it goes on, and in which order its answers are judged."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import EvalPrediction

from fastast_hf.distillation import CMKDTrainer, SpectrogramAugmentation
from fastast_hf.evaluation import compute_metrics
from fastast_hf.experiment.arguments import TeacherArguments
from fastast_hf.experiment.training import metrics_in_order_of, prepare_teacher, train_model
from tests.conftest import tiny_model
from tests.experiment.test_task import task_of


def test_a_training_that_was_interrupted_before_its_record_is_not_repeated(miniature, monkeypatch):
    task = task_of(miniature)
    settings = {"distillation_weight": 0.0, "num_train_epochs": 1}
    nothing_changed = SpectrogramAugmentation(
        time_roll=False, frequency_mask_bins=0, time_mask_frames=0, mixup_probability=0.0
    )

    def train(name):
        start = tiny_model(num_mel_bins=48, max_length=64, merge_ratio=0.25, **task.labels)
        return train_model(start, task, nothing_changed, miniature.training_arguments(name, **settings))

    undisturbed = train("undisturbed")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CMKDTrainer, "evaluate", interrupt)
        train("interrupted")
    monkeypatch.setattr(CMKDTrainer, "training_step", lambda *_: pytest.fail("trained again"))
    again = train("interrupted")
    assert again.record["metrics"] == undisturbed.record["metrics"]
    for name, weight in undisturbed.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weight), name


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


def model_with(*names):
    return SimpleNamespace(config=SimpleNamespace(id2label=dict(enumerate(names)), num_labels=len(names)))


def test_a_model_is_judged_by_the_names_of_its_labels():
    task = SimpleNamespace(
        labels={"id2label": {0: "cat", 1: "dog", 2: "rain"}, "problem_type": "single_label_classification"}
    )
    logits = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)  # of cat, dog and rain
    label_ids = np.arange(30) % 3
    expected = compute_metrics("single_label_classification")(EvalPrediction(logits, label_ids))
    same = metrics_in_order_of(model_with("cat", "dog", "rain"), task)
    assert same(EvalPrediction(logits, label_ids)) == expected
    other = metrics_in_order_of(model_with("rain", "cat", "dog"), task)
    assert other(EvalPrediction(logits[:, [2, 0, 1]], label_ids)) == expected
    assert other(EvalPrediction((logits[:, [2, 0, 1]], "hidden states"), label_ids)) == expected


def test_a_teacher_with_other_labels_must_be_allowed_to_learn():
    arguments = TeacherArguments(teacher_num_train_epochs=0)
    with pytest.raises(ValueError, match="`teacher_num_train_epochs` must be above 0 for a teacher with other labels"):
        prepare_teacher(None, False, arguments)


def test_a_teacher_that_cannot_be_frozen_is_told():
    arguments = TeacherArguments(teacher_freeze_base_model=True)
    with pytest.raises(ValueError, match="`teacher_freeze_base_model` must be False for a object, got True"):
        prepare_teacher(object(), True, arguments)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("model.safetensors", "model.safetensors is not what was written"),
        ("_record.json", "_record.json cannot be read"),
        ("config.json", "config.json cannot be read"),
    ],
)
def test_a_trained_model_that_is_not_whole_learns_again(miniature, caplog, file, words):
    task = task_of(miniature)
    settings = miniature.training_arguments(distillation_weight=0.0, num_train_epochs=1, max_steps=1)

    def train():
        start = tiny_model(num_mel_bins=48, max_length=64, **task.labels)
        return train_model(start, task, SpectrogramAugmentation(**miniature.augmentation), settings)

    first = train()
    path = miniature.folder / "run" / file
    path.write_bytes(path.read_bytes()[:-9] + bytes(9))
    again = train()
    assert f"is not read back, and learns from its last checkpoint on: {words}" in caplog.text
    caplog.clear()
    read_back = train()
    assert caplog.text == ""
    assert first.record["metrics"] == again.record["metrics"] == read_back.record["metrics"]
    for name, weight in first.model.state_dict().items():
        assert torch.equal(read_back.model.state_dict()[name], weight), name
