"""The batched log-mel beside transformers' frame-by-frame one, which AST's feature extractor uses."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.audio_utils import spectrogram, window_function

from fastast_hf.data.audio import load_audio
from fastast_hf.model.log_mel import count_frames, log_mel_spectrogram, mel_filters, window_length
from tests.conftest import ESC10, requires_shared

CPU = torch.device("cpu")


def naive(waveform, *, num_mel_bins=128, sampling_rate=16_000):
    """Compute one frame after the other with NumPy."""
    length = window_length(sampling_rate)
    return spectrogram(
        waveform,
        window_function(length, "hann", periodic=False),
        frame_length=length,
        hop_length=int(0.01 * sampling_rate),
        fft_length=2 * (mel_filters(num_mel_bins, sampling_rate, CPU).shape[0] - 1),
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=mel_filters(num_mel_bins, sampling_rate, CPU).double().numpy(),
        log_mel="log",
        mel_floor=1.192092955078125e-07,
        remove_dc_offset=True,
    ).T


def chirp(seconds=2.0, *, logarithmic, sampling_rate=16_000):
    """Sweep from 20 Hz to half the sampling rate: always one loud bin beside silent ones."""
    time = np.arange(int(seconds * sampling_rate)) / sampling_rate
    first, last = 20.0, sampling_rate / 2
    if logarithmic:
        rate = (last / first) ** (1 / seconds)
        return np.sin(2 * np.pi * first * (rate**time - 1) / np.log(rate))
    return np.sin(2 * np.pi * (first * time + (last - first) / (2 * seconds) * time**2))


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, num_samples)


SOUNDS = {
    "silence": np.zeros(16_000),
    "constant": np.full(16_000, 0.5),
    "one window": noise(400),
    "noise": noise(16_000),
    "quiet noise": 1e-6 * noise(16_000),
    "denormal": np.full(16_000, 1e-42),
    "impulse": np.eye(1, 16_000, 8_000)[0],
    "linear chirp": chirp(logarithmic=False),
    "logarithmic chirp": chirp(logarithmic=True),
    "faint chirp": 1e-3 * chirp(logarithmic=True),
    "square": np.sign(chirp(logarithmic=True)),
}


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("num_mel_bins", [128, 40])
def test_it_equals_the_frame_by_frame_twin(name, num_mel_bins):
    waveform = SOUNDS[name].astype(np.float32)
    fast = log_mel_spectrogram(torch.from_numpy(waveform), num_mel_bins=num_mel_bins, sampling_rate=16_000)
    assert fast.dtype == torch.float32
    np.testing.assert_allclose(fast.numpy(), naive(waveform, num_mel_bins=num_mel_bins), rtol=0, atol=1e-4)


def test_a_float32_transform_would_miss_it_on_a_chirp():
    """Why it runs in float64."""
    waveform = torch.from_numpy(chirp(logarithmic=False)).float()
    windows = (waveform - 0.97 * waveform.roll(1)).unfold(0, 400, 160)
    windows = (windows - windows.mean(-1, keepdim=True)) * torch.hann_window(400, periodic=False)
    power = torch.fft.rfft(windows, n=512).abs().square() @ mel_filters(128, 16_000, CPU)
    single = power.clamp(min=torch.finfo(torch.float32).eps).log()
    assert np.abs(single.numpy() - naive(waveform.numpy())).max() > 1e-3


@requires_shared
def test_it_equals_the_twin_on_recordings():
    for path in sorted(ESC10.glob("*/*.ogg"))[::57]:
        waveform = load_audio(path, sampling_rate=16_000)
        fast = log_mel_spectrogram(torch.from_numpy(waveform), num_mel_bins=128, sampling_rate=16_000)
        np.testing.assert_allclose(fast.numpy(), naive(waveform), rtol=0, atol=1e-4)


@pytest.mark.parametrize("sampling_rate", [8_000, 16_000, 22_050, 32_000, 44_100, 48_000])
def test_windows_last_25_ms_at_every_rate(sampling_rate):
    waveform = noise(sampling_rate // 4).astype(np.float32)
    fast = log_mel_spectrogram(torch.from_numpy(waveform), num_mel_bins=64, sampling_rate=sampling_rate)
    np.testing.assert_allclose(
        fast.numpy(), naive(waveform, num_mel_bins=64, sampling_rate=sampling_rate), rtol=0, atol=1e-4
    )
    assert len(fast) == count_frames(len(waveform), sampling_rate)


@settings(max_examples=50, deadline=None)
@given(num_samples=st.integers(400, 90_000), batch=st.integers(1, 3))
def test_a_batch_is_its_clips(num_samples, batch):
    waveforms = torch.from_numpy(noise(batch * num_samples).reshape(batch, num_samples)).float()
    together = log_mel_spectrogram(waveforms, num_mel_bins=32, sampling_rate=16_000)
    assert together.shape == (batch, count_frames(num_samples, 16_000), 32)
    alone = [log_mel_spectrogram(waveform, num_mel_bins=32, sampling_rate=16_000) for waveform in waveforms]
    torch.testing.assert_close(together, torch.stack(alone), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("num_samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (160_000, 998)])
def test_frames_are_windows_wholly_inside(num_samples, frames):
    assert count_frames(num_samples, 16_000) == frames
