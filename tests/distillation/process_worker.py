"""What `test_processes.py` trains and evaluates in several processes, and what each process saw of it.

`accelerate launch` runs `main` in every process, which leaves `rank_<number>.pt` in the folder it is told. The test calls the
same functions in a process of its own, for what they are compared with.
"""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import nn
from transformers import EvalPrediction, TrainerCallback

from fastast_hf.distillation import (
    CMKDTrainer,
    CMKDTrainingArguments,
    EfficientATConfig,
    EfficientATForAudioClassification,
    SpectrogramAugmentation,
)
from fastast_hf.evaluation import compute_metrics
from tests.conftest import TINY, tiny_model

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
LABELS = {name: TINY[name] for name in ("id2label", "label2id")}
NUM_FRAMES, NUM_MEL_BINS, NUM_LABELS = TINY["max_length"], TINY["num_mel_bins"], len(TINY["id2label"])

GLOBAL_BATCH = 8
"""Clips of an optimizer step, over all processes and accumulation steps."""

TRAININGS: dict[str, dict[str, Any]] = {
    "labels": {"distillation_weight": 0.0},
    "taught": {},
    "taught, many labels": {"problem_type": MULTI},
    "taught, accumulated": {"gradient_accumulation_steps": 2},
    "taught, many labels, accumulated": {"problem_type": MULTI, "gradient_accumulation_steps": 2},
}

EVALUATIONS = {
    "half of the last batch is missing": (7, SINGLE),
    "half of the last batch is missing, many labels": (7, MULTI),
    "the second process has nothing in the last batch": (5, SINGLE),
}
"""Numbers of clips, in batches of two in each process, and their kind of labels."""

CONVOLUTIONS_JUDGED_ON = 8
"""Clips that the network with running statistics is evaluated on."""

METRICS = ("loss", "accuracy", "map", "d_prime")


class EvaluateOnce(TrainerCallback):
    """Evaluate after the third step, not after the last as the Trainer would too; keep what each process has until then."""

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if state.global_step == 3:
            control.should_evaluate = True
            self.state = {name: value.clone() for name, value in getattr(model, "module", model).state_dict().items()}


class Witness(TrainerCallback):
    """Keep the gradients of the first step as the optimizer gets them, and stop after a step if told to."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.gradients: dict[str, torch.Tensor] = {}
        self.stop_after = stop_after

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if not self.gradients:
            named = getattr(model, "module", model).named_parameters()
            self.gradients = {name: weight.grad.clone() for name, weight in named}

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.stop_after:
            control.should_training_stop = True


class RecordedAugmentation(SpectrogramAugmentation):
    """Augment, and keep what came of it."""

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        seen = super().__call__(*args, **kwargs)
        self.seen = [*getattr(self, "seen", []), seen]
        return seen


def clips(number: int, problem_type: str = SINGLE, *, alike: bool = False) -> Dataset:
    """Make clips of noise with labels; where they are alike, all are one clip."""
    generator = torch.Generator().manual_seed(0)
    input_values = torch.randn(1 if alike else number, NUM_FRAMES, NUM_MEL_BINS, generator=generator)
    labels = torch.arange(number) % NUM_LABELS
    if problem_type == MULTI:
        labels = (torch.rand(number, NUM_LABELS, generator=generator) < 0.4).float()
    columns = {"input_values": input_values.expand(number, -1, -1).tolist(), "labels": labels.tolist()}
    return Dataset.from_dict(columns).with_format("torch")


def new_teacher(**fields: Any) -> EfficientATForAudioClassification:
    """Make a teacher with an opinion."""
    torch.manual_seed(1)
    teacher = EfficientATForAudioClassification(EfficientATConfig(width_multiplier=0.1, **LABELS, **fields))
    nn.init.normal_(teacher.classifier[-1].bias)
    return teacher


def arguments(folder: Path, **changes: Any) -> CMKDTrainingArguments:
    settings = {
        "max_steps": 4,
        "learning_rate": 0.01,
        # Not AdamW, which divides each gradient by its size: where it should be zero, rounding would make a whole step.
        "optim": "sgd",
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.0,
        "logging_steps": 1,
        "save_strategy": "no",
        "distillation_temperature": 2.0,
        "dataloader_pin_memory": False,
        "disable_tqdm": True,
        "use_cpu": True,
    }
    return CMKDTrainingArguments(str(folder), **{**settings, **changes})


def train(folder: Path, num_processes: int, *, problem_type: str = SINGLE, **changes: Any) -> dict[str, Any]:
    """Train a student that merges on the global batches, however many processes share them."""
    parts = num_processes * changes.get("gradient_accumulation_steps", 1)
    witness = Witness()
    trainer = CMKDTrainer(
        tiny_model(merge_ratio=0.25, problem_type=problem_type, hidden_dropout_prob=0.0),
        arguments(folder, per_device_train_batch_size=GLOBAL_BATCH // parts, **changes),
        train_dataset=clips(24, problem_type),
        teacher=new_teacher() if changes.get("distillation_weight") != 0 else None,
        callbacks=[witness],
    )
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    return {
        "gradients": witness.gradients,
        "weights": dict(trainer.model.state_dict()),
        "losses": [{name: value for name, value in entry.items() if name.endswith("loss")} for entry in logged],
    }


def train_convolutions(folder: Path) -> dict[str, Any]:
    """Train a network with running statistics, as a run trains its teacher, and evaluate it before the last step."""
    once, predictions = EvaluateOnce(), []

    def keep(prediction: EvalPrediction) -> dict[str, float]:
        predictions.append(prediction.predictions)
        return compute_metrics(SINGLE)(prediction)

    trainer = CMKDTrainer(
        # The last batch is nearly all that counts: else three steps would hardly show in what it answers.
        new_teacher(batch_norm_momentum=0.9),
        arguments(folder, distillation_weight=0.0, per_device_train_batch_size=4, per_device_eval_batch_size=2),
        train_dataset=clips(24),
        eval_dataset=clips(CONVOLUTIONS_JUDGED_ON),
        compute_metrics=keep,
        callbacks=[once],
    )
    trainer.train()
    (logged,) = (entry for entry in trainer.state.log_history if "eval_loss" in entry)
    (logits,) = predictions
    return {
        "weights": dict(trainer.model.state_dict()),
        "before evaluation": once.state,
        "logits": logits,
        "metrics": {name: logged[f"eval_{name}"] for name in METRICS if f"eval_{name}" in logged},
    }


def evaluate_convolutions(folder: Path, state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Evaluate the network with running statistics as it was at some moment of its training."""
    model = new_teacher()
    model.load_state_dict(state)
    settings = arguments(folder, per_device_eval_batch_size=2)
    trainer = CMKDTrainer(model, settings, compute_metrics=compute_metrics(SINGLE))
    logits, _, metrics = trainer.predict(clips(CONVOLUTIONS_JUDGED_ON))
    told = {name.removeprefix("test_"): value for name, value in metrics.items()}
    return {"logits": logits, "metrics": {name: told[name] for name in METRICS if name in told}}


def evaluate(folder: Path, number: int, problem_type: str) -> dict[str, Any]:
    """Evaluate some clips in batches of two."""
    trainer = CMKDTrainer(
        tiny_model(merge_ratio=0.25, problem_type=problem_type),
        arguments(folder, per_device_eval_batch_size=2),
        compute_metrics=compute_metrics(problem_type),
    )
    logits, labels, metrics = trainer.predict(clips(number, problem_type))
    told = {name: value for name, value in metrics.items() if name.removeprefix("test_") in METRICS}
    return {"logits": logits, "labels": labels, "metrics": told}


def train_with_everything(folder: Path, *, stop_after: int | None = None, resume: str | None = None) -> dict[str, Any]:
    """Train with all that draws random numbers, on one clip under several labels, in batches that do not fill up."""
    teacher = new_teacher()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    augmentation = RecordedAugmentation(frequency_mask_bins=8, time_mask_frames=16, mixup_probability=1.0)
    trainer = CMKDTrainer(
        tiny_model(merge_ratio=0.25, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1),
        arguments(
            folder,
            max_steps=6,
            per_device_train_batch_size=4,
            learning_rate=1e-3,
            optim="adamw_torch",
            lr_scheduler_type="linear",
            warmup_steps=2,
            max_grad_norm=1.0,
            save_strategy="steps",
            save_steps=2,
        ),
        train_dataset=clips(20, alike=True),
        teacher=teacher,
        augmentation=augmentation,
        callbacks=[Witness(stop_after)],
    )
    trainer.train(resume_from_checkpoint=resume)
    optimized = {id(weight) for group in trainer.optimizer.param_groups for weight in group["params"]}
    return {
        "seen": augmentation.seen,
        "weights": dict(trainer.model.state_dict()),
        "teacher": {
            "class": type(trainer.teacher).__name__,
            "device": str(trainer.teacher.device),
            "training": any(module.training for module in teacher.modules()),
            "learns": any(weight.requires_grad or id(weight) in optimized for weight in teacher.parameters()),
            "changed": any(not torch.equal(value, before[name]) for name, value in teacher.state_dict().items()),
            "weights": dict(teacher.state_dict()),
        },
        "student": type(trainer.model_wrapped).__name__,
    }


def main(folder: Path) -> None:
    num_processes = int(os.environ["WORLD_SIZE"])
    saw: dict[str, Any] = {name: train(folder / name, num_processes, **TRAININGS[name]) for name in TRAININGS}
    saw["convolutions"] = train_convolutions(folder / "convolutions")
    saw |= {name: evaluate(folder / name, *EVALUATIONS[name]) for name in EVALUATIONS}
    saw["undisturbed"] = train_with_everything(folder / "undisturbed")
    train_with_everything(folder / "resumed", stop_after=4)
    saw["resumed"] = train_with_everything(folder / "resumed", resume=str(folder / "resumed" / "checkpoint-4"))
    saw |= {"pid": os.getpid(), "num_processes": torch.distributed.get_world_size()}
    saw["backend"] = torch.distributed.get_backend()
    torch.save(saw, folder / f"rank_{torch.distributed.get_rank()}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
