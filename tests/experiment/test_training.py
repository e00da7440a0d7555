"""One model of a run: where it goes on, and in which order its answers are judged."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import EvalPrediction

from fastast_hf.distillation import CMKDTrainer, CMKDTrainingArguments, SpectrogramAugmentation
from fastast_hf.evaluation import compute_metrics
from fastast_hf.experiment.arguments import TeacherArguments
from fastast_hf.experiment.training import last_checkpoint, metrics_in_order_of, train_model, train_teacher
from tests.conftest import tiny_input, tiny_model
from tests.experiment.test_task import task_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with two checkpoints, as the Trainer writes them."""
    folder = tmp_path_factory.mktemp("trained")
    arguments = CMKDTrainingArguments(
        str(folder),
        max_steps=2,
        save_strategy="steps",
        save_steps=1,
        distillation_weight=0.0,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cpu=True,
    )
    clips = {"input_values": tiny_input(4).tolist(), "labels": [0, 1, 2, 3]}
    model = tiny_model(problem_type="single_label_classification")
    CMKDTrainer(model, arguments, train_dataset=Dataset.from_dict(clips).with_format("torch")).train()
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def test_the_newest_whole_checkpoint_is_the_last(folder, caplog):
    (folder / "checkpoint-best").mkdir()
    assert last_checkpoint(folder) == folder / "checkpoint-2"
    assert last_checkpoint(folder / "nothing") is None
    assert not caplog.records


NEEDED = ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("name", [*NEEDED, "config.json"])
def test_a_checkpoint_that_is_cut_short_is_passed_over(folder, caplog, name, share):
    path = folder / "checkpoint-2" / name
    os.truncate(path, int(share * path.stat().st_size))
    assert last_checkpoint(folder) == folder / "checkpoint-1"
    assert f"checkpoint-2 is passed over: {name} cannot be read" in caplog.text
    shutil.rmtree(folder / "checkpoint-1")
    assert last_checkpoint(folder) is None


@pytest.mark.parametrize("name", NEEDED)
def test_a_checkpoint_that_lacks_a_file_is_passed_over(folder, caplog, name):
    (folder / "checkpoint-2" / name).unlink()
    assert last_checkpoint(folder) == folder / "checkpoint-1"
    assert f"checkpoint-2 is passed over: it lacks {name}" in caplog.text


def test_every_process_needs_its_random_numbers(folder, caplog):
    assert last_checkpoint(folder, num_processes=2) is None
    assert "it lacks rng_state_0.pth, rng_state_1.pth" in caplog.text
    for index in (0, 1):
        shutil.copy(folder / "checkpoint-1" / "rng_state.pth", folder / "checkpoint-1" / f"rng_state_{index}.pth")
    assert last_checkpoint(folder, num_processes=2) == folder / "checkpoint-1"


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
        train_teacher(None, False, arguments, None, None, None)


def test_a_teacher_that_cannot_be_frozen_is_told():
    arguments = TeacherArguments(teacher_freeze_base_model=True)
    with pytest.raises(ValueError, match="`teacher_freeze_base_model` must be False for a object, got True"):
        train_teacher(object(), True, arguments, None, None, None)
