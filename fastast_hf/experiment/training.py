"""One model of a run: trained, or taken up where an interrupted run left it."""

import copy
import logging
import math
from pathlib import Path
from typing import Any, NamedTuple

from transformers import EvalPrediction

from fastast_hf.distillation import CMKDTrainer, CMKDTrainingArguments, SpectrogramAugmentation, match_labels
from fastast_hf.distillation.checkpoints import find_flaw_of_model, last_checkpoint
from fastast_hf.distillation.digests import write_digests
from fastast_hf.evaluation import compute_metrics
from fastast_hf.experiment.arguments import TeacherArguments
from fastast_hf.experiment.files import read_json, write_json
from fastast_hf.experiment.task import Task

logger = logging.getLogger(__name__)

RECORD_NAME = "_record.json"
"""What is told of a model once it is trained: its presence says that the training is over."""

METRICS = ("accuracy", "map", "d_prime")


class TrainedModel(NamedTuple):
    """A model after its training.

    Attributes:
        model: the model, in evaluation mode.
        record: `num_parameters`, `metrics` of the evaluation part, `train_seconds` unless the training was interrupted.
    """

    model: Any  # a PreTrainedModel; callers know which
    record: dict[str, Any]


def arguments_for(arguments: CMKDTrainingArguments, folder: Path, **changes: Any) -> CMKDTrainingArguments:
    """Copy training arguments for one model of a run, which trains in its folder and pushes nothing.

    Args:
        arguments: the run's.
        folder: the model's folder.
        **changes: fields that differ.

    Returns:
        The copy.
    """
    own = copy.copy(arguments)
    for name, value in {"output_dir": str(folder), "push_to_hub": False, **changes}.items():
        setattr(own, name, value)
    if own.device.type == "cpu":
        own.dataloader_pin_memory = False  # it would only warn
    return own


def train_model(
    model: Any,
    task: Task,
    augmentation: SpectrogramAugmentation,
    arguments: CMKDTrainingArguments,
    *,
    teacher: Any = None,
) -> TrainedModel:
    """Train and evaluate a model, or read it back if this run has already done so.

    Args:
        model: a PreTrainedModel, where it starts.
        task: what it learns.
        augmentation: what it sees of a clip while it learns.
        arguments: `output_dir` is the model's folder, where an interrupted training goes on from its last checkpoint.
        teacher: who teaches it, at `distillation_weight` above 0.

    Returns:
        The model and its record.
    """
    folder = Path(str(arguments.output_dir))
    known = _read_record(folder)
    if known is not None:
        trained = type(model).from_pretrained(folder, use_safetensors=True).to(arguments.device).eval()
        return TrainedModel(trained, known)

    trainer = CMKDTrainer(
        model=model,
        args=arguments,
        train_dataset=task.train,
        eval_dataset=task.eval,
        processing_class=task.feature_extractor,
        compute_metrics=metrics_in_order_of(model, task),
        augmentation=augmentation,
        teacher=teacher,
    )
    record: dict[str, Any] = {"num_parameters": model.num_parameters()}
    if arguments.num_train_epochs > 0 or arguments.max_steps > 0:
        checkpoint = last_checkpoint(folder, num_processes=arguments.world_size)
        result = trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        if checkpoint is None:  # the time of a part says nothing of the whole
            record["train_seconds"] = result.metrics["train_runtime"]
    metrics = {name.removeprefix("eval_"): value for name, value in trainer.evaluate().items()}
    # d-prime is infinite where every clip is ranked right, and mAP is no number where no class has a clip
    record["metrics"] = {name: metrics[name] for name in METRICS if math.isfinite(metrics.get(name, math.nan))}
    trainer.save_model()
    with arguments.main_process_first(desc="record"):
        if trainer.is_world_process_zero():
            write_digests(folder)
            write_json(folder / RECORD_NAME, record)
    return TrainedModel(model.eval(), record)


def _read_record(folder: Path) -> dict[str, Any] | None:
    """Read what is told of a trained model; None if there is none, or the model beside it is not what was saved."""
    file = folder / RECORD_NAME
    if not file.exists():
        return None
    try:
        record = read_json(file)
    except ValueError:  # no JSON, or no text
        flaw: str | None = f"{RECORD_NAME} cannot be read"
    else:
        flaw = find_flaw_of_model(folder)
    if flaw is None:
        return record
    logger.warning("The model in %s is not read back, and learns from its last checkpoint on: %s", folder, flaw)
    return None


def prepare_teacher(teacher: Any, knows_task: bool, teacher_arguments: TeacherArguments) -> None:
    """Freeze what is not to learn, and refuse a teacher that could not teach, before any work is done for it.

    Args:
        teacher: a PreTrainedModel, where it starts.
        knows_task: whether it answers with the task's labels already.
        teacher_arguments: its epochs, and whether its base model is frozen.

    Raises:
        ValueError: if it neither knows the labels nor may learn them, or cannot be frozen.
    """
    epochs = teacher_arguments.teacher_num_train_epochs
    if not knows_task and epochs <= 0:
        raise ValueError(
            f"`teacher_num_train_epochs` must be above 0 for a teacher with other labels, got {epochs}. Let it learn "
            "these, or name a teacher that knows them."
        )
    if teacher_arguments.teacher_freeze_base_model:
        if not hasattr(teacher, "freeze_base_model"):
            raise ValueError(
                f"`teacher_freeze_base_model` must be False for a {type(teacher).__name__}, got True. It has no "
                "`freeze_base_model()`: fine-tune all of it."
            )
        teacher.freeze_base_model()


def train_teacher(
    teacher: Any,
    knows_task: bool,
    teacher_arguments: TeacherArguments,
    task: Task,
    augmentation: SpectrogramAugmentation,
    arguments: CMKDTrainingArguments,
) -> TrainedModel:
    """Fine-tune the teacher on the labels; one that answers with these labels already is only evaluated.

    Args:
        teacher: a PreTrainedModel, where it starts.
        knows_task: whether it answers with the task's labels already.
        teacher_arguments: its epochs, its learning rate, and what of it is frozen.
        task: what it learns.
        augmentation: what it sees of a clip while it learns.
        arguments: the run's, for all that is not the teacher's own.

    Returns:
        The teacher and its record.
    """
    own_arguments = arguments_for(
        arguments,
        Path(str(arguments.output_dir)) / "_teacher",
        num_train_epochs=0 if knows_task else teacher_arguments.teacher_num_train_epochs,
        max_steps=-1,
        learning_rate=teacher_arguments.teacher_learning_rate,
        distillation_weight=0.0,
    )
    return train_model(teacher, task, augmentation, own_arguments)


def metrics_in_order_of(model: Any, task: Task) -> Any:
    """Judge a model by the names of its labels, in whatever order it gives its logits.

    Args:
        model: a PreTrainedModel with the task's labels.
        task: whose labels count.

    Returns:
        What a Trainer takes as `compute_metrics`.
    """
    of_the_task = compute_metrics(task.labels["problem_type"])
    names = [model.config.id2label[index] for index in range(model.config.num_labels)]
    order = match_labels(list(task.labels["id2label"].values()), names)
    if order is None:
        return of_the_task

    def in_order(prediction: EvalPrediction) -> dict[str, float]:
        logits = prediction.predictions
        logits = logits[0] if isinstance(logits, tuple) else logits
        return of_the_task(EvalPrediction(logits[:, order], prediction.label_ids))

    return in_order
