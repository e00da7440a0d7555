"""What a run is told, as data classes that `HfArgumentParser` reads; names follow transformers' run_audio_classification."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from fastast_hf.evaluation import without_machine_path


def parse_schedule(name: str, value: str | None, kind: type) -> Any:
    """Read a merge schedule as it stands on a command line.

    Args:
        name: the argument, for the message.
        value: one number, several separated by commas, a JSON list, or None.
        kind: `int` for counts, `float` for ratios.

    Returns:
        One number or a list of them; None for None.

    Raises:
        ValueError: if it is neither.

    Example:
    ```python
    >>> parse_schedule("merge_ratio", "0.25", float), parse_schedule("tokens_merged_per_layer", "20,10,0", int)
    (0.25, [20, 10, 0])

    ```
    """
    if value is None:
        return None
    numbers = str(value).strip("[] ").split(",")
    try:
        parsed = [kind(number) for number in numbers]
    except ValueError:
        raise ValueError(
            f"`{name}` must be {kind.__name__}s separated by commas, got {value}. Give one number for all layers or one a "
            "layer."
        ) from None
    return parsed[0] if len(parsed) == 1 else parsed


@dataclass
class ModelArguments:
    """Which model starts, and how much it merges."""

    model_name_or_path: str | None = field(
        default=None,
        metadata={"help": "AST, FastAST, ViT or DeiT checkpoint the student starts from (folder or Hub)."},
    )
    config_name: str | None = field(
        default=None,
        metadata={"help": "FastAST configuration to start from with random weights, instead of a checkpoint."},
    )
    feature_extractor_name: str | None = field(
        default=None, metadata={"help": "Feature extractor, if it is not the checkpoint's own."}
    )
    model_revision: str = field(
        default="main", metadata={"help": "Branch, tag or commit of the checkpoint on the Hub."}
    )
    cache_dir: str | None = field(default=None, metadata={"help": "Where models and data sets from the Hub are kept."})
    token: str | None = field(default=None, metadata={"help": "Hub token, if the one you logged in with will not do."})
    merge_ratio: str | None = field(
        default=None,
        metadata={
            "help": "Share of its patch tokens that a layer merges, 0 to 0.5: one, or one a layer (0.2,0.1,...)."
        },
    )
    tokens_merged_per_layer: str | None = field(
        default=None, metadata={"help": "The papers' r, instead of a ratio: one number, or one a layer (20,10,...)."}
    )
    proportional_attention: bool | None = field(
        default=None,
        metadata={
            "help": "Whether a merged token weighs as much in the attention as the patches behind it. Default: what the "
            "checkpoint says, else true."
        },
    )
    max_length: int | None = field(
        default=None, metadata={"help": "Frames of 10 ms that a clip is padded or cut to (512: 5 seconds)."}
    )
    frequency_stride: int | None = field(
        default=None,
        metadata={
            "help": "Mel bins from patch to patch; position embeddings are fitted. Default: the checkpoint's, 10 for a ViT or DeiT."
        },
    )
    time_stride: int | None = field(
        default=None,
        metadata={
            "help": "Frames from patch to patch; position embeddings are fitted. Default: the checkpoint's, 10 for a ViT or DeiT."
        },
    )

    def download_options(self) -> dict[str, Any]:
        """Give what a download from the Hub takes."""
        return {"cache_dir": self.cache_dir, "token": self.token, "revision": self.model_revision}

    def merging_fields(self) -> dict[str, Any]:
        """Give the merging fields of a FastASTConfig that were set; a schedule replaces the checkpoint's of either kind."""
        fields: dict[str, Any] = {
            "merge_ratio": parse_schedule("merge_ratio", self.merge_ratio, float),
            "tokens_merged_per_layer": parse_schedule("tokens_merged_per_layer", self.tokens_merged_per_layer, int),
            "proportional_attention": self.proportional_attention,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        if "merge_ratio" in given and "tokens_merged_per_layer" not in given:
            return {**given, "tokens_merged_per_layer": None}
        if "tokens_merged_per_layer" in given and "merge_ratio" not in given:
            return {**given, "merge_ratio": 0.0}
        return given

    def embedding_fields(self) -> dict[str, int]:
        """Give the fields of a FastASTConfig that shape the patch grid, as far as they were set."""
        fields = {
            "max_length": self.max_length,
            "frequency_stride": self.frequency_stride,
            "time_stride": self.time_stride,
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass
class DataArguments:
    """Which sounds, and how they are divided."""

    data_dir: str | None = field(
        default=None, metadata={"help": "Folder of sounds with a metadata.csv (file_name, label)."}
    )
    dataset_name: str | None = field(default=None, metadata={"help": "Data set on the Hub, instead of a folder."})
    dataset_config_name: str | None = field(default=None, metadata={"help": "Configuration of the data set."})
    eval_fold: int | None = field(
        default=None, metadata={"help": "Evaluate on this value of the `fold` column, train on the others."}
    )
    split_column: str | None = field(
        default=None, metadata={"help": "Column that says `train` for the training part."}
    )
    train_split_name: str = field(default="train", metadata={"help": "Training split of a data set on the Hub."})
    eval_split_name: str | None = field(
        default=None, metadata={"help": "Evaluation split. Default: the only other one."}
    )
    audio_column_name: str = field(default="audio", metadata={"help": "Column with the sound."})
    label_column_name: str = field(default="label", metadata={"help": "Column with the label, or a list of labels."})
    label_delimiter: str | None = field(
        default=None, metadata={"help": "What stands between several labels of a clip, such as ';'."}
    )
    preprocessing_num_workers: int | None = field(default=None, metadata={"help": "Processes that compute features."})
    skip_unreadable: bool = field(
        default=False,
        metadata={"help": "Go without clips that cannot be read, and name them, instead of ending at the first one."},
    )
    max_train_samples: int | None = field(default=None, metadata={"help": "Use only so many training clips."})
    max_eval_samples: int | None = field(default=None, metadata={"help": "Use only so many evaluation clips."})


@dataclass
class TeacherArguments:
    """Which teacher, and how it learns the task before it teaches."""

    teacher_name_or_path: str | None = field(
        default=None,
        metadata={"help": "Teacher checkpoint: EfficientAT, or any audio classifier that takes AST's input_values."},
    )
    trust_remote_code: bool = field(
        default=False, metadata={"help": "Run the code that the teacher's repository brings. Read it first."}
    )
    teacher_config_name: str | None = field(
        default=None,
        metadata={"help": "EfficientAT configuration to start from with random weights, instead of a checkpoint."},
    )
    teacher_freeze_base_model: bool = field(
        default=False, metadata={"help": "Fine-tune the teacher's classifier alone: much faster, for small data sets."}
    )
    teacher_num_train_epochs: float = field(
        default=10.0, metadata={"help": "Epochs of fine-tuning on the training part; 0 for none."}
    )
    teacher_learning_rate: float = field(default=1e-3, metadata={"help": "Learning rate of the fine-tuning."})


@dataclass
class ComparisonArguments:
    """What the student is compared with."""

    train_ast: bool = field(
        default=False, metadata={"help": "Also train the unmerged AST on the labels alone, with the same recipe."}
    )
    benchmark_batch_size: int = field(default=16, metadata={"help": "Clips a forward pass in the speed measurement."})
    benchmark_repeats: int = field(default=10, metadata={"help": "Timed passes of each model, taken in turn."})


# What says where things are and how progress is shown, and does not change what is learnt; tokens stay secret.
_NOT_TOLD = {
    *("output_dir", "cache_dir", "token", "push_to_hub", "disable_tqdm", "report_to", "debug", "accelerator_config"),
    *("dataloader_pin_memory", "dataloader_num_workers", "preprocessing_num_workers", "benchmark_repeats"),
}
_NOT_TOLD_PREFIXES = ("hub_", "logging_", "log_", "save_", "eval_strategy", "run_name", "project", "trackio")
_ALWAYS_TOLD = (
    *("num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate", "seed"),
    *("distillation_weight", "distillation_temperature"),
)


def deciding_settings(*arguments: Any) -> dict[str, Any]:
    """Give the settings that decide what is learnt, as far as they are not the defaults, as plain data.

    Args:
        *arguments: the data classes of a run.

    Returns:
        The values by name, ready for JSON, paths in full: they tell one run from another, on this machine.
    """
    settings = {}
    for part in arguments:
        for entry in dataclasses.fields(part):
            value = getattr(part, entry.name, None)
            if entry.name in _NOT_TOLD or entry.name.startswith(_NOT_TOLD_PREFIXES):
                continue
            factory = entry.default_factory
            default = entry.default if factory is dataclasses.MISSING else factory()
            is_default = value == default or (default is None and value is False)
            if entry.name in _ALWAYS_TOLD or not is_default:
                settings[entry.name] = value
    return json.loads(json.dumps(settings, default=str))


def told_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Give settings as they may be published.

    Args:
        settings: what `deciding_settings` gives.

    Returns:
        The same with absolute paths shortened.
    """
    return {name: without_machine_path(value) if isinstance(value, str) else value for name, value in settings.items()}
