"""Teacher, student, evaluation, benchmark and card as one resumable run.

The run's folder is the student's: all of it goes to the Hub, apart from names that start with `_` and checkpoints. Each
model trains into a folder of its own and leaves a record there when it is done; a run that was interrupted goes on from
the last checkpoint of the model that it was training.
"""

import logging
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import HfApi
from transformers import set_seed

from fastast_hf.distillation import CMKDTrainingArguments, SpectrogramAugmentation
from fastast_hf.evaluation import environment
from fastast_hf.experiment.arguments import (
    ComparisonArguments,
    DataArguments,
    ModelArguments,
    TeacherArguments,
    told_settings,
)
from fastast_hf.experiment.files import claim_folder, write_json
from fastast_hf.experiment.measuring import describe_merging, measure_speed
from fastast_hf.experiment.start import open_student, stock_ast
from fastast_hf.experiment.task import describe_data, prepare_task
from fastast_hf.experiment.training import TrainedModel, arguments_for, train_model, train_teacher
from fastast_hf.hub.model_card import write_model_card
from fastast_hf.hub.results import SCHEMA
from fastast_hf.model import FastASTFeatureExtractor, FastASTForAudioClassification

logger = logging.getLogger(__name__)

_STAYS_HERE = ["_*", "checkpoint-*", "runs/*", "training_args.bin"]


class Outcome(NamedTuple):
    """What a run leaves.

    Attributes:
        results: as in `results.json`, see `fastast_hf.hub.results`; in other processes than the first without speed.
        student: the trained FastAST, in evaluation mode.
        feature_extractor: what makes its `input_values`.
        folder: the student's folder, ready for the Hub.
    """

    results: dict[str, Any]
    student: FastASTForAudioClassification
    feature_extractor: FastASTFeatureExtractor
    folder: Path


def run_experiment(
    model_arguments: ModelArguments,
    data_arguments: DataArguments,
    teacher_arguments: TeacherArguments,
    comparison: ComparisonArguments,
    augmentation: SpectrogramAugmentation,
    training_arguments: CMKDTrainingArguments,
) -> Outcome:
    """Fine-tune the teacher, distil it into a FastAST, measure, and leave a folder that is ready for the Hub.

    Args:
        model_arguments: where the student starts, and how much it merges.
        data_arguments: the sounds.
        teacher_arguments: the teacher; not used at `distillation_weight` 0.
        comparison: what the student is compared with.
        augmentation: what all models see of a clip while they learn.
        training_arguments: the student's training; teacher and AST share all of it that is not their own.

    Returns:
        The results, the student, and where it is.

    Raises:
        ValueError: if the folder holds another run, or settings contradict each other.
    """
    folder = Path(str(training_arguments.output_dir))
    settings = told_settings(
        model_arguments, data_arguments, teacher_arguments, comparison, augmentation, training_arguments
    )
    if training_arguments.device.type == "cpu":
        training_arguments.dataloader_pin_memory = False  # it only warns
    with training_arguments.main_process_first(desc="run folder"):
        claim_folder(folder, settings)
    task = prepare_task(data_arguments, model_arguments, training_arguments)
    set_seed(training_arguments.seed)  # the new heads
    start = open_student(model_arguments, task.labels)

    models: dict[str, TrainedModel] = {}
    if training_arguments.distillation_weight > 0:
        logger.info("The teacher learns the labels")
        models["teacher"] = train_teacher(teacher_arguments, model_arguments, task, augmentation, training_arguments)
    if comparison.train_ast:
        logger.info("AST learns the labels")
        labels_only = arguments_for(training_arguments, folder / "_ast", distillation_weight=0.0)
        models["ast"] = train_model(stock_ast(start), task, augmentation, labels_only)
    teacher = models["teacher"].model if "teacher" in models else None
    logger.info("FastAST learns %s", "the labels" if teacher is None else "from the teacher and the labels")
    models["fastast"] = train_model(start, task, augmentation, training_arguments, teacher=teacher)

    for name in {"ast", "fastast"} & models.keys():
        models[name].record["base_model"] = model_arguments.model_name_or_path or model_arguments.config_name
    where_and_when = environment(device=training_arguments.device)
    results = {
        "schema": SCHEMA,
        "command": where_and_when["command"],
        "date": where_and_when["date"],
        "environment": where_and_when,
        "data": describe_data(data_arguments, task),
        "training": settings,
        "models": {name: trained.record for name, trained in models.items()},
    }
    student = models["fastast"].model
    if training_arguments.process_index == 0:
        ast = models["ast"].model if "ast" in models else stock_ast(student)
        logger.info("AST and FastAST take turns for the speed")
        results["benchmark"] = measure_speed(student, ast, task, comparison)
        results["models"]["fastast"] |= describe_merging(student, task)
        write_json(folder / "results.json", results)
        write_model_card(folder, results, repo_id=training_arguments.hub_model_id)
        if training_arguments.push_to_hub:
            _push(folder, training_arguments)
    return Outcome(results, student, task.feature_extractor, folder)


def _push(folder: Path, arguments: CMKDTrainingArguments) -> None:
    """Send the folder to the Hub as one commit, so that the repository never lacks a part."""
    api = HfApi(token=arguments.hub_token)
    repo = api.create_repo(arguments.hub_model_id or folder.name, private=arguments.hub_private_repo, exist_ok=True)
    api.upload_folder(
        repo_id=repo.repo_id,
        folder_path=folder,
        commit_message="Upload the model, its code, card and results",
        ignore_patterns=_STAYS_HERE,
    )
