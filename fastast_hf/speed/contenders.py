"""The rows of a speed measurement, ready to run: each variant of a model as a call, with its work, and the baseline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel

from fastast_hf.evaluation import Forward, Row, Runtime, compiled_forward, eager_forward, onnxruntime_forward
from fastast_hf.hub.export import export_onnx
from fastast_hf.model import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.progress import late_bar
from fastast_hf.speed.settings import (
    UNMERGED,
    SpeedSettings,
    Variant,
    list_variants,
    own_schedule,
)
from fastast_hf.speed.variants import as_stock_ast, count_clip_macs, in_dtype, with_schedule


class Opened(NamedTuple):
    """A model with what belongs to it.

    Attributes:
        name: What results call it.
        model: In float32 and eval mode, on the device to measure.
        feature_extractor: The model's.
        random_weights: Whether what it answers means nothing.
    """

    name: str
    model: FastASTForAudioClassification
    feature_extractor: FastASTFeatureExtractor
    random_weights: bool = False


class Contender(NamedTuple):
    """A row without its batch.

    Attributes:
        variant: What it is.
        forward: What runs.
        clip_macs: Multiply-accumulates of one clip.
        feature_extractor: What makes its input.
    """

    variant: Variant
    forward: Forward
    clip_macs: int
    feature_extractor: FastASTFeatureExtractor


def make_contenders(
    opened: Opened, settings: SpeedSettings, against: Opened | None, folder: Path
) -> dict[str, Contender]:
    """Make all rows, the baseline first.

    The model unmerged, eager and in float32 does the work of the stock AST, to the last bit. It stays a row of its own, a
    control: how far its share of the MAC ratio is from 1 is noise, or what FastAST's layers cost or save without merging.

    Args:
        opened: The model.
        settings: Its variants.
        against: The baseline, with its own merge schedule. Default: the same weights in transformers' own AST.
        folder: Where ONNX files go.

    Returns:
        Contenders by the name of their row.
    """
    config: Any = opened.model.config
    variants = list_variants(settings, config)
    if against is None:
        contenders = {"AST": _padded_and_eager(as_stock_ast(opened.model), UNMERGED, opened.feature_extractor)}
    else:
        schedule = own_schedule(against.model.config)
        model = against.model if schedule else as_stock_ast(against.model)
        contenders = {
            f"against {against.name}": _padded_and_eager(model, schedule or UNMERGED, against.feature_extractor)
        }
    weights = {dtype: in_dtype(opened.model, dtype) for dtype in settings.dtypes}
    for name, variant in late_bar(variants.items(), desc="Preparing"):
        twin = with_schedule(weights[variant.dtype], **variant.merging)
        contenders[name] = Contender(
            variant,
            _forward(twin, variant.runtime, opened.feature_extractor, folder / f"{len(contenders)}.onnx"),
            count_clip_macs(twin, variant.num_frames),
            opened.feature_extractor,
        )
    return contenders


def make_row(contender: Contender, batch_size: int, device: torch.device) -> Row:
    """Give a contender a batch of noise: its speed does not depend on the content.

    Args:
        contender: What runs.
        batch_size: Clips.
        device: Where it runs.

    Returns:
        The row.
    """
    variant = contender.variant
    shape = (batch_size, variant.num_frames, contender.feature_extractor.num_mel_bins)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return Row(contender.forward, noise.to(device, variant.dtype), batch_size * contender.clip_macs, variant.runtime)


def _padded_and_eager(
    model: PreTrainedModel, merging: Mapping[str, Any], feature_extractor: FastASTFeatureExtractor
) -> Contender:
    """Make a baseline of a model as it is."""
    config: Any = model.config
    variant = Variant(merging, model.dtype, "eager", config.max_length)
    return Contender(variant, eager_forward(model), count_clip_macs(model, config.max_length), feature_extractor)


def _forward(
    model: FastASTForAudioClassification, runtime: Runtime, feature_extractor: FastASTFeatureExtractor, file: Path
) -> Forward:
    """Make a model something to call."""
    if runtime == "eager":
        return eager_forward(model)
    if runtime == "compiled":
        return compiled_forward(model)
    return onnxruntime_forward(export_onnx(model, file, feature_extractor=feature_extractor))
