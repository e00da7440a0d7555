"""What a training with a teacher logs, how it goes on, and the card that it drafts."""

import pytest
import torch
from huggingface_hub import ModelCard
from transformers import TrainerCallback

from fastast_hf.distillation.augmentation import SpectrogramAugmentation
from fastast_hf.distillation.trainer import CMKDTrainer
from fastast_hf.distillation.training_arguments import CMKDTrainingArguments
from tests.distillation.trainings import (
    AUGMENTATION,
    Recorder,
    arguments,
    assert_same_weights,
    clips,
    convolutional_teacher,
    largest_difference,
    student,
    train,
)

# --- Logging and resuming -------------------------------------------------------------------------------------------


def test_both_parts_are_logged_as_means_of_the_window(tmp_path):
    every_step = train(tmp_path, student(), teacher=convolutional_teacher(), max_steps=4, distillation_weight=0.3)
    every_other = train(
        tmp_path, student(), teacher=convolutional_teacher(), max_steps=4, distillation_weight=0.3, logging_steps=2
    )
    single = [entry for entry in every_step.state.log_history if "loss" in entry]
    double = [entry for entry in every_other.state.log_history if "loss" in entry]
    assert [len(single), len(double)] == [4, 2]
    for entry in single:
        total = 0.7 * entry["label_loss"] + 0.3 * entry["distillation_loss"]
        assert entry["loss"] == pytest.approx(total, abs=1e-5)
    for name in ("label_loss", "distillation_loss"):
        means = [(single[step][name] + single[step + 1][name]) / 2 for step in (0, 2)]
        assert [entry[name] for entry in double] == pytest.approx(means, abs=1e-5)


def test_a_loss_that_is_logged_before_the_first_step(tmp_path):
    trainer = CMKDTrainer(student(), arguments(tmp_path), teacher=convolutional_teacher())
    trainer.log({"loss": 1.0})
    (entry,) = trainer.state.log_history
    assert entry["loss"] == 1.0
    assert "label_loss" not in entry


class StopAt(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step == self.step


def test_best_model_is_loaded_at_the_end(tmp_path):
    model = student()
    trainer = CMKDTrainer(
        model,
        arguments(
            tmp_path,
            max_steps=2,
            learning_rate=5.0,  # too much: the first checkpoint is the better one
            save_strategy="steps",
            save_steps=1,
            eval_strategy="steps",
            eval_steps=1,
            load_best_model_at_end=True,
        ),
        train_dataset=clips(),
        eval_dataset=clips(),
        teacher=convolutional_teacher(),
    )
    trainer.train()
    losses = {entry["step"]: entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry}
    assert trainer.state.best_model_checkpoint == str(tmp_path / "checkpoint-1")
    assert losses[1] < losses[2]
    assert trainer.evaluate()["eval_loss"] == pytest.approx(losses[1], abs=1e-6)


@pytest.mark.parametrize("stop", [2, 3, 4])  # inside the first epoch, at its end, inside the second
def test_interrupted_and_resumed_equals_undisturbed(tmp_path, stop):
    settings = {
        "teacher": convolutional_teacher(),
        "augmentation": SpectrogramAugmentation(**AUGMENTATION, mixup_probability=0.5),
        "max_steps": 6,
        "per_device_train_batch_size": 6,  # 3 batches an epoch, the last one smaller
        "optim": "adamw_torch",
        "learning_rate": 1e-3,
        "lr_scheduler_type": "linear",
        "save_strategy": "steps",
        "save_steps": 1,
    }
    dropout = {"hidden_dropout_prob": 0.1}
    undisturbed, interrupted, resumed = student(**dropout), student(**dropout), student(seed=7, **dropout)
    expected = train(tmp_path / "undisturbed", undisturbed, **settings)
    train(tmp_path / "resumed", interrupted, callbacks=[StopAt(stop)], **settings)
    assert largest_difference(undisturbed, interrupted) > 1e-4
    checkpoint = tmp_path / "resumed" / f"checkpoint-{stop}"
    actual = train(tmp_path / "resumed", resumed, resume=str(checkpoint), **settings)
    assert_same_weights(undisturbed, resumed)
    for first, second in zip(expected.state.log_history[:-1], actual.state.log_history[:-1], strict=True):
        assert first == second


@pytest.mark.parametrize("num_processes", [1, 2])
def test_each_process_sees_its_own_views(tmp_path, monkeypatch, num_processes):
    trainer = CMKDTrainer(
        student(),
        arguments(tmp_path),
        teacher=Recorder(convolutional_teacher()),
        augmentation=SpectrogramAugmentation(**AUGMENTATION),
    )
    trainer.model.train()
    monkeypatch.setattr(CMKDTrainingArguments, "world_size", num_processes)
    for process_index in [*range(num_processes), 0]:
        monkeypatch.setattr(CMKDTrainingArguments, "process_index", process_index)
        torch.manual_seed(0)  # the Trainer seeds every process alike
        trainer.compute_loss(trainer.model, clips()[:])
    first, *others, again = trainer.teacher.views
    assert torch.equal(again, first)
    assert not any(torch.equal(view, first) for view in others)


# --- The card -------------------------------------------------------------------------------------------------------


def test_a_card_is_drafted_where_there_is_none(tmp_path):
    trainer = CMKDTrainer(student(), arguments(tmp_path / "owls"), teacher=convolutional_teacher())
    trainer.create_model_card(model_name=None, tags=["birds"], finetuned_from="me/owls-base")
    card = ModelCard.load(tmp_path / "owls" / "README.md")
    assert card.data.tags == ["birds", "generated_from_trainer", "knowledge-distillation"]
    assert card.data.base_model == "me/owls-base"
    assert card.text.startswith("\n# owls\n")


def test_a_card_that_is_there_stays(tmp_path):
    (tmp_path / "README.md").write_text("# The owls\n")
    CMKDTrainer(student(), arguments(tmp_path), teacher=convolutional_teacher()).create_model_card()
    assert (tmp_path / "README.md").read_text() == "# The owls\n"


def test_the_first_process_alone_writes_a_card(tmp_path, monkeypatch):
    trainer = CMKDTrainer(student(), arguments(tmp_path), teacher=convolutional_teacher())
    monkeypatch.setattr(trainer, "is_world_process_zero", lambda: False)
    trainer.create_model_card()
    assert not (tmp_path / "README.md").exists()
