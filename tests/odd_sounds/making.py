"""What the themes of the corpus share: what an odd sound is, sounds to spoil, and the bytes of files."""

import io
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import soundfile

RATE = 16_000
SEED = 0

Expected = Literal["answer", "refused", "either"]
"""What must become of a file. "either": its format does not tell, or a decoder may or may not notice."""


@dataclass(frozen=True)
class OddSound:
    """A file of the corpus.

    Attributes:
        theme: Its folder.
        name: Its path in that folder.
        data: Its bytes; a str is where a symbolic link points to; None is a pipe into which nobody writes.
        expected: What must become of it.
        size: Zeros behind the bytes make it so long; they take no place on a disk. 0 for none.
    """

    theme: str
    name: str
    data: bytes | str | None
    expected: Expected
    size: int = 0


def sound(num_samples: int = RATE // 5, num_channels: int = 1, *, seed: int = SEED) -> np.ndarray:
    """Make noise over a tone, (samples, channels) float64 within [-0.8, 0.8]."""
    noise = np.random.default_rng(seed).uniform(-0.3, 0.3, (num_samples, num_channels))
    return noise + 0.5 * np.sin(0.2 * np.arange(num_samples))[:, None]


def encode(samples: np.ndarray | None = None, rate: int = RATE, **kwargs: Any) -> bytes:
    """Write a sound file, 16-bit WAV if nothing else is said, and give its bytes, without the time of writing."""
    buffer = io.BytesIO()
    soundfile.write(
        buffer, sound() if samples is None else samples, rate, **{"format": "WAV", "subtype": None, **kwargs}
    )
    data = re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", b"2000-01-01 00:00:00", buffer.getvalue())  # MAT5
    peak = data.find(b"PEAK")  # of WAV and AIFF with floats: size, version, time
    return data if peak < 0 else overwrite(data, peak + 12, bytes(4))


def chunk(name: bytes, content: bytes, *, size: int | None = None) -> bytes:
    """Make a chunk of a WAV file, if wanted with a size that is wrong."""
    size = len(content) if size is None else size
    return name + size.to_bytes(4, "little") + content + bytes(len(content) % 2)


def wav_format(
    *, tag: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16, block: int | None = None, extra: bytes = b""
) -> bytes:
    """Make the format chunk of a WAV file of any numbers, those that cannot be among them."""
    block = channels * bits // 8 if block is None else block
    fields = ((tag, 2), (channels, 2), (rate, 4), (rate * block % 2**32, 4), (block % 2**16, 2), (bits, 2))
    return chunk(b"fmt ", b"".join(value.to_bytes(size, "little") for value, size in fields) + extra)


def wav(*chunks: bytes, size: int | None = None) -> bytes:
    """Put chunks into a RIFF file, if wanted with a size that is wrong."""
    content = b"WAVE" + b"".join(chunks)
    return chunk(b"RIFF", content, size=size)


def pcm(num_samples: int = RATE // 5) -> bytes:
    """Give the samples of `sound` as 16-bit little-endian bytes."""
    return (32_767 * sound(num_samples)).astype("<i2").tobytes()


def overwrite(data: bytes, place: int, new: bytes) -> bytes:
    """Replace bytes from a place on."""
    return data[:place] + new + data[place + len(new) :]
