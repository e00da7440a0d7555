"""Weights are read from safetensors alone: what is pickled can run code of whoever wrote it."""

import re
from typing import Any

# What transformers says of a folder or a repository without model.safetensors, whatever else is in it.
_NO_SAFETENSORS = re.compile(r"file named .*\.safetensors")


class SafeWeightsMixin:
    """Open checkpoints whose weights are safetensors, and refuse others in words."""

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
            ValueError: if `use_safetensors` is False.
        """
        if kwargs.get("use_safetensors") is False:
            raise ValueError(f"`use_safetensors` must not be False, got False. {_HOW_TO_CONVERT}")
        kwargs["use_safetensors"] = True  # transformers' default takes pytorch_model.bin where there is nothing else
        try:
            return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)  # type: ignore[misc]
        except OSError as error:
            if _NO_SAFETENSORS.search(str(error)) is None:
                raise
            raise OSError(
                f"`pretrained_model_name_or_path` must hold model.safetensors, got {pretrained_model_name_or_path} without. "
                f"{_HOW_TO_CONVERT}"
            ) from error


def check_weights_name(config_dict: dict[str, Any]) -> None:
    """Refuse a config.json that names a file of pickled weights, which transformers would prefer to safetensors.

    Args:
        config_dict: what is in it.

    Raises:
        ValueError: if it does.
    """
    name = config_dict.get("transformers_weights")
    if name is not None and not str(name).endswith((".safetensors", ".safetensors.index.json")):
        raise ValueError(f"`transformers_weights` must name a safetensors file, got {name!r}. {_HOW_TO_CONVERT}")


_HOW_TO_CONVERT = (
    "Pickled weights such as pytorch_model.bin are not opened, since a pickle can run code. Convert an AST once with "
    "transformers' own class, `ASTForAudioClassification.from_pretrained(old).save_pretrained(new)`, and open the new folder."
)

__all__ = ["SafeWeightsMixin", "check_weights_name"]
