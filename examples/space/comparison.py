"""One sound through AST and FastAST, with the same weights: answers, tokens, time and work."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch

from fastast_hf import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.classification.tracing import Trace, trace_waveform
from fastast_hf.data import load_audio
from fastast_hf.evaluation import Row, compare_throughput, count_schedule_macs, eager_forward
from fastast_hf.model.log_mel import HOP_SECONDS
from fastast_hf.speed.variants import with_schedule

MAX_MEGABYTES = 20
MAX_MINUTES = 10
TOP_K = 5
REPEATS = 5
MIN_SECONDS = 1.0

# What decoding may take at most: ten minutes at 48 kHz in stereo, 230 MB as float32.
_MAX_SAMPLES = MAX_MINUTES * 60 * 48_000 * 2


class Side(NamedTuple):
    """What one of the two models made of the sound.

    Attributes:
        trace: labels and tokens, see `trace_waveform`.
        milliseconds: of one pass, the median over the turns.
        macs: multiply-accumulates of one pass.
    """

    trace: Trace
    milliseconds: float
    macs: int


class Comparison(NamedTuple):
    """Both models on one sound.

    Attributes:
        ast: merges nothing.
        fastast: merges.
        speed_up: AST's time over FastAST's, the median over the turns of the ratio within a turn.
        seconds: of the sound, as it was given.
        seconds_heard: of its beginning, which the models heard.
    """

    ast: Side
    fastast: Side
    speed_up: float
    seconds: float
    seconds_heard: float


def read_sound(path: str, sampling_rate: int) -> np.ndarray:
    """Read a sound that a stranger gave, and refuse what would take long or much memory before it is decoded.

    Args:
        path: The file. No message tells of it.
        sampling_rate: Rate of the result in Hz.

    Returns:
        Waveform (samples,) float32, see `load_audio`.

    Raises:
        ValueError: If the file is gone, is too large or too long, or is no complete sound.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_MEGABYTES * 10**6 + 1)
    except OSError:
        raise ValueError(
            "The sound must still be there, got one that was deleted meanwhile. Upload or record it again."
        ) from None
    if len(data) > MAX_MEGABYTES * 10**6:
        raise ValueError(
            f"The file must be at most {MAX_MEGABYTES} MB large, got a larger one. Cut a part out of it, for example with "
            "`ffmpeg -i in.wav -t 10 out.wav`."
        )
    _check_length(data)
    try:
        return load_audio(data, sampling_rate=sampling_rate, name="this one")
    except ValueError as error:
        raise ValueError(str(error).replace("`source`", "The file", 1)) from error


def compare(
    model: FastASTForAudioClassification,
    feature_extractor: FastASTFeatureExtractor,
    waveform: np.ndarray,
    merge_ratio: float,
    *,
    repeats: int = REPEATS,
    min_seconds: float = MIN_SECONDS,
) -> Comparison:
    """Run a sound through a model's weights twice: merging nothing, as AST does, and merging.

    Both get the same spectrogram, as long as the sound: what is saved is saved by merging alone. Merging nothing, FastAST
    gives AST's logits to the last bit and takes as long. The model itself stays as it is.

    Args:
        model: Its own merge schedule does not matter.
        feature_extractor: The model's. Of a longer sound the models hear the beginning.
        waveform: (samples,) float32 at the feature extractor's rate.
        merge_ratio: See FastASTConfig.
        repeats: Timed passes of each, in turns, at least.
        min_seconds: Go on until the timed passes have taken this long.

    Returns:
        The comparison.

    Raises:
        ValueError: If the ratio is impossible.
        TypeError: If it is no number.
    """
    models = {"ast": with_schedule(model), "fastast": with_schedule(model, merge_ratio=merge_ratio)}
    traces = {
        name: trace_waveform(variant, feature_extractor, waveform, top_k=TOP_K) for name, variant in models.items()
    }
    features = torch.from_numpy(traces["ast"].log_mel)[None].to(model.device, model.dtype)  # (1, T, M)
    macs = {name: _macs(variant, features.shape[1]) for name, variant in models.items()}
    rows = {name: Row(eager_forward(variant), features, macs[name]) for name, variant in models.items()}
    speed = compare_throughput(rows, repeats=repeats, warmup=1, min_seconds=min_seconds)
    ast, fastast = (Side(traces[name], speed[name].latency_ms, macs[name]) for name in models)
    seconds = len(waveform) / feature_extractor.sampling_rate
    heard = min(seconds, seconds_heard(feature_extractor))
    return Comparison(ast, fastast, speed["fastast"].speed_up, seconds, heard)


def seconds_heard(feature_extractor: FastASTFeatureExtractor) -> float:
    """Tell how much of a sound a model hears.

    Args:
        feature_extractor: The model's.

    Returns:
        Seconds from the beginning. A frame begins every 10 ms.
    """
    return feature_extractor.max_length * HOP_SECONDS


def _check_length(data: bytes) -> None:
    """Refuse what its header says is long. What has no header to read is left to `load_audio`, which has words for it."""
    try:
        header = soundfile.info(io.BytesIO(data))
    except (soundfile.SoundFileError, ValueError):
        return
    if header.frames > MAX_MINUTES * 60 * header.samplerate or header.frames * header.channels > _MAX_SAMPLES:
        raise ValueError(
            f"The sound must be at most {MAX_MINUTES} minutes long, in stereo at 48 kHz, got a longer one, or one that does "
            "not tell. The model hears the beginning alone: cut it out, for example with `ffmpeg -i in.wav -t 10 out.wav`."
        )


def _macs(model: FastASTForAudioClassification, num_frames: int) -> int:
    """Count the multiply-accumulates of one clip."""
    num_patches = int(np.prod(model.config.patch_grid_of(num_frames, model.config.num_mel_bins)))
    return count_schedule_macs(model.config, num_patches, model.config.merge_schedule(num_frames).tokens_merged)
