"""Feature extraction for FastAST: waveforms to normalised log-mel spectrograms."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from transformers import ASTFeatureExtractor, BatchFeature
from transformers.utils import FEATURE_EXTRACTOR_NAME, logging

from .json_files import parse_object
from .log_mel import count_frames, log_mel_spectrogram, samples_of_frames, window_length
from .version import __version__
from .waveforms import check_waveforms

logger = logging.get_logger(__name__)

# The frames of AST's patches; a spectrogram that is shorter holds none.
_FRAMES_OF_A_PATCH = 16

# In Hz, a window of 25 ms has three samples from here on: the Hann window is zero at its ends, and would see nothing of two.
_LEAST = {"sampling_rate": 120, "num_mel_bins": 1, "max_length": 1}

# Far beyond what sounds and models have; a file of settings that says more would only fill the memory.
_MOST = {"sampling_rate": 1_000_000, "num_mel_bins": 4_096, "max_length": 1_000_000}


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
        ValueError: if `padding` is neither, or a setting is no such number.

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
        _check_counts(sampling_rate=sampling_rate, num_mel_bins=num_mel_bins, max_length=max_length)
        if do_normalize:
            _check_normalization(mean, std)
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
    def get_feature_extractor_dict(
        cls, pretrained_model_name_or_path: Any, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read the settings of a checkpoint as a dictionary.

        Raises:
            ValueError: if the file holds no JSON object.
        """
        read_by_transformers = super().get_feature_extractor_dict
        return parse_object(
            FEATURE_EXTRACTOR_NAME,
            pretrained_model_name_or_path,
            lambda: read_by_transformers(pretrained_model_name_or_path, **kwargs),
        )

    @classmethod
    def from_dict(cls, feature_extractor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Build it from settings and keywords, which win; of settings without `padding`, as AST's are, too.

        Raises:
            ValueError: if a setting is none that it takes, or holds what it cannot.
        """
        try:
            return super().from_dict({"padding": "max_length"} | feature_extractor_dict, **kwargs)
        except TypeError as error:
            raise ValueError(
                f"`{FEATURE_EXTRACTOR_NAME}` must hold the settings of a feature extractor, got others ({error}). Copy or download "
                "it again."
            ) from error

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
        """Leave out the samples that no frame of `max_length` sees, and copy what torch cannot look at."""
        samples = samples_of_frames(self.max_length, self.sampling_rate)
        # in one piece (C), aligned (A) and writable (W): as an array mostly is, but for one turned round or read-only
        return [
            torch.from_numpy(np.require(waveform[:samples], requirements=("C", "A", "W"))) for waveform in waveforms
        ]


def _check_counts(**counts: Any) -> None:
    """Refuse what is no whole number, or one that nothing has."""
    for name, count in counts.items():
        least, most = _LEAST[name], _MOST[name]
        if not isinstance(count, Integral) or isinstance(count, bool) or not least <= int(count) <= most:
            raise ValueError(
                f"`{name}` must be a whole number from {least} to {most:,}, got {count!r}. Look into preprocessor_config.json."
            )


def _check_normalization(mean: Any, std: Any) -> None:
    """Refuse what log-mel values cannot be normalised with."""
    for name, value in {"mean": mean, "std": std}.items():
        if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
            raise ValueError(f"`{name}` must be a finite number, got {value!r}. Look into preprocessor_config.json.")
    if std <= 0:
        raise ValueError(f"`std` must be above 0, got {std!r}. Look into preprocessor_config.json.")


def _check_padding(padding: str) -> str:
    if padding not in ("max_length", "longest"):
        raise ValueError(
            f'`padding` must be "max_length" or "longest", got {padding!r}. The first pads as AST does, the second not more '
            "than the longest clip needs."
        )
    return padding


FastASTFeatureExtractor.register_for_auto_class("AutoFeatureExtractor")

__all__ = ["FastASTFeatureExtractor"]
