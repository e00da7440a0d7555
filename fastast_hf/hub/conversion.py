"""Weights of a vision transformer become those of an Audio Spectrogram Transformer.

Source: Gong et al., "AST: Audio Spectrogram Transformer" (arXiv 2104.01778), section 2.2: the patch kernel is summed over
the colours, the position grid is cut or interpolated to the spectrogram's, and without a distillation token both special
tokens start from CLS.

An AST checkpoint needs no conversion: `FastASTForAudioClassification.from_pretrained` opens it.
"""

import math
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoModel, PreTrainedConfig
from transformers.utils import cached_file

from fastast_hf.hub.safe_weights import check_safe_weights
from fastast_hf.model import FastASTConfig, FastASTForAudioClassification
from fastast_hf.model.merge_schedule import NUM_SPECIAL_TOKENS
from fastast_hf.model.position_embeddings import fit_position_grid

VISION_TYPES = ("vit", "deit", "timm_wrapper")
"""Types of models that this converts, as their config.json names them; timm's names the architecture too."""

_CONFIG_FIELDS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "layer_norm_eps",
    "patch_size",
    "qkv_bias",
)

# timm's names and the names of transformers' vision transformers, which are AST's as well
_TIMM_NAMES = (
    (r"^cls_token$", "embeddings.cls_token"),
    (r"^dist_token$", "embeddings.distillation_token"),
    (r"^pos_embed$", "embeddings.position_embeddings"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^blocks\.(\d+)\.norm1\.", r"layers.\1.layernorm_before."),
    (r"^blocks\.(\d+)\.norm2\.", r"layers.\1.layernorm_after."),
    (r"^blocks\.(\d+)\.attn\.proj\.", r"layers.\1.attention.o_proj."),
    (r"^blocks\.(\d+)\.mlp\.(fc[12])\.", r"layers.\1.mlp.\2."),
    (r"^norm\.", "layernorm."),
)
_TIMM_IMAGE_HEADS = ("head.", "head_dist.", "fc_norm.", "pre_logits.")
# A state dict holds neither the number of heads nor the epsilon: those of timm's ViT-Ti, -S, -B and -L.
_TIMM_NUM_ATTENTION_HEADS = {192: 3, 384: 6, 768: 12, 1024: 16}
_TIMM_LAYER_NORM_EPS = 1e-6


def ast_from_vision_transformer(
    pretrained_model_name_or_path: str | Path,
    *,
    cache_dir: str | Path | None = None,
    revision: str = "main",
    token: str | bool | None = None,
    **config_fields: Any,
) -> FastASTForAudioClassification:
    """Build an AST that starts from a ViT or DeiT checkpoint, with a classification head that is new.

    Args:
        pretrained_model_name_or_path: a folder or Hub repository with a ViT or DeiT in transformers' layout, or with a
            `model.safetensors` under timm's names.
        cache_dir: where downloads from the Hub are kept.
        revision: branch, tag or commit on the Hub.
        token: Hub token, if the one you logged in with will not do.
        **config_fields: fields of [`FastASTConfig`], such as `max_length`, `frequency_stride`, `time_stride`,
            `num_labels`, `id2label` and `merge_ratio`. The encoder's sizes come from the checkpoint.

    Returns:
        The model, float32, in evaluation mode.

    Raises:
        ValueError: if the checkpoint is no ViT or DeiT, its weights are pickled, or a field contradicts its sizes.
    """
    download = {"cache_dir": cache_dir, "revision": revision, "token": token}
    state, sizes = _read_vision_transformer(str(pretrained_model_name_or_path), download)
    if "num_attention_heads" not in {**sizes, **config_fields}:
        raise ValueError(
            f"`num_attention_heads` must be given for hidden size {sizes['hidden_size']}, got none. The checkpoint does not "
            "hold it: look it up where the model is described."
        )
    for name in _CONFIG_FIELDS:
        if name in config_fields and config_fields[name] != sizes.get(name, config_fields[name]):
            raise ValueError(
                f"`{name}` must be the checkpoint's {sizes[name]}, got {config_fields[name]}. Leave it out: the encoder's "
                "sizes come from the checkpoint."
            )
    config = FastASTConfig(**{**sizes, **config_fields})
    model = FastASTForAudioClassification(config)
    model.audio_spectrogram_transformer.load_state_dict(vision_transformer_to_ast(state, config.patch_grid))
    return model.eval()


def vision_transformer_to_ast(state: dict[str, torch.Tensor], patch_grid: tuple[int, int]) -> dict[str, torch.Tensor]:
    """Fit the embeddings of a vision transformer's state dict to spectrograms.

    Args:
        state: the encoder's tensors under transformers' names; `position_embeddings` (1, 1 or 2 + rows * rows, hidden).
        patch_grid: frequency and time patches of the spectrogram.

    Returns:
        The state dict of an ASTModel.
    """
    state = dict(state)
    kernel = state.pop("embeddings.patch_embeddings.projection.weight")  # (D, 3, patch, patch)
    cls_token = state["embeddings.cls_token"]
    distillation_token = state.pop("embeddings.distillation_token", None)
    table = state.pop("embeddings.position_embeddings")[0]

    num_special = 1 if distillation_token is None else NUM_SPECIAL_TOKENS
    special, grid = table[:num_special], table[num_special:]
    rows = math.isqrt(len(grid))
    if rows**2 != len(grid):
        raise ValueError(
            f"`position_embeddings` must be those of a square image, got {len(grid)} patches. Name a checkpoint for square "
            "images."
        )
    fitted = fit_position_grid(grid.unflatten(0, (rows, rows)), patch_grid).flatten(0, 1)
    return state | {
        "embeddings.patch_embeddings.projection.weight": kernel.sum(dim=1, keepdim=True),
        "embeddings.distillation_token": (cls_token if distillation_token is None else distillation_token).clone(),
        "embeddings.position_embeddings": torch.cat([special[:1], special[-1:], fitted]).unsqueeze(0),
    }


def _read_vision_transformer(path: str, download: dict[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read the encoder's tensors under transformers' names, and the configuration fields that its sizes settle."""
    config_file = cached_file(path, "config.json", _raise_exceptions_for_missing_entries=False, **download)
    config = PreTrainedConfig.get_config_dict(path, **download)[0] if config_file else {}
    if config.get("model_type") in ("vit", "deit"):
        check_safe_weights(path, download)
        model = AutoModel.from_pretrained(
            path, add_pooling_layer=False, use_safetensors=True, dtype=torch.float32, **download
        )
        return model.state_dict(), {name: getattr(model.config, name) for name in _CONFIG_FIELDS}
    if config.get("model_type", "timm_wrapper") != "timm_wrapper":
        raise ValueError(
            f"`pretrained_model_name_or_path` must name a ViT or DeiT, got {path}, a {config['model_type']}. An AST needs "
            "no conversion: open it with `FastASTForAudioClassification.from_pretrained`."
        )
    check_safe_weights(path, download)
    weights = load_file(str(cached_file(path, "model.safetensors", **download)))
    if not {"pos_embed", "cls_token", "blocks.0.attn.qkv.weight"} <= weights.keys():
        raise ValueError(
            f"`pretrained_model_name_or_path` must hold a ViT or DeiT, got {path}, whose tensors have neither "
            "transformers' layout (with its config.json) nor timm's names. Give such a checkpoint."
        )
    state = _rename_timm(weights)
    hidden_size = weights["cls_token"].shape[-1]
    sizes = {
        "hidden_size": hidden_size,
        "num_hidden_layers": len({name.split(".")[1] for name in weights if name.startswith("blocks.")}),
        "intermediate_size": weights["blocks.0.mlp.fc1.weight"].shape[0],
        "hidden_act": "gelu",
        "layer_norm_eps": _TIMM_LAYER_NORM_EPS,
        "patch_size": weights["patch_embed.proj.weight"].shape[-1],
        "qkv_bias": "blocks.0.attn.qkv.bias" in weights,
    }
    if hidden_size in _TIMM_NUM_ATTENTION_HEADS:
        sizes["num_attention_heads"] = _TIMM_NUM_ATTENTION_HEADS[hidden_size]
    return state, sizes


def _rename_timm(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give timm's tensors transformers' names; the heads for images stay behind, and each qkv is split in three."""
    state = {}
    for name, tensor in weights.items():
        if qkv := re.match(r"^blocks\.(\d+)\.attn\.qkv\.(weight|bias)$", name):
            layer, kind = qkv.groups()
            for projection, part in zip("qkv", tensor.float().chunk(3), strict=True):
                state[f"layers.{layer}.attention.{projection}_proj.{kind}"] = part.clone()
            continue
        if name.startswith(_TIMM_IMAGE_HEADS):
            continue
        pattern, replacement = next(((old, new) for old, new in _TIMM_NAMES if re.match(old, name)), (None, None))
        if pattern is None or replacement is None:
            raise ValueError(
                f"`pretrained_model_name_or_path` must hold a plain ViT or DeiT, got one with {name}, for which AST has no "
                "place. Name another checkpoint."
            )
        state[re.sub(pattern, replacement, name)] = tensor.float()
    return state


__all__ = ["VISION_TYPES", "ast_from_vision_transformer", "vision_transformer_to_ast"]
