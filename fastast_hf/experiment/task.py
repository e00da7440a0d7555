"""What the models of a run learn from and are judged on."""

import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from datasets import Dataset, DatasetDict
from transformers import TrainingArguments
from transformers.utils import cached_file

from fastast_hf.data import extract_features, label_mappings, label_names, load_audio_dataset, problem_type
from fastast_hf.data.unreadable import leave_out_unreadable
from fastast_hf.evaluation import without_machine_path
from fastast_hf.experiment.arguments import DataArguments, ModelArguments
from fastast_hf.model import FastASTConfig, FastASTFeatureExtractor

logger = logging.getLogger(__name__)


class Sounds(NamedTuple):
    """The clips of a task, divided, before anything is computed.

    Attributes:
        parts: "train" and "eval", columns `audio` (not decoded), `label` and `file_name`.
        labels: `id2label`, `label2id` and `problem_type`, as a configuration takes them.
    """

    parts: DatasetDict
    labels: dict[str, Any]


class Task(NamedTuple):
    """The features of all clips, computed once, and the names of the labels.

    Attributes:
        train: training part, columns `input_values` (frames, mels) float32, `labels` and `file_name`.
        eval: evaluation part, the same columns.
        labels: `id2label`, `label2id` and `problem_type`, as a configuration takes them.
        feature_extractor: what turned the sounds into `input_values`.
        unreadable: clips that were left out because they cannot be read: why, by their names.
    """

    train: Dataset
    eval: Dataset
    labels: dict[str, Any]
    feature_extractor: FastASTFeatureExtractor
    unreadable: Mapping[str, str] = MappingProxyType({})


def load_sounds(
    arguments: DataArguments, model_arguments: ModelArguments, training_arguments: TrainingArguments
) -> Sounds:
    """Find the clips and their labels, and divide them.

    Args:
        arguments: which sounds. A part that is cut to so many clips is shuffled first, since files lie class by class.
        model_arguments: cache and token for the Hub.
        training_arguments: say which process goes first, and the seed of the shuffle.

    Returns:
        The clips.
    """
    with training_arguments.main_process_first(desc="sounds"):
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
        for name, limit in (("train", arguments.max_train_samples), ("eval", arguments.max_eval_samples)):
            if limit is not None:
                shuffled = parts[name].shuffle(
                    training_arguments.seed, keep_in_memory=True, load_from_cache_file=False
                )
                parts[name] = shuffled.take(min(limit, len(parts[name])))
    id2label, label2id = label_mappings(label_names(parts["train"]))
    labels = {"id2label": id2label, "label2id": label2id, "problem_type": problem_type(parts["train"])}
    return Sounds(parts, labels)


def compute_features(
    sounds: Sounds,
    feature_extractor: FastASTFeatureExtractor,
    arguments: DataArguments,
    training_arguments: TrainingArguments,
) -> Task:
    """Compute the features of each clip once, without those that cannot be read if that is asked for.

    Args:
        sounds: the clips.
        feature_extractor: what turns them into spectrograms.
        arguments: in how many processes, and whether clips that cannot be read are left out.
        training_arguments: say which process goes first; the others read what it has cached.

    Returns:
        The task.
    """
    num_proc = arguments.preprocessing_num_workers
    features: dict[str, Dataset] = {}
    unreadable: dict[str, str] = {}
    with training_arguments.main_process_first(desc="features"):
        for name, part in sounds.parts.items():
            if arguments.skip_unreadable:
                part, found = leave_out_unreadable(
                    part,
                    sampling_rate=feature_extractor.sampling_rate,
                    num_proc=num_proc,
                    desc=f"Trying the clips of the {name} part",
                )
                unreadable |= found
            features[name] = extract_features(
                part, feature_extractor, num_proc=num_proc, desc=f"Features of the {name} part"
            )
    if unreadable:
        logger.warning(
            "Left out because they cannot be read: %d of %d clips\n  %s",
            len(unreadable),
            sum(map(len, sounds.parts.values())),
            "\n  ".join(f"{name}: {error}" for name, error in unreadable.items()),
        )
    return Task(features["train"], features["eval"], sounds.labels, feature_extractor, unreadable)


def open_feature_extractor(arguments: ModelArguments, config: FastASTConfig) -> FastASTFeatureExtractor:
    """Open the start's feature extractor at the student's length, or AST's own where there is none, as with a ViT.

    Args:
        arguments: where the student starts.
        config: the student's; it settles the shape of a spectrogram.

    Returns:
        The feature extractor.

    Raises:
        ValueError: if the feature extractor makes other mel bins than the student takes.
    """
    path, download = arguments.feature_extractor_name or arguments.model_name_or_path, arguments.download_options()
    if path is None or not (arguments.feature_extractor_name or _has_audio_features(path, download)):
        return FastASTFeatureExtractor(max_length=config.max_length, num_mel_bins=config.num_mel_bins)
    extractor: Any = FastASTFeatureExtractor.from_pretrained(path, max_length=config.max_length, **download)
    if extractor.num_mel_bins != config.num_mel_bins:
        raise ValueError(
            f"`feature_extractor_name` must make the student's {config.num_mel_bins} mel bins, got {path}, which makes "
            f"{extractor.num_mel_bins}. Name another one."
        )
    return extractor


def describe_data(arguments: DataArguments, task: Task) -> dict[str, Any]:
    """Say which sounds a run used, for its results.

    Args:
        arguments: which sounds.
        task: the task made of them.

    Returns:
        The `data` part of `fastast_hf.hub.results`.
    """
    division = {"eval_fold": arguments.eval_fold, "split_column": arguments.split_column}
    name, is_local = arguments.dataset_name, arguments.dataset_name is None or Path(arguments.dataset_name).exists()
    return {
        "name": without_machine_path(name) if name else _folder_name(Path(str(arguments.data_dir))),
        "num_train": len(task.train),
        "num_eval": len(task.eval),
        "labels": list(task.labels["label2id"]),
        **({} if is_local else {"id": name}),
        **({"unreadable": dict(task.unreadable)} if task.unreadable else {}),
        **{field: value for field, value in division.items() if value is not None},
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
