"""A tone, and the bytes of sound files: what tests of reading sounds share."""

import io

import numpy as np
import soundfile


def encode(samples, sampling_rate=16_000, **kwargs):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sampling_rate, **{"format": "WAV", "subtype": "PCM_16", **kwargs})
    return buffer.getvalue()


def tone(frequency, sampling_rate, seconds=0.5):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * sampling_rate)) / sampling_rate)
