"""Weights are read from safetensors alone: what is pickled can run code of whoever wrote it."""

import re
from collections.abc import Sequence
from typing import Any

from transformers.utils import SAFE_WEIGHTS_INDEX_NAME
from transformers.utils.hub import cached_file, get_checkpoint_shard_files

from .adapters import adapter_fields, check_ranks, path_of_base

# What transformers says of a folder or a repository without model.safetensors, whatever else is in it.
_NO_SAFETENSORS = re.compile(r"file named .*\.safetensors")

# Of what `from_pretrained` takes, what says where a file comes from.
_DOWNLOAD = ("cache_dir", "local_files_only", "proxies", "revision", "subfolder", "token")


class SafeWeightsMixin:
    """Open checkpoints whose weights are safetensors, and refuse others in words."""

    config: Any

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Open a checkpoint as `PreTrainedModel.from_pretrained` does, if its weights are safetensors.

        Args:
            pretrained_model_name_or_path: a folder, or a name on the Hub.
            *args: what `PreTrainedModel.from_pretrained` takes.
            **kwargs: what `PreTrainedModel.from_pretrained` takes; `use_safetensors` cannot be False.

        Returns:
            The model, or the model and what was found of it.

        Raises:
            OSError: if there is no such checkpoint, or its weights are pickled.
            ValueError: if `use_safetensors` is False, some of several files of weights are pickled or lie elsewhere, or an
                adapter is more than plain LoRA.
        """
        if kwargs.get("use_safetensors") is False:
            raise ValueError(f"`use_safetensors` must not be False, got False. {_HOW_TO_CONVERT}")
        kwargs["use_safetensors"] = True  # transformers' default takes pytorch_model.bin where there is nothing else
        if pretrained_model_name_or_path is not None:
            download = {name: kwargs[name] for name in _DOWNLOAD if name in kwargs}
            base = path_of_base(pretrained_model_name_or_path, **download)
            check_shards(base, variant=kwargs.get("variant"), **download)
        try:
            return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)  # type: ignore[misc]
        except OSError as error:
            if _NO_SAFETENSORS.search(str(error)) is None:
                raise
            raise OSError(
                f"`pretrained_model_name_or_path` must hold model.safetensors, got {pretrained_model_name_or_path} without. "
                f"{_HOW_TO_CONVERT}"
            ) from error

    def load_adapter(
        self, peft_model_id: Any = None, adapter_name: str | None = None, peft_config: Any = None, **kwargs: Any
    ) -> Any:
        """Put an adapter on as `PeftAdapterMixin.load_adapter` does, if it is one of plain LoRA.

        `from_pretrained` comes here, too, of transformers' Auto classes as well.

        Args:
            peft_model_id: a folder, or a name on the Hub.
            adapter_name: what the model will call it.
            peft_config: a configuration of the caller's own, in place of the adapter_config.json.
            **kwargs: what `PeftAdapterMixin.load_adapter` takes.

        Returns:
            What was found of it.

        Raises:
            ValueError: if it is another kind of adapter, of a higher rank than the model's widest layer, or its weights are
                pickled.
        """
        load_config = kwargs.get("load_config")
        options = {**vars(load_config), **kwargs} if load_config is not None else kwargs
        name = peft_model_id or options.get("pretrained_model_name_or_path")
        if peft_config is None and name is not None:
            given = {**options, **(options.get("download_kwargs") or {}), **(options.get("adapter_kwargs") or {})}
            # A revision comes with the commit that it is in the model's repository; the adapter's own is meant.
            download = {
                option: str(given[option]) if option == "revision" else given[option]
                for option in _DOWNLOAD
                if given.get(option) is not None
            }
            fields = adapter_fields(name, **download)
            if fields is None:
                raise ValueError(
                    f"`peft_model_id` must hold an adapter_config.json, and PEFT be installed, got {name}. Check both."
                )
            widest = max(self.config.hidden_size, self.config.intermediate_size)
            check_ranks(fields, name, widest, "the width of the model's widest layer")
        return super().load_adapter(peft_model_id, adapter_name, peft_config, **kwargs)  # type: ignore[misc]

    @classmethod
    def _load_pretrained_model(
        cls, model: Any, state_dict: Any, checkpoint_files: Sequence[str] | None, *args: Any, **kwargs: Any
    ) -> Any:
        """Refuse what is no safetensors file where transformers is about to read it, whatever led there.

        An adapter comes here, too: of one on the Hub without safetensors, transformers takes adapter_model.bin.
        """
        pickled = [file for file in checkpoint_files or () if not file.endswith(".safetensors")]
        if state_dict is None and pickled:
            raise ValueError(
                f"`pretrained_model_name_or_path` must lead to safetensors alone, got {pickled[0]}. {_HOW_TO_CONVERT}"
            )
        return super()._load_pretrained_model(model, state_dict, checkpoint_files, *args, **kwargs)  # type: ignore[misc]


def check_weights_name(config_dict: dict[str, Any]) -> None:
    """Refuse a config.json that names a file of pickled weights, which transformers would prefer to safetensors.

    Args:
        config_dict: what is in it.

    Raises:
        ValueError: if it does.
    """
    name = config_dict.get("transformers_weights")
    if name is not None and not _is_safetensors_beside(name):
        raise ValueError(f"`transformers_weights` must name a safetensors file, got {name!r}. {_HOW_TO_CONVERT}")


def check_shards(path: Any, *, variant: str | None = None, **download: Any) -> None:
    """Refuse an index of several files of weights that names one which is no safetensors file beside it.

    transformers opens each by its ending, and what has another one as a pickle.

    Args:
        path: a folder, or a name on the Hub; of an adapter, what `path_of_base` gives.
        variant: see `PreTrainedModel.from_pretrained`.
        **download: `cache_dir`, `local_files_only`, `proxies`, `revision`, `subfolder`, `token`.

    Raises:
        ValueError: if it does, or is no such index.
    """
    name = SAFE_WEIGHTS_INDEX_NAME if variant is None else SAFE_WEIGHTS_INDEX_NAME.replace(".json", f".{variant}.json")
    index = cached_file(path, name, _raise_exceptions_for_missing_entries=False, **download)
    if index is None:
        return
    try:
        _, found = get_checkpoint_shard_files(path, index, **download)
        shards = sorted(set(found["weight_map"].values()))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be an index of weights, got {path} with another one. Copy or download it again."
        ) from error
    for shard in shards:
        if not _is_safetensors_beside(shard):
            raise ValueError(
                f"`{name}` must name safetensors files beside it, got {shard!r} in {path}. {_HOW_TO_CONVERT}"
            )


def _is_safetensors_beside(name: object) -> bool:
    """Tell the plain name of a safetensors file from other endings, and from a path that could lead elsewhere."""
    return isinstance(name, str) and name.endswith(".safetensors") and not {"/", "\\", ":"} & set(name)


_HOW_TO_CONVERT = (
    "Pickled weights such as pytorch_model.bin are not opened, since a pickle can run code. Convert an AST once with "
    "transformers' own class, `ASTForAudioClassification.from_pretrained(old).save_pretrained(new)`, its feature extractor likewise, and open new."
)

__all__ = ["SafeWeightsMixin", "check_shards", "check_weights_name"]
