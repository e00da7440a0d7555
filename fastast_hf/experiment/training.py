"""One model of a run: trained, or taken up where an interrupted run left it."""

import copy
from pathlib import Path
from typing import Any, NamedTuple

from transformers.trainer_utils import get_last_checkpoint

from fastast_hf.distillation import CMKDTrainer, CMKDTrainingArguments, SpectrogramAugmentation
from fastast_hf.evaluation import compute_metrics
from fastast_hf.experiment.arguments import ModelArguments, TeacherArguments
from fastast_hf.experiment.files import read_json, write_json
from fastast_hf.experiment.start import knows_labels, open_teacher
from fastast_hf.experiment.task import Task

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
    """Copy training arguments for another model, which stays in its folder and goes to no Hub.

    Args:
        arguments: the student's.
        folder: the other model's folder.
        **changes: fields that differ.

    Returns:
        The copy.
    """
    others = copy.copy(arguments)
    for name, value in {"output_dir": str(folder), "push_to_hub": False, **changes}.items():
        setattr(others, name, value)
    return others


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
    if (folder / RECORD_NAME).exists():
        trained = type(model).from_pretrained(folder).to(arguments.device).eval()
        return TrainedModel(trained, read_json(folder / RECORD_NAME))

    trainer = CMKDTrainer(
        model=model,
        args=arguments,
        train_dataset=task.train,
        eval_dataset=task.eval,
        processing_class=task.feature_extractor,
        compute_metrics=compute_metrics(task.labels["problem_type"]),
        augmentation=augmentation,
        teacher=teacher,
    )
    record: dict[str, Any] = {"num_parameters": model.num_parameters()}
    if arguments.num_train_epochs > 0:
        checkpoint = get_last_checkpoint(str(folder)) if folder.is_dir() else None
        result = trainer.train(resume_from_checkpoint=checkpoint)
        if checkpoint is None:  # the time of a part says nothing of the whole
            record["train_seconds"] = result.metrics["train_runtime"]
    metrics = {name.removeprefix("eval_"): value for name, value in trainer.evaluate().items()}
    record["metrics"] = {name: metrics[name] for name in METRICS if name in metrics}
    trainer.save_model()
    with arguments.main_process_first(desc="record"):
        if trainer.is_world_process_zero():
            write_json(folder / RECORD_NAME, record)
    return TrainedModel(model.eval(), record)


def train_teacher(
    teacher_arguments: TeacherArguments,
    model_arguments: ModelArguments,
    task: Task,
    augmentation: SpectrogramAugmentation,
    arguments: CMKDTrainingArguments,
) -> TrainedModel:
    """Fine-tune the teacher on the labels; one that answers with these labels already is only evaluated.

    Args:
        teacher_arguments: which teacher, its epochs and its learning rate.
        model_arguments: cache and token for the Hub.
        task: what it learns.
        augmentation: what it sees of a clip while it learns.
        arguments: the student's, for all that is not the teacher's own.

    Returns:
        The teacher and its record.

    Raises:
        ValueError: if no teacher is named.
    """
    teacher: Any = open_teacher(teacher_arguments, model_arguments, task.labels)
    if teacher is None:
        raise ValueError(
            f"`teacher_name_or_path` must be given at `distillation_weight` {arguments.distillation_weight}, got none. "
            "Name a teacher, or set `distillation_weight` to 0 to train on the labels alone."
        )
    if teacher_arguments.teacher_freeze_base_model:
        if not hasattr(teacher, "freeze_base_model"):
            raise ValueError(
                f"`teacher_freeze_base_model` must be False for a {type(teacher).__name__}, got True. It has no "
                "`freeze_base_model()`: fine-tune all of it."
            )
        teacher.freeze_base_model()
    path = teacher_arguments.teacher_name_or_path
    knows_task = path is not None and knows_labels(path, task.labels["id2label"])
    own_arguments = arguments_for(
        arguments,
        Path(str(arguments.output_dir)) / "_teacher",
        num_train_epochs=0 if knows_task else teacher_arguments.teacher_num_train_epochs,
        learning_rate=teacher_arguments.teacher_learning_rate,
        distillation_weight=0.0,
    )
    trained = train_model(teacher, task, augmentation, own_arguments)
    return TrainedModel(trained.model, {"base_model": path or teacher_arguments.teacher_config_name, **trained.record})
