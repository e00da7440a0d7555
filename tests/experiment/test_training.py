"""One model of a run: where it goes on, and in which order its answers are judged."""

from types import SimpleNamespace

import numpy as np
import pytest
from transformers import EvalPrediction

from fastast_hf.evaluation import compute_metrics
from fastast_hf.experiment.arguments import TeacherArguments
from fastast_hf.experiment.training import last_checkpoint, metrics_in_order_of, train_teacher


def test_a_half_written_checkpoint_is_passed_over(tmp_path):
    assert last_checkpoint(tmp_path / "nothing") is None
    for step, is_whole in ((5, True), (10, True), (15, False)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if is_whole:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text("{}")
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"


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
        train_teacher(None, False, arguments, None, None, None)


def test_a_teacher_that_cannot_be_frozen_is_told():
    arguments = TeacherArguments(teacher_freeze_base_model=True)
    with pytest.raises(ValueError, match="`teacher_freeze_base_model` must be False for a object, got True"):
        train_teacher(object(), True, arguments, None, None, None)
