"""Teacher, student, evaluation, benchmark and card as one resumable run.

The run's folder is the student's: all of it goes to the Hub, apart from names that start with `_` and checkpoints. Each
model trains into a folder of its own and leaves a record there when it is done; a run that was interrupted goes on from
the last checkpoint of the model that it was training.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import HfApi
from transformers import set_seed

from fastast_hf.distillation import CMKDTrainingArguments, SpectrogramAugmentation
from fastast_hf.evaluation import environment, without_machine_path
from fastast_hf.experiment.arguments import (
    ComparisonArguments,
    DataArguments,
    ModelArguments,
    TeacherArguments,
    deciding_settings,
    told_settings,
)
from fastast_hf.experiment.files import claim_folder, telling_what_stays, write_json
from fastast_hf.experiment.measuring import describe_merging, measure_speed
from fastast_hf.experiment.start import knows_task, open_student, open_teacher, stock_ast, whole_weights
from fastast_hf.experiment.task import compute_features, describe_data, load_sounds, open_feature_extractor
from fastast_hf.experiment.training import arguments_for, prepare_teacher, train_model, train_teacher
from fastast_hf.hub.model_card import write_model_card
from fastast_hf.hub.repositories import STAYS_HERE, license_of
from fastast_hf.hub.results import SCHEMA, check_results, provenance
from fastast_hf.model import FastASTFeatureExtractor, FastASTForAudioClassification

logger = logging.getLogger(__name__)


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
        OSError: if the disk is full or cannot be written. What was saved before stays.
        ValueError: if the folder holds another run, or settings contradict each other.
    """
    folder = Path(str(training_arguments.output_dir))
    with telling_what_stays(folder):
        return _run_in(
            folder, model_arguments, data_arguments, teacher_arguments, comparison, augmentation, training_arguments
        )


def _run_in(
    folder: Path,
    model_arguments: ModelArguments,
    data_arguments: DataArguments,
    teacher_arguments: TeacherArguments,
    comparison: ComparisonArguments,
    augmentation: SpectrogramAugmentation,
    training_arguments: CMKDTrainingArguments,
) -> Outcome:
    """Run the run, see `run_experiment`."""
    settings = deciding_settings(
        model_arguments, data_arguments, teacher_arguments, comparison, augmentation, training_arguments
    )
    settings["num_processes"] = training_arguments.world_size
    with training_arguments.main_process_first(desc="run folder"):
        claim_folder(folder, settings)
    repo_id = _create_repository(training_arguments) if training_arguments.push_to_hub else None

    sounds = load_sounds(data_arguments, model_arguments, training_arguments)
    set_seed(training_arguments.seed)  # the new heads
    with whole_weights("model_name_or_path", model_arguments.model_name_or_path):
        start = open_student(model_arguments, sounds.labels)
    is_taught = training_arguments.distillation_weight > 0
    teacher: Any = None
    knows = False
    if is_taught:
        with whole_weights("teacher_name_or_path", teacher_arguments.teacher_name_or_path):
            teacher = open_teacher(teacher_arguments, model_arguments, sounds.labels, start.config)
        knows = knows_task(teacher_arguments, model_arguments, sounds.labels)
        prepare_teacher(teacher, knows, teacher_arguments)
    feature_extractor = open_feature_extractor(model_arguments, start.config)
    task = compute_features(sounds, feature_extractor, data_arguments, training_arguments)

    models = {}
    if teacher is not None:
        logger.info("The teacher learns the labels")
        models["teacher"] = train_teacher(teacher, knows, teacher_arguments, task, augmentation, training_arguments)
        teacher = models["teacher"].model
    if comparison.train_ast:
        logger.info("AST learns the labels")
        labels_only = arguments_for(training_arguments, folder / "_ast", distillation_weight=0.0)
        models["ast"] = train_model(stock_ast(start), task, augmentation, labels_only)
    logger.info("FastAST learns %s", "from the teacher and the labels" if is_taught else "the labels")
    own_arguments = arguments_for(training_arguments, folder)
    models["fastast"] = train_model(start, task, augmentation, own_arguments, teacher=teacher)

    student = models["fastast"].model
    starts = {
        "teacher": teacher_arguments.teacher_name_or_path or teacher_arguments.teacher_config_name,
        "ast": model_arguments.model_name_or_path or model_arguments.config_name,
        "fastast": model_arguments.model_name_or_path or model_arguments.config_name,
    }
    results = {
        "schema": SCHEMA,
        **provenance(environment(device=training_arguments.device, dtype=student.dtype)),
        "data": describe_data(data_arguments, task),
        "training": told_settings(settings),
        "models": {
            name: {"base_model": without_machine_path(str(starts[name])), **trained.record}
            for name, trained in models.items()
        },
    }
    if training_arguments.process_index == 0:
        logger.info("AST and FastAST take turns for the speed")
        ast = models["ast"].model if "ast" in models else stock_ast(student)
        results["benchmark"] = measure_speed(student, ast, task, comparison)
        results["models"]["fastast"] |= describe_merging(student, task, batch_size=training_arguments.eval_batch_size)
        _add_licenses(results, token=model_arguments.token)
        _publish(folder, results, repo_id, training_arguments)
    return Outcome(results, student, task.feature_extractor, folder)


def _add_licenses(results: dict[str, Any], *, token: str | None) -> None:
    """Add the licences that the Hub knows of what went into the run."""
    for model in results["models"].values():
        if license := license_of(model["base_model"], token=token):
            model["license"] = license
    if license := license_of(results["data"].get("id"), repo_type="dataset", token=token):
        results["data"]["license"] = license


def _publish(folder: Path, results: dict[str, Any], repo_id: str | None, arguments: CMKDTrainingArguments) -> None:
    """Write results and card; send the folder to the Hub as one commit, so that the repository never lacks a part."""
    check_results(results)
    write_json(folder / "results.json", results)
    # As with transformers' Trainer, what is trained further keeps the licence of its start.
    write_model_card(folder, results, repo_id=repo_id, license=results["models"]["fastast"].get("license"))
    if repo_id is None:
        return
    with _telling(
        f"The push to {repo_id} failed, and nothing is lost: the model, its code, card and results.json are complete in "
        f"{folder}. Run the same command again to push them; it trains nothing twice."
    ):
        HfApi(token=arguments.hub_token).upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            revision=arguments.hub_revision,
            commit_message="Upload the model, its code, card and results",
            ignore_patterns=[*STAYS_HERE, "runs/*"],  # the client adds to the list that it is given
        )


def _create_repository(arguments: CMKDTrainingArguments) -> str:
    """Make the repository before the training, so that a wrong name or token is known at once."""
    name = arguments.hub_model_id or Path(str(arguments.output_dir)).name
    if arguments.process_index != 0:
        return name
    with _telling(
        f"The repository {name} could not be made, so this run did not start. Mend what the message says and run the same "
        "command again, or leave `--push_to_hub` out."
    ):
        api = HfApi(token=arguments.hub_token)
        return api.create_repo(name, private=arguments.hub_private_repo, exist_ok=True).repo_id


@contextmanager
def _telling(consequence: str) -> Iterator[None]:
    """Add to an error of the Hub's client what it means for the run."""
    try:
        yield
    except Exception as error:
        error.add_note(consequence)
        raise
