"""What merging does to one sound: which patches are in one token after each layer."""

from typing import Any, NamedTuple, cast

import numpy as np
import torch

from fastast_hf.classification.results import LabelScore
from fastast_hf.classification.scoring import best_labels, input_arguments, label_probabilities, model_inputs
from fastast_hf.model import FastASTForAudioClassification
from fastast_hf.model.merge_schedule import NUM_SPECIAL_TOKENS


class Trace(NamedTuple):
    """A sound on its way through a model.

    Attributes:
        log_mel: (frames, mels) float32, the features.
        sampling_rate: of the sound in Hz.
        patch_grid: patches along frequency, and along time.
        patch_size: frames and mel bins of a patch.
        strides: mel bins from a patch to the next, and frames.
        sources: (1 + layers, patches) int64, the token that each patch is in, at least 2, before the first layer and after
            each. Patches run along time first, then frequency.
        patch_tokens: (1 + layers) tokens that patches are in. The special tokens stand beside them and are not counted.
        labels: the best labels with their scores.
    """

    log_mel: np.ndarray
    sampling_rate: int
    patch_grid: tuple[int, int]
    patch_size: int
    strides: tuple[int, int]
    sources: np.ndarray
    patch_tokens: tuple[int, ...]
    labels: tuple[LabelScore, ...]


def trace_waveform(
    model: FastASTForAudioClassification, feature_extractor: Any, waveform: np.ndarray, *, top_k: int = 5
) -> Trace:
    """Follow the patches of a sound through the layers.

    Args:
        model: In eval mode.
        feature_extractor: The model's. Of a longer sound the model hears the beginning.
        waveform: (samples,) float32 at the feature extractor's rate.
        top_k: Labels to give.

    Returns:
        The trace. It is that of the model's own merge schedule.
    """
    inputs = model_inputs(feature_extractor, [waveform], input_arguments(model, feature_extractor, None), model)
    found: list[torch.Tensor] = []
    encoder = model.audio_spectrogram_transformer
    hooks = [layer.register_forward_hook(lambda *call: found.append(call[2][2][0])) for layer in encoder.layers]
    try:
        probabilities = label_probabilities(model, cast(Any, {**inputs, "output_token_sources": True}))
    finally:
        for hook in hooks:
            hook.remove()
    log_mel = inputs["input_values"][0].float().cpu().numpy()
    config: Any = model.config
    grid = config.patch_grid_of(*log_mel.shape)
    first = NUM_SPECIAL_TOKENS + np.arange(grid[0] * grid[1])
    sources = np.stack([first, *(sources.cpu().numpy() for sources in found)])
    return Trace(
        log_mel,
        feature_extractor.sampling_rate,
        grid,
        config.patch_size,
        (config.frequency_stride, config.time_stride),
        sources,
        tuple(len(np.unique(row)) for row in sources),
        best_labels(probabilities, config.id2label, top_k)[0],
    )
