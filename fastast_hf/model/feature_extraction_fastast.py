"""Feature extraction for FastAST: waveforms to normalised log-mel spectrograms."""

from typing import Any

import numpy as np
import torch
from transformers import ASTFeatureExtractor, BatchFeature
from transformers.utils import logging

from .log_mel import count_frames, log_mel_spectrogram, samples_of_frames, window_length
from .version import __version__

logger = logging.get_logger(__name__)

# The frames of AST's patches; a spectrogram that is shorter holds none.
_FRAMES_OF_A_PATCH = 16
# Far above what any recording holds, far below where the power of a window leaves float32.
_LOUDEST = 1e12


class FastASTFeatureExtractor(ASTFeatureExtractor):
    """AST's feature extractor, several times faster, without padding on request, and with words for what is no sound.

    It gives the values of ASTFeatureExtractor to within 1e-4 before normalisation, reads and writes the same
    preprocessor_config.json, and travels with a FastAST's weights. Deviations: batches are computed in torch, on a CPU or a
    GPU, and the same with torchaudio installed or not; AST's own takes integers for floats, makes features without content
    of a clip that is shorter than one analysis window, and passes NaN on.

    Args:
        padding: `"max_length"` pads every clip to `max_length` frames, as AST does. `"longest"` pads to the longest clip of
            a call and adds `num_frames`, which a FastAST takes: it computes what was recorded, not its padding.
        **kwargs: what [`~transformers.ASTFeatureExtractor`] takes: `num_mel_bins`, `max_length` in frames of 10 ms,
            `sampling_rate` in Hz, `do_normalize`, `mean` and `std` of the log-mel values.

    Raises:
        ValueError: if `padding` is neither.

    Example:
    ```python
    >>> feature_extractor = FastASTFeatureExtractor(padding="longest")
    >>> second = np.zeros(16_000, dtype=np.float32)
    >>> inputs = feature_extractor([second, second[:8_000]], sampling_rate=16_000, return_tensors="pt")
    >>> inputs["input_values"].shape, inputs["num_frames"]
    (torch.Size([2, 98, 128]), tensor([98, 48]))

    ```
    """

    model_input_names = [*ASTFeatureExtractor.model_input_names, "num_frames"]

    def __init__(
        self,
        feature_size: int = 1,
        sampling_rate: int = 16_000,
        num_mel_bins: int = 128,
        max_length: int = 1024,
        padding_value: float = 0.0,
        do_normalize: bool = True,
        mean: float = -4.2677393,
        std: float = 4.5689974,
        return_attention_mask: bool = False,
        padding: str = "max_length",
        **kwargs: Any,
    ) -> None:
        # Not AST's own, which would make NumPy filters, and warn of those that are empty, to throw them away.
        super(ASTFeatureExtractor, self).__init__(feature_size, sampling_rate, padding_value, **kwargs)
        self.num_mel_bins = num_mel_bins
        self.max_length = max_length
        self.do_normalize = do_normalize
        self.mean = mean
        self.std = std
        self.return_attention_mask = return_attention_mask
        self.padding = _check_padding(padding)

    @classmethod
    def from_dict(cls, feature_extractor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Build it from settings and keywords, which win; of settings without `padding`, as AST's are, too."""
        return super().from_dict({"padding": "max_length"} | feature_extractor_dict, **kwargs)

    def to_dict(self) -> dict[str, Any]:
        """Give the settings; the default padding is AST's, which has no such setting."""
        settings = super().to_dict() | {"fastast_version": __version__}
        if settings["padding"] == "max_length":
            del settings["padding"]
        return settings

    def __call__(
        self,
        raw_speech: Any,
        sampling_rate: int | None = None,
        return_tensors: Any = None,
        *,
        padding: str | None = None,
        device: torch.device | str = "cpu",
        **kwargs: Any,
    ) -> BatchFeature:
        """Turn waveforms into spectrograms.

        Args:
            raw_speech: One clip (samples,) as array, tensor or list of floats; or several as a list of clips, or as an
                array or tensor (clips, samples). Mono, floats from -1 to 1 of any precision, or integers as sound files
                hold them (int8, int16, int32, uint8), which become floats as soundfile reads them.
            sampling_rate: Rate of the waveforms in Hz. Left out, nothing guards against another rate, as AST warns.
            return_tensors: `"pt"`, `"np"`, or None for a list of arrays.
            padding: See the class; None for what it was made with.
            device: Where to compute. With `"pt"` the tensors stay there.
            **kwargs: Ignored, as in AST's.

        Returns:
            `input_values` (clips, frames, num_mel_bins) float32: `max_length` frames, or as many as the longest clip has,
            at least 16, one patch, and at most `max_length`. With `padding="longest"` also `num_frames` (clips,) int64.

        Raises:
            TypeError: If it is no waveform, or its numbers are neither floats nor such integers.
            ValueError: If a clip is empty, shorter than one analysis window, not mono or not finite, or has another
                sampling rate. The message counts the clips from 0.
        """
        padding = self.padding if padding is None else _check_padding(padding)
        if sampling_rate is None:
            logger.warning(
                f"It is strongly recommended to pass the `sampling_rate` argument to {type(self).__name__}: samples at "
                f"another rate than {self.sampling_rate} Hz give wrong answers without an error."
            )
        elif sampling_rate != self.sampling_rate:
            raise ValueError(
                f"`sampling_rate` must be {self.sampling_rate}, the model's, got {sampling_rate}. Resample the waveform, "
                f"for example with `soxr.resample(waveform, {sampling_rate}, {self.sampling_rate})`."
            )
        waveforms = check_waveforms(raw_speech, min_samples=window_length(self.sampling_rate))
        frames = [min(count_frames(len(waveform), self.sampling_rate), self.max_length) for waveform in waveforms]
        length = self.max_length if padding == "max_length" else max(_FRAMES_OF_A_PATCH, *frames)
        spectrograms = self._spectrograms(waveforms, frames, length, torch.device(device))
        if self.do_normalize:
            spectrograms = (spectrograms - self.mean) / (self.std * 2)
        input_values: Any = spectrograms if return_tensors == "pt" else spectrograms.cpu().numpy()
        features = BatchFeature({"input_values": list(input_values) if return_tensors is None else input_values})
        if padding == "longest":
            features["num_frames"] = frames
        features.convert_to_tensors(return_tensors)
        return features.to(device) if return_tensors == "pt" else features

    def _spectrograms(
        self, waveforms: list[np.ndarray], frames: list[int], length: int, device: torch.device
    ) -> torch.Tensor:
        """Compute log-mel (clips, length, mel bins) float32, zero behind each clip's frames as in AST."""
        if device.type != "cpu":
            return self._spectrograms_at_once(waveforms, frames, length, device)
        spectrograms = torch.zeros(len(waveforms), length, self.num_mel_bins)
        for spectrogram, clip, count in zip(spectrograms, self._cut(waveforms), frames, strict=True):
            spectrogram[:count] = log_mel_spectrogram(
                clip, num_mel_bins=self.num_mel_bins, sampling_rate=self.sampling_rate
            )
        return spectrograms

    def _spectrograms_at_once(
        self, waveforms: list[np.ndarray], frames: list[int], length: int, device: torch.device
    ) -> torch.Tensor:
        """Do the same in one piece, which keeps a GPU busy."""
        batch = torch.nn.utils.rnn.pad_sequence(self._cut(waveforms), batch_first=True).to(device)  # (B, S)
        # A window that lies wholly in a clip sees nothing of what pads it.
        found = log_mel_spectrogram(batch, num_mel_bins=self.num_mel_bins, sampling_rate=self.sampling_rate)
        spectrograms = torch.nn.functional.pad(found, (0, 0, 0, length - found.shape[1]))
        is_padding = torch.arange(length, device=device) >= torch.tensor(frames, device=device)[:, None]  # (B, T)
        return spectrograms.masked_fill_(is_padding.unsqueeze(-1), 0.0)

    def _cut(self, waveforms: list[np.ndarray]) -> list[torch.Tensor]:
        """Leave out the samples that no frame of `max_length` sees."""
        samples = samples_of_frames(self.max_length, self.sampling_rate)
        return [torch.from_numpy(waveform[:samples]) for waveform in waveforms]


def check_waveforms(raw_speech: Any, *, min_samples: int) -> list[np.ndarray]:
    """Turn what a feature extractor is given into waveforms that it can use, or say why not.

    Args:
        raw_speech: See [`FastASTFeatureExtractor.__call__`].
        min_samples: Samples that a clip must have.

    Returns:
        One (samples,) float32 array a clip, finite. A float32 array comes back as it is, not as a copy.

    Raises:
        TypeError: See [`FastASTFeatureExtractor.__call__`].
        ValueError: See [`FastASTFeatureExtractor.__call__`].

    Example:
        >>> check_waveforms(np.array([-32768, 16384], dtype=np.int16), min_samples=1)
        [array([-1. ,  0.5], dtype=float32)]
    """
    clips = _split_clips(raw_speech, min_samples)
    places = [""] if len(clips) == 1 else [f" in clip {index} of {len(clips)}" for index in range(len(clips))]
    return [_check_waveform(clip, place, min_samples) for clip, place in zip(clips, places, strict=True)]


def _check_padding(padding: str) -> str:
    if padding not in ("max_length", "longest"):
        raise ValueError(
            f'`padding` must be "max_length" or "longest", got {padding!r}. The first pads as AST does, the second not more '
            "than the longest clip needs."
        )
    return padding


def _split_clips(raw_speech: Any, min_samples: int) -> list[Any]:
    """Tell one clip from several, as AST does: a list of numbers or one axis is a clip, two axes are (clips, samples)."""
    if isinstance(raw_speech, list | tuple):
        if len(raw_speech) > 0 and _as_array(raw_speech[0]).ndim == 0:
            return [raw_speech]
        clips = list(raw_speech)
    else:
        samples = _as_array(raw_speech)
        if samples.ndim == 0:
            raise TypeError(
                "`raw_speech` must be an array, a tensor or a list of numbers or clips, got "
                f"{type(raw_speech).__name__}. Decode a file first, for example with `soundfile.read`; of a dict, give "
                "the array."
            )
        if samples.ndim == 2 and samples.shape[1] == 1 and samples.shape[0] >= min_samples:
            samples = samples[:, 0]
        is_stereo = samples.ndim == 2 and samples.shape[1] < min_samples <= samples.shape[0]  # or it were short clips
        if is_stereo or samples.ndim > 2:
            raise ValueError(_not_mono(samples, ""))
        clips = [samples] if samples.ndim == 1 else list(samples)
    if not clips:
        raise ValueError("`raw_speech` must hold at least one clip, got none. Give the samples of a clip.")
    return clips


def _check_waveform(clip: Any, place: str, min_samples: int) -> np.ndarray:
    """Turn one clip into a finite float32 waveform (S,)."""
    waveform = _to_float32(_as_array(clip), place)
    if waveform.ndim == 2 and 1 in waveform.shape:
        waveform = waveform.reshape(-1)
    if waveform.ndim != 1:
        raise ValueError(_not_mono(waveform, place))
    if len(waveform) < min_samples:
        raise ValueError(
            f"`raw_speech` must hold at least {min_samples} samples, one analysis window, got {len(waveform)}{place}. "
            "Leave the clip out, or pad it with zeros."
        )
    bad = int(np.count_nonzero(~np.isfinite(waveform)))
    if bad:
        raise ValueError(
            f"`raw_speech` must hold finite samples, got {bad} NaN or infinite ones of {len(waveform)}{place}. Leave the "
            "clip out, or record it again."
        )
    if np.abs(waveform).max() > _LOUDEST:
        raise ValueError(
            f"`raw_speech` must hold samples from about -1 to 1, got {np.abs(waveform).max():g}{place}. Divide integers that "
            "were read as floats by their full scale, or record the clip again."
        )
    return waveform


def _as_array(clip: Any) -> np.ndarray:
    """Bring a clip of any kind to NumPy, its type kept where NumPy has it."""
    if isinstance(clip, torch.Tensor):
        clip = clip.detach().cpu()
        return (clip.float() if clip.dtype == torch.bfloat16 else clip).numpy()
    try:
        return np.asarray(clip)
    except ValueError as error:
        raise ValueError(
            f"`raw_speech` must hold clips that are lists of numbers, got one that NumPy cannot read ({error}). Give each "
            "clip as (samples,)."
        ) from error


def _to_float32(samples: np.ndarray, place: str) -> np.ndarray:
    """Bring floats and the integers of sound files to float32; integers from their full scale to [-1, 1)."""
    kind, num_bytes = samples.dtype.kind, samples.dtype.itemsize
    if kind == "f":
        with np.errstate(over="ignore"):  # what is too large for float32 is told as infinite
            return samples.astype(np.float32, copy=False)
    if (kind == "i" and num_bytes <= 4) or (kind == "u" and num_bytes == 1):
        full_scale = np.float32(2 ** (8 * num_bytes - 1))
        zero = full_scale if kind == "u" else np.float32(0)
        return (samples.astype(np.float32) - zero) / full_scale
    raise TypeError(
        f"`raw_speech` must hold floats or int8, int16, int32 or uint8, got {samples.dtype}{place}. Convert the samples to "
        "floats from -1 to 1, or 16-bit ones with `numpy.asarray(samples, dtype=numpy.int16)`."
    )


def _not_mono(samples: np.ndarray, place: str) -> str:
    """Say that a clip has channels, and how to average them."""
    message = f"`raw_speech` must be mono, got samples of shape {samples.shape}{place}. "
    if samples.ndim != 2:
        return message + "Give each clip as (samples,)."
    axis = int(np.argmin(samples.shape))
    return message + f"Average the channels, `x.mean({axis})`, of integers with `.astype(x.dtype)` behind it."


FastASTFeatureExtractor.register_for_auto_class("AutoFeatureExtractor")

__all__ = ["FastASTFeatureExtractor"]
