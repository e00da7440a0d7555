"""One model in many variants, with one set of weights: other merge schedules, transformers' own AST, another dtype."""

import warnings
from typing import Any

import torch
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification, PreTrainedModel
from transformers.utils import is_speech_available

from fastast_hf.evaluation import count_macs
from fastast_hf.model import FastASTConfig, FastASTFeatureExtractor, FastASTForAudioClassification

_TINY = {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768, "max_length": 512}
RANDOM_MODELS: dict[str, dict[str, Any]] = {"ast-base": {}, "ast-tiny": _TINY}
"""Models that need no checkpoint, by name: fields of a FastASTConfig that differ from AST-base's."""

_AUDIOSET_LABELS = 527


def random_classifier(name: str) -> tuple[FastASTForAudioClassification, FastASTFeatureExtractor]:
    """Make a classifier with random weights, always the same: what is measured of its speed holds for trained ones.

    Args:
        name: One of `RANDOM_MODELS`.

    Returns:
        The model, which merges nothing, in eval mode, and its feature extractor.
    """
    torch.manual_seed(0)
    fields: dict[str, Any] = {"num_labels": _AUDIOSET_LABELS, "attn_implementation": "sdpa"}
    config = FastASTConfig(**fields, **RANDOM_MODELS[name])
    return FastASTForAudioClassification(config).eval(), FastASTFeatureExtractor(max_length=config.max_length)


def with_schedule(model: PreTrainedModel, **merging: Any) -> FastASTForAudioClassification:
    """Give a model another merge schedule, as a model of its own with the same weights, shared.

    Args:
        model: An AST or FastAST classifier.
        **merging: `merge_ratio` or `tokens_merged_per_layer` of a [`FastASTConfig`]; nothing merges nothing.

    Returns:
        The model, in eval mode.

    Raises:
        ValueError: If the schedule is impossible.
    """
    unmerged = {"merge_ratio": 0.0, "tokens_merged_per_layer": None}
    return _share_weights(
        model, FastASTForAudioClassification, FastASTConfig(**{**model.config.to_dict(), **unmerged, **merging})
    )


def as_stock_ast(model: PreTrainedModel) -> ASTForAudioClassification:
    """Give a model's weights, shared, to transformers' own AST, which merges nothing.

    Args:
        model: An AST or FastAST classifier.

    Returns:
        The AST, in eval mode.
    """
    own = ASTConfig().to_dict().keys() - {"architectures", "model_type"}
    fields = {name: value for name, value in model.config.to_dict().items() if name in own}
    return _share_weights(model, ASTForAudioClassification, ASTConfig(**fields))


def as_stock_extractor(feature_extractor: FastASTFeatureExtractor) -> ASTFeatureExtractor:
    """Give a feature extractor's settings to transformers' own.

    Args:
        feature_extractor: FastAST's.

    Returns:
        AST's. It pads to `max_length`.
    """
    own = ("sampling_rate", "num_mel_bins", "max_length", "do_normalize", "mean", "std")
    with warnings.catch_warnings():
        # of the constructor: AST's usual 128 mel bins are more than its windows can fill
        warnings.filterwarnings("ignore", message="At least one mel filter has all zero values")
        return ASTFeatureExtractor(**{name: getattr(feature_extractor, name) for name in own})


def stock_features() -> str:
    """Tell what transformers' own feature extractor computes with on this machine.

    Returns:
        "torchaudio" where it is installed, "numpy" otherwise.
    """
    return "torchaudio" if is_speech_available() else "numpy"


def in_dtype(model: PreTrainedModel, dtype: torch.dtype) -> FastASTForAudioClassification:
    """Give a copy of a model in another dtype; in its own dtype, the weights are shared.

    Args:
        model: An AST or FastAST classifier.
        dtype: Of the weights.

    Returns:
        A FastAST that merges nothing, in eval mode.
    """
    twin: Any = with_schedule(model)
    return twin.to(dtype)  # replaces what the twin's parameters hold, and not what they shared


def count_clip_macs(model: PreTrainedModel, num_frames: int) -> int:
    """Count the multiply-accumulates of one clip without computing any of them.

    Args:
        model: An AST or FastAST classifier.
        num_frames: Frames of the clip.

    Returns:
        Multiply-accumulates, see `count_macs`.
    """
    with torch.device("meta"):
        twin = type(model)(model.config)
        clip = torch.empty(1, num_frames, model.config.num_mel_bins)
    return count_macs(twin, clip)


def _share_weights(model: PreTrainedModel, twin_class: Any, config: Any) -> Any:
    """Make a model of another class or configuration around the same weights."""
    config._attn_implementation = model.config._attn_implementation
    with torch.device("meta"):
        twin = twin_class(config)
    twin.load_state_dict(model.state_dict(), assign=True)
    return twin.eval()
