"""Configuration of FastAST: an AST configuration and how many tokens each layer merges away."""

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from transformers import ASTConfig
from transformers.utils import CONFIG_NAME

from .config_fields import (
    check_dtype,
    check_labels,
    check_layers,
    check_patch_grid,
    labels_as_text,
    without_replaced_labels,
)
from .json_files import parse_object
from .merge_schedule import MergeSchedule, check_merging, plan_merges
from .native_code import check_attention_name, check_not_quantized
from .safe_weights import check_weights_name
from .version import FIELDS_OF_THE_FIRST_VERSION, __version__, check_saved_version, unknown_fields

# Never run. But config.json names these classes, and transformers copies what a saved class imports.
if TYPE_CHECKING:
    from .modeling_fastast import FastASTForAudioClassification, FastASTModel  # noqa: F401


class FastASTConfig(ASTConfig):
    r"""Configure a FastAST model: every field of [`~transformers.ASTConfig`] and the merge schedule.

    Source: Behera et al., "FastAST", Interspeech 2024 (arXiv 2406.07676), a constant number of merged tokens a layer.
    Deviation: a schedule may also be a share of the tokens, which merges most where tokens are many.

    Args:
        merge_ratio (`float` or `list[float]`, *optional*, defaults to 0.0):
            Share of its patch tokens that a layer merges away, in [0, 0.5]: one number, or one a layer. At 0 the model
            is AST to the last bit.
        tokens_merged_per_layer (`int` or `list[int]`, *optional*):
            Number of tokens that a layer merges away, the papers' `r`. One number is a ceiling: a layer merges at most
            half of its patch tokens, so late layers and short clips merge fewer. A list, one number a layer, must be
            possible at `max_length`. Only one of `merge_ratio` and `tokens_merged_per_layer` can be set.
        proportional_attention (`bool`, *optional*, defaults to `True`):
            Add the logarithm of a key's token size to its attention scores, so that a merged token weighs as much as
            the patches behind it. A model that was not trained with merging needs it.
        max_length (`int`, *optional*, defaults to 1024):
            Frames of a spectrogram. Another value than the checkpoint's, given while loading, fits the position
            embeddings to it.

    Raises:
        ValueError: if the schedule is impossible. The message names the layer. It is raised for a value in a file, a
            keyword and a later assignment alike, and an assignment that fails changes nothing. Also if another field
            holds what no model can be built of; that is looked at when the configuration is made or saved.

    Example:
    ```python
    >>> config = FastASTConfig(merge_ratio=0.25)
    >>> config.merge_schedule(num_frames=1024).tokens_left[:3]
    (911, 684, 514)

    ```
    """

    model_type = "fastast"

    patch_size: int = 16  # AST's own annotation admits lists, on which its embeddings fail
    merge_ratio: float | list[float] = 0.0
    tokens_merged_per_layer: int | list[int] | None = None
    proportional_attention: bool = True
    fastast_version: str | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Check the merge schedule once all fields are there."""
        check_labels(self.id2label, kwargs.get("num_labels", 1))
        check_dtype(self.dtype or kwargs.get("torch_dtype"))
        super().__post_init__(**kwargs)
        check_layers(self)
        self._validate_merge_schedule()

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _MERGING_FIELDS:
            super().__setattr__(name, labels_as_text(name, value))
            return
        value = _as_json(value)
        if not getattr(self, "_post_init_done", False):
            super().__setattr__(name, value)
            return
        previous = getattr(self, name)
        super().__setattr__(name, value)
        try:
            self._validate_merge_schedule()
        except (TypeError, ValueError):
            super().__setattr__(name, previous)
            raise

    @property
    def patch_grid(self) -> tuple[int, int]:
        """Patches along frequency and along time, of a spectrogram with `max_length` frames."""
        return self.patch_grid_of(self.max_length, self.num_mel_bins)

    def patch_grid_of(self, num_frames: int, num_mel_bins: int) -> tuple[int, int]:
        """Count the patches of a spectrogram.

        Args:
            num_frames: its frames.
            num_mel_bins: its mel bins.

        Returns:
            Patches along frequency and along time.
        """
        return (
            (num_mel_bins - self.patch_size) // self.frequency_stride + 1,
            (num_frames - self.patch_size) // self.time_stride + 1,
        )

    def set_merge_schedule(
        self,
        *,
        merge_ratio: float | list[float] = 0.0,
        tokens_merged_per_layer: int | list[int] | None = None,
    ) -> None:
        """Replace the merge schedule by another one.

        Assigning one field at a time cannot go from a ratio to a count, since both set is an error.

        Args:
            merge_ratio: see the class.
            tokens_merged_per_layer: see the class.

        Raises:
            ValueError: if the schedule is impossible; the old one then stays.
        """
        previous = self.merge_ratio, self.tokens_merged_per_layer
        self.__dict__.update(merge_ratio=0.0, tokens_merged_per_layer=None)
        try:
            self.tokens_merged_per_layer = tokens_merged_per_layer
            self.merge_ratio = merge_ratio
        except (TypeError, ValueError):
            self.__dict__.update(merge_ratio=previous[0], tokens_merged_per_layer=previous[1])
            raise

    def merge_schedule(self, num_frames: int | None = None) -> MergeSchedule:
        """Count the tokens that each layer merges and leaves.

        Args:
            num_frames: frames of the spectrogram, at least `patch_size`; `max_length` if not given.

        Returns:
            The schedule, one entry a layer. The first layer starts with all patches and the two special tokens.

        Raises:
            ValueError: if `num_frames` is shorter than one patch.
        """
        num_frames = self.max_length if num_frames is None else num_frames
        if num_frames < self.patch_size:
            raise ValueError(
                f"`num_frames` must be at least `patch_size` = {self.patch_size}, got {num_frames}. Pad the clip to one "
                "patch."
            )
        return plan_merges(
            math.prod(self.patch_grid_of(num_frames, self.num_mel_bins)),
            self.num_hidden_layers,
            merge_ratio=self.merge_ratio,
            tokens_merged_per_layer=self.tokens_merged_per_layer,
        )

    def save_pretrained(self, save_directory: Any, push_to_hub: bool = False, **kwargs: Any) -> None:
        """Write `config.json`, naming the code of every FastAST class so that each `Auto*` class finds its own.

        Registering a class for one `Auto*` class writes that entry alone, and an entry that came from the Hub (`repository
        --module.class`) points there: the code that is saved beside the configuration is the right one.
        """
        own = {name: code for name, code in (getattr(self, "auto_map", None) or {}).items() if "--" not in str(code)}
        self.auto_map = _AUTO_MAP | own
        super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    def validate(self) -> None:
        """Check all fields; transformers calls it before it saves, so a list changed in place is caught too."""
        super().validate()  # type: ignore[misc]  # `strict` adds it to the parent
        check_labels(self.id2label)
        check_layers(self)
        self._validate_merge_schedule()

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: Any, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read a configuration as a dictionary; one of a published AST counts as FastAST's own.

        Raises:
            ValueError: if the file holds no JSON object, names pickled weights or attention of others, or quantizes the
                weights.
        """
        read_by_transformers = super().get_config_dict
        config_dict, kwargs = parse_object(
            CONFIG_NAME,
            pretrained_model_name_or_path,
            lambda: read_by_transformers(pretrained_model_name_or_path, **kwargs),
        )
        check_weights_name(config_dict)
        check_attention_name(config_dict)
        check_not_quantized(config_dict)
        if config_dict.get("model_type") == ASTConfig.model_type:
            config_dict["model_type"] = cls.model_type
        return config_dict, kwargs

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Build a configuration from a dictionary and keywords, which win.

        The parent assigns the keywords one by one; a schedule and the length that it is checked against belong together, and
        so do labels and their number, of which what the keywords replace need not make sense.

        Raises:
            ValueError: if a newer version wrote the dictionary and this one would read it wrongly.
        """
        own = {field.name for field in fields(cls)}
        check_saved_version(config_dict.get("fastast_version"), unknown_fields(config_dict, own))
        config_dict = without_replaced_labels(config_dict, kwargs)
        if kwargs.get("id2label") is not None:
            kwargs.pop("num_labels", None)  # names tell their number; the parent has the later of both win
        together = {name: kwargs.pop(name) for name in (*_MERGING_FIELDS, *_LABEL_FIELDS) if name in kwargs}
        return_unused_kwargs = kwargs.pop("return_unused_kwargs", False)
        if config_dict.get("model_type") == ASTConfig.model_type:
            config_dict = {**config_dict, "model_type": cls.model_type}
        config, unused = super().from_dict({**config_dict, **together}, return_unused_kwargs=True, **kwargs)
        shape = {name: config_dict[name] for name in _PATCH_GRID_FIELDS if name in config_dict}
        config._checkpoint_patch_grid = cls(**shape).patch_grid  # for whoever fits the file's position embeddings
        return (config, unused) if return_unused_kwargs else config

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as plain data, without what only matters while a checkpoint loads."""
        config_dict = super().to_dict()
        config_dict.pop("_checkpoint_patch_grid", None)
        config_dict["fastast_version"] = __version__
        # An older version refuses fields that it does not know: let them stand there only where they matter.
        known_by_all = {field.name for field in fields(ASTConfig)} | FIELDS_OF_THE_FIRST_VERSION
        for field in fields(self):
            if field.name not in known_by_all and config_dict.get(field.name) == field.default:
                del config_dict[field.name]
        return config_dict

    def _validate_merge_schedule(self) -> None:
        """Raise for a schedule that no input of `max_length` frames can follow."""
        check_patch_grid(self)
        if not isinstance(self.proportional_attention, bool):
            raise TypeError(
                f"`proportional_attention` must be True or False, got {self.proportional_attention!r}. Give a bool."
            )
        check_merging(
            math.prod(self.patch_grid),
            self.num_hidden_layers,
            max_length=self.max_length,
            merge_ratio=self.merge_ratio,
            tokens_merged_per_layer=self.tokens_merged_per_layer,
        )


# The fields of merging, and those that a schedule is checked against.
_MERGING_FIELDS = (
    "num_hidden_layers",
    "patch_size",
    "num_mel_bins",
    "frequency_stride",
    "time_stride",
    "max_length",
    "merge_ratio",
    "tokens_merged_per_layer",
    "proportional_attention",
)
_LABEL_FIELDS = ("id2label", "label2id", "problem_type")
_PATCH_GRID_FIELDS = ("patch_size", "num_mel_bins", "frequency_stride", "time_stride", "max_length")

_AUTO_MAP = {
    "AutoConfig": "configuration_fastast.FastASTConfig",
    "AutoModel": "modeling_fastast.FastASTModel",
    "AutoModelForAudioClassification": "modeling_fastast.FastASTForAudioClassification",
}


def _as_json(value: Any) -> Any:
    """Give numbers and sequences, numpy's included, as JSON would bring them back; a list as a copy of its own."""
    if isinstance(value, list | tuple):
        return [_as_json(entry) for entry in value]
    return value.tolist() if hasattr(value, "tolist") else value


FastASTConfig.register_for_auto_class()

__all__ = ["FastASTConfig"]
