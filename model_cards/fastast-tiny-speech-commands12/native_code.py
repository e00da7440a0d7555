"""No native code by a config.json: it comes from whoever made the checkpoint, and could name what is fetched and run.

What a caller gives as an argument is the caller's own, and is not looked at.
"""

from typing import Any

_ATTENTION_OF_A_FILE = ("eager", "sdpa", "flash_attention_2", "flex_attention")
"""Attention that a config.json may name: what AST has of torch and of transformers itself."""


def check_attention_name(config_dict: dict[str, Any]) -> None:
    """Refuse a config.json that names attention of others, such as `user/repository`, whose native code would be fetched.

    Who asks for a kernel by an argument is not concerned.

    Args:
        config_dict: what is in it.

    Raises:
        ValueError: if it does.
    """
    for field in ("attn_implementation", "_attn_implementation", "_attn_implementation_internal"):
        name = config_dict.get(field)
        if name is not None and name not in _ATTENTION_OF_A_FILE:
            raise ValueError(
                f"`{field}` must be one of {', '.join(_ATTENTION_OF_A_FILE)} in a config.json, got {name!r}. Remove it there, "
                "and give `attn_implementation` when you load the model, if you trust the code."
            )


def check_not_quantized(config_dict: dict[str, Any]) -> None:
    """Refuse a config.json that chooses a library of native code to read the weights with.

    Args:
        config_dict: what is in it.

    Raises:
        ValueError: if it does.
    """
    if (quantization := config_dict.get("quantization_config")) is not None:
        raise ValueError(
            f"`quantization_config` must not be in a config.json, got {quantization!r}. Remove it, open whole weights, and give "
            "`quantization_config` when you load the model."
        )


__all__ = ["check_attention_name", "check_not_quantized"]
