"""The models that a run starts from, opened from whatever the user has."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from safetensors import SafetensorError
from torch import nn
from transformers import (
    ASTConfig,
    ASTForAudioClassification,
    AutoModelForAudioClassification,
    PreTrainedModel,
)

from fastast_hf.distillation import EfficientATConfig, EfficientATForAudioClassification
from fastast_hf.experiment.arguments import ModelArguments, TeacherArguments
from fastast_hf.hub.checkpoints import checkpoint_config
from fastast_hf.hub.conversion import ast_from_vision_transformer
from fastast_hf.hub.safe_weights import check_safe_weights
from fastast_hf.hub.sizes import check_only_head_is_new, check_whole_classifier, sizes_in_words
from fastast_hf.model import FastASTConfig, FastASTForAudioClassification
from fastast_hf.model.adapters import adapter_fields
from fastast_hf.speed.variants import as_stock_ast

AST_TYPES = (ASTConfig.model_type, FastASTConfig.model_type)
"""Types of models whose weights FastAST opens as they are."""


def open_student(arguments: ModelArguments, labels: dict[str, Any]) -> FastASTForAudioClassification:
    """Open the student: an AST or FastAST checkpoint, a ViT or DeiT, or a configuration with random weights.

    Args:
        arguments: what to open, and how much to merge.
        labels: `id2label`, `label2id` and `problem_type` of the task. A head of another size is replaced by a new one.

    Returns:
        The student, with the merge schedule asked for.

    Raises:
        ValueError: if neither or both of a checkpoint and a configuration are given, or the checkpoint is or has an adapter,
            its sizes are not those of its weights, or it has no place for some.
    """
    path, download = arguments.model_name_or_path, arguments.download_options()
    if (path is None) == (arguments.config_name is None):
        raise ValueError(
            f"`model_name_or_path` or `config_name` must be given, and not both, got {path} and {arguments.config_name}. "
            "A checkpoint trains faster; a configuration starts from random weights."
        )
    fields = {**labels, **arguments.embedding_fields(), **arguments.merging_fields()}
    if path is None:
        config = FastASTConfig.from_pretrained(str(arguments.config_name), **labels, **download)
        return _draw_embeddings(FastASTForAudioClassification(FastASTConfig(**{**config.to_dict(), **fields})))
    model_type = _model_type(path, download)
    check_no_adapter(path, "model_name_or_path", download)
    if model_type in AST_TYPES:
        options = {"ignore_mismatched_sizes": True, **fields, **download}
        return _open(FastASTForAudioClassification, path, "model_name_or_path", options, check_only_head_is_new)
    return ast_from_vision_transformer(path, **fields, **download)


def open_teacher(
    arguments: TeacherArguments, download_from: ModelArguments, labels: dict[str, Any], student: FastASTConfig
) -> PreTrainedModel:
    """Open the teacher: EfficientAT, released or saved, or any classifier that takes the student's `input_values`.

    Args:
        arguments: what to open.
        download_from: cache and token for the Hub.
        labels: `id2label`, `label2id` and `problem_type` of the task. A teacher that answers with these labels, in
            whatever order, stays as it is; another one gets them, and a new head if its own has another size.
        student: the student's configuration. An AST as teacher is fitted to its length.

    Returns:
        The teacher.

    Raises:
        ValueError: if none is named, it is or has an adapter, its weights are pickled, its config.json names native code, its
            sizes are not those of its weights, or it has no place for some.
    """
    path, download = arguments.teacher_name_or_path, download_from.download_options() | {"revision": "main"}
    if path is None and arguments.teacher_config_name is None:
        raise ValueError(
            "`teacher_name_or_path` must be given at a `distillation_weight` above 0, got none. Name a teacher, or set "
            "`distillation_weight` to 0 to train on the labels alone."
        )
    if path is None:
        config = EfficientATConfig.from_pretrained(str(arguments.teacher_config_name), **download)
        return EfficientATForAudioClassification(EfficientATConfig(**{**config.to_dict(), **labels}))
    model_type = _model_type(path, download)  # the first to ask for the checkpoint, and to tell that it is not there
    check_no_adapter(path, "teacher_name_or_path", download)
    check_safe_weights(path, download)
    knows_labels = _answers_with(path, labels, download)
    fields = download if knows_labels else {**labels, **download, "ignore_mismatched_sizes": True}
    check = check_whole_classifier if knows_labels else check_only_head_is_new
    if model_type in (None, EfficientATConfig.model_type):
        return _open(EfficientATForAudioClassification, path, "teacher_name_or_path", fields, check)
    if model_type in AST_TYPES:
        options = {"max_length": student.max_length, **fields}
        return _open(FastASTForAudioClassification, path, "teacher_name_or_path", options, check)
    with sizes_in_words(path, argument="teacher_name_or_path"):
        loaded: Any = AutoModelForAudioClassification.from_pretrained(
            path,
            trust_remote_code=arguments.trust_remote_code,
            use_safetensors=True,
            output_loading_info=True,
            **fields,
        )
    teacher, loading_info = loaded
    if knows_labels:  # else nobody knows here which weights of another architecture are its head
        check_whole_classifier(path, loading_info, argument="teacher_name_or_path")
    return teacher


def knows_task(arguments: TeacherArguments, download_from: ModelArguments, labels: dict[str, Any]) -> bool:
    """Tell whether the teacher answers with the task's labels already, so that it need not learn them.

    Args:
        arguments: which teacher.
        download_from: cache and token for the Hub.
        labels: those of the task.

    Returns:
        Whether it does.
    """
    path = arguments.teacher_name_or_path
    return path is not None and _answers_with(path, labels, download_from.download_options() | {"revision": "main"})


def check_no_adapter(path: str, argument: str, download: dict[str, Any]) -> None:
    """Refuse an adapter, alone or beside a model: transformers freezes the model under it, and what is saved is a whole model.

    Args:
        path: a folder, or a name on the Hub.
        argument: what the message calls it.
        download: cache, revision and token for the Hub.

    Raises:
        ValueError: if there is one.
    """
    if adapter_fields(path, **download) is not None:
        raise ValueError(
            f"`{argument}` must be a whole model, got {path} with a PEFT adapter. Merge it into its model once with PEFT's "
            "`merge_and_unload`, save that with `save_pretrained`, and name the new folder."
        )


@contextmanager
def whole_weights(argument: str, path: str | None) -> Iterator[None]:
    """Say whose weights are not whole, which safetensors cannot know.

    Args:
        argument: what names the checkpoint.
        path: the checkpoint.

    Raises:
        ValueError: if a file of weights does not reach its end.
    """
    try:
        yield
    except SafetensorError as error:
        raise ValueError(
            f"`{argument}` must hold weights that are whole, got {path} ({error}). Copy or download them again."
        ) from error


def stock_ast(model: FastASTForAudioClassification) -> ASTForAudioClassification:
    """Copy a FastAST into transformers' own AST, which merges nothing.

    Args:
        model: any FastAST.

    Returns:
        An AST with the same weights and labels, in evaluation mode.
    """
    return copy.deepcopy(as_stock_ast(model))


def _open(kind: Any, path: str, argument: str, options: dict[str, Any], check: Callable[..., None]) -> Any:
    """Open a checkpoint, and check which of its weights are new."""
    with sizes_in_words(path, argument=argument):
        model, loading_info = kind.from_pretrained(path, output_loading_info=True, **options)
    check(path, loading_info, argument=argument)
    return model


def _answers_with(path: str, labels: dict[str, Any], download: dict[str, Any]) -> bool:
    """Tell whether a checkpoint's labels are these, in whatever order."""
    names = checkpoint_config(path, **download).get("id2label")
    return isinstance(names, dict) and sorted(map(str, names.values())) == sorted(labels["id2label"].values())


def _draw_embeddings(student: FastASTForAudioClassification) -> FastASTForAudioClassification:
    """Draw the special tokens and position embeddings of a student that starts from nothing, as the AST authors do.

    transformers leaves them at zero: LayerNorm with AST's epsilon of 1e-12 then blows up the first gradients.
    """
    embeddings = student.audio_spectrogram_transformer.embeddings
    for parameter in (embeddings.cls_token, embeddings.distillation_token, embeddings.position_embeddings):
        nn.init.trunc_normal_(parameter, std=student.config.initializer_range)
    return student


def _model_type(path: str, download: dict[str, Any]) -> str | None:
    """Read a checkpoint's model type; None if it has no config.json, as EfficientAT and timm were released."""
    return checkpoint_config(path, **download).get("model_type")
