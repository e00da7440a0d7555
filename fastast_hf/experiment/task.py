"""What the models of a run learn from and are judged on."""

from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset
from transformers import TrainingArguments
from transformers.utils import cached_file

from fastast_hf.data import extract_features, label_names, load_audio_dataset, problem_type
from fastast_hf.experiment.arguments import DataArguments, ModelArguments
from fastast_hf.model import FastASTConfig, FastASTFeatureExtractor


class Task(NamedTuple):
    """The features of all clips, computed once, and the names of the labels.

    Attributes:
        train: training part, columns `input_values` (frames, mels) float32 and `labels`.
        eval: evaluation part, the same columns.
        labels: `id2label`, `label2id` and `problem_type`, as a configuration takes them.
        feature_extractor: what turned the sounds into `input_values`.
    """

    train: Dataset
    eval: Dataset
    labels: dict[str, Any]
    feature_extractor: FastASTFeatureExtractor


def prepare_task(
    arguments: DataArguments, model_arguments: ModelArguments, training_arguments: TrainingArguments
) -> Task:
    """Load the sounds, divide them, and compute the features of each clip once.

    Args:
        arguments: which sounds.
        model_arguments: the length of a spectrogram, and the checkpoint whose feature extractor is used if it has one.
        training_arguments: say which process goes first.

    Returns:
        The task.
    """
    with training_arguments.main_process_first(desc="features"):
        parts = load_audio_dataset(
            arguments.data_dir,
            arguments.dataset_name,
            arguments.dataset_config_name,
            eval_fold=arguments.eval_fold,
            split_column=arguments.split_column,
            train_split_name=arguments.train_split_name,
            eval_split_name=arguments.eval_split_name,
            audio_column_name=arguments.audio_column_name,
            label_column_name=arguments.label_column_name,
            label_delimiter=arguments.label_delimiter,
            cache_dir=model_arguments.cache_dir,
            token=model_arguments.token,
        )
        feature_extractor = open_feature_extractor(model_arguments)
        limits = {"train": arguments.max_train_samples, "eval": arguments.max_eval_samples}
        features = {
            name: extract_features(
                part.take(min(limits[name] or len(part), len(part))),
                feature_extractor,
                num_proc=arguments.preprocessing_num_workers,
                desc=f"Features of the {name} part",
            )
            for name, part in parts.items()
        }
    names = label_names(parts["train"])
    labels = {
        "id2label": dict(enumerate(names)),
        "label2id": {name: index for index, name in enumerate(names)},
        "problem_type": problem_type(parts["train"]),
    }
    return Task(features["train"], features["eval"], labels, feature_extractor)


def open_feature_extractor(arguments: ModelArguments) -> FastASTFeatureExtractor:
    """Open the checkpoint's feature extractor, or AST's own where the start has none, as a ViT does not.

    Args:
        arguments: the checkpoint, and `max_length` in frames if it is to be another.

    Returns:
        The feature extractor.
    """
    fields: dict[str, Any] = {} if arguments.max_length is None else {"max_length": arguments.max_length}
    path, download = arguments.model_name_or_path, arguments.download_options()
    if path is not None and _has_audio_features(path, download):
        return FastASTFeatureExtractor.from_pretrained(path, **fields, **download)
    if arguments.config_name is not None:
        config = FastASTConfig.from_pretrained(arguments.config_name)
        fields = {"max_length": config.max_length, "num_mel_bins": config.num_mel_bins} | fields
    return FastASTFeatureExtractor(**fields)


def describe_data(arguments: DataArguments, task: Task) -> dict[str, Any]:
    """Say which sounds a run used, for its results.

    Args:
        arguments: which sounds.
        task: the task made of them.

    Returns:
        The `data` part of `fastast_hf.hub.results`.
    """
    division = {"eval_fold": arguments.eval_fold, "split_column": arguments.split_column}
    return {
        "name": arguments.dataset_name or _folder_name(Path(str(arguments.data_dir))),
        "num_train": len(task.train),
        "num_eval": len(task.eval),
        "labels": list(task.labels["label2id"]),
        **({"id": arguments.dataset_name} if arguments.dataset_name else {}),
        **{name: value for name, value in division.items() if value is not None},
    }


def _has_audio_features(path: str, download: dict[str, Any]) -> bool:
    """Tell a spectrogram's preprocessor_config.json from none, and from an image's, which a ViT has."""
    if cached_file(path, "preprocessor_config.json", _raise_exceptions_for_missing_entries=False, **download) is None:
        return False
    return "num_mel_bins" in FastASTFeatureExtractor.get_feature_extractor_dict(path, **download)[0]


def _folder_name(folder: Path) -> str:
    """Name a data set by its folder; one that is called after its content says nothing, so its parent speaks."""
    resolved = folder.resolve()
    return resolved.parent.name if resolved.name in ("audio", "data", "train", "wav") else resolved.name
