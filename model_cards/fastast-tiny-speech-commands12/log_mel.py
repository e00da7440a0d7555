"""Log-mel spectrograms as Kaldi computes them, for whole batches, on CPU or GPU. Pure functions on tensors.

Source: Kaldi's `compute-fbank-feats` with the settings of AST (Gong et al. 2021, arXiv 2104.01778, section 2.1): 25 ms Hann
windows every 10 ms, mean of each window removed, pre-emphasis 0.97, no dither, power spectrum, natural logarithm.

Deviations: the transform runs in float64, since a float32 one leaves noise above the floor of the logarithm wherever a
frame is loud and a bin is quiet; clips are not scaled to 16-bit integers, which AST does not either.
"""

import warnings
from functools import lru_cache

import torch
from transformers.audio_utils import mel_filter_bank

WINDOW_SECONDS, HOP_SECONDS = 0.025, 0.01
LOWEST_HZ = 20.0
PREEMPHASIS = 0.97
FLOOR = torch.finfo(torch.float32).eps
# Frames at a time on a CPU: so few that their windows, as float64, stay in its cache, and so many that threads pay.
_FRAMES_AT_A_TIME = 512


def window_length(sampling_rate: int) -> int:
    """Count the samples of an analysis window; a shorter clip has no frame.

    Args:
        sampling_rate: in Hz.

    Returns:
        Samples.
    """
    return int(WINDOW_SECONDS * sampling_rate)


def count_frames(num_samples: int, sampling_rate: int) -> int:
    """Count the frames of a clip: windows that lie wholly in it.

    Args:
        num_samples: of the clip.
        sampling_rate: in Hz.

    Returns:
        Frames, 0 for a clip that is shorter than a window.

    Example:
        >>> count_frames(160_000, 16_000)
        998
    """
    length, hop = window_length(sampling_rate), int(HOP_SECONDS * sampling_rate)
    return max(0, 1 + (num_samples - length) // hop)


def samples_of_frames(num_frames: int, sampling_rate: int) -> int:
    """Count the samples that frames see.

    Args:
        num_frames: at least 1.
        sampling_rate: in Hz.

    Returns:
        Samples.
    """
    return window_length(sampling_rate) + (num_frames - 1) * int(HOP_SECONDS * sampling_rate)


@lru_cache
def mel_filters(num_mel_bins: int, sampling_rate: int, device: torch.device) -> torch.Tensor:
    """Make Kaldi's mel filters, triangles on the mel scale from 20 Hz to half the sampling rate.

    Args:
        num_mel_bins: filters.
        sampling_rate: in Hz.
        device: where.

    Returns:
        (frequency bins, num_mel_bins) float32.
    """
    num_frequency_bins = _fft_length(sampling_rate) // 2 + 1
    with warnings.catch_warnings():
        # AST's 128 filters are narrower than a frequency bin at the low end: some are empty, in training too.
        warnings.filterwarnings("ignore", "At least one mel filter has all zero values")
        filters = mel_filter_bank(
            num_frequency_bins=num_frequency_bins,
            num_mel_filters=num_mel_bins,
            min_frequency=LOWEST_HZ,
            max_frequency=sampling_rate // 2,
            sampling_rate=sampling_rate,
            norm=None,
            mel_scale="kaldi",
            triangularize_in_mel_space=True,
        )
    return torch.from_numpy(filters).to(device, torch.float32)


def log_mel_spectrogram(waveforms: torch.Tensor, *, num_mel_bins: int, sampling_rate: int) -> torch.Tensor:
    """Compute log-mel spectrograms.

    Args:
        waveforms: (..., samples) float32 or float64, at least one window long, from -1 to 1.
        num_mel_bins: mel bins.
        sampling_rate: of the waveforms in Hz.

    Returns:
        (..., frames, num_mel_bins) float32, natural logarithm of the power, at least log(1.19e-7).
    """
    length, hop = window_length(sampling_rate), int(HOP_SECONDS * sampling_rate)
    filters = mel_filters(num_mel_bins, sampling_rate, waveforms.device)
    window = torch.hann_window(length, periodic=False, dtype=torch.float64, device=waveforms.device)
    waveforms = waveforms.double()
    # Pre-emphasis of a whole clip is that of each window, but for the window's first sample, which the Hann window takes.
    emphasized = torch.nn.functional.pad(waveforms[..., 1:] - PREEMPHASIS * waveforms[..., :-1], (1, 0))
    plain, emphasized = waveforms.unfold(-1, length, hop), emphasized.unfold(-1, length, hop)  # (..., T, W) views

    at_a_time = _FRAMES_AT_A_TIME if waveforms.device.type == "cpu" else plain.shape[-2]
    parts = []
    for start in range(0, plain.shape[-2], at_a_time):
        frames = slice(start, start + at_a_time)
        mean = plain[..., frames, :].mean(dim=-1, keepdim=True)
        windows = torch.sub(emphasized[..., frames, :], mean, alpha=1 - PREEMPHASIS).mul_(window)
        parts.append(_log_mel(windows, filters, _fft_length(sampling_rate)))
    return torch.cat(parts, dim=-2)


def _log_mel(windows: torch.Tensor, filters: torch.Tensor, fft_length: int) -> torch.Tensor:
    """Transform windows (..., T, W) float64 to log-mel (..., T, M) float32."""
    spectrum = torch.fft.rfft(windows, n=fft_length)  # (..., T, K)
    # Powers are positive, so from here on float32 loses nothing that a logarithm shows.
    real, imaginary = spectrum.real.float(), spectrum.imag.float()
    power = real.square_().addcmul_(imaginary, imaginary)
    return (power @ filters).clamp_(min=FLOOR).log_()


def _fft_length(sampling_rate: int) -> int:
    """Give the power of two that a window fits into."""
    return 1 << (window_length(sampling_rate) - 1).bit_length()


__all__ = ["count_frames", "log_mel_spectrogram", "mel_filters", "samples_of_frames", "window_length"]
