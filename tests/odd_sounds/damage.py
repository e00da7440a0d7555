"""Files that lost something on their way: cut at every kind of place, overwritten, or never a sound."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.odd_sounds.making import SEED, OddSound, encode, overwrite, sound

NUM_SAMPLES = 12_000  # less than the test model hears at a time, which of a longer one would not meet the end
CONTAINERS: dict[str, dict[str, Any]] = {
    "wav": {"format": "WAV"},
    "wavex": {"format": "WAVEX", "subtype": "PCM_24"},
    "aiff": {"format": "AIFF"},
    "flac": {"format": "FLAC"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3"},
    "caf": {"format": "CAF"},
    "au": {"format": "AU"},
    "w64": {"format": "W64"},
    "rf64": {"format": "RF64"},
}

_CUTS: dict[str, Callable[[bytes], int]] = {
    "at-nothing": lambda data: 0,
    "at-1-byte": lambda data: 1,
    "in-the-name": lambda data: 3,
    "behind-the-name": lambda data: 4,
    "in-the-header": lambda data: 21,
    "at-a-tenth": lambda data: len(data) // 10,
    "in-the-middle": lambda data: len(data) // 2,
    "at-an-even-place": lambda data: len(data) * 3 // 4 // 8 * 8,
    "at-an-odd-place": lambda data: len(data) * 3 // 4 // 8 * 8 + 1,
    "before-the-last-byte": lambda data: len(data) - 1,
}


def odd_cuts() -> Iterator[OddSound]:
    """Give files of eleven kinds cut at ten kinds of places, and at the borders of what they are made of."""
    for ending, container in CONTAINERS.items():
        whole = encode(sound(NUM_SAMPLES), **container)
        for name, place in _CUTS.items():
            yield OddSound("cuts", f"{ending}-{name}.{ending}", whole[: place(whole)], "refused")
        for number, border in enumerate(_borders(whole, ending)):
            yield OddSound("cuts", f"{ending}-at-border-{number}.{ending}", whole[:border], "refused")


def _borders(whole: bytes, ending: str) -> list[int]:
    """Find where pages (Ogg) or frames (FLAC) begin, the second of them, one in the middle, and the last."""
    pattern = {"ogg": b"OggS", "opus": b"OggS", "flac": rb"\xff\xf8"}.get(ending)
    if pattern is None:
        return []
    places = [match.start() for match in re.finditer(pattern, whole)][1:]
    return sorted({places[0], places[len(places) // 2], places[-1]})


def odd_damage() -> Iterator[OddSound]:
    """Give files with bytes overwritten, taken out, put in and doubled. Few formats notice, and none has to."""
    generator = np.random.default_rng(SEED)
    for ending, container in CONTAINERS.items():
        whole = encode(sound(NUM_SAMPLES), **container)
        middle = len(whole) // 2
        noise = generator.bytes(64)
        damaged = {
            "noise-in-the-middle": overwrite(whole, middle, noise),
            "zeros-in-the-middle": overwrite(whole, middle, bytes(64)),
            "noise-in-the-header": overwrite(whole, 8, generator.bytes(16)),
            "bytes-taken-out": whole[:middle] + whole[middle + 13 :],
            "beginning-taken-out": whole[11:],
            "the-other-half-first": whole[middle:] + whole[:middle],
            "twice": whole + whole,
            "flipped-bits": _flipped(whole, generator),
            "noise-behind": whole + noise,
        }
        for name, data in damaged.items():
            yield OddSound("damage", f"{ending}-{name}.{ending}", data, "either")


def _flipped(data: bytes, generator: np.random.Generator) -> bytes:
    """Flip a bit in one of a hundred bytes."""
    values = np.frombuffer(data, dtype=np.uint8).copy()
    places = generator.choice(len(values), max(1, len(values) // 100), replace=False)
    values[places] ^= np.uint8(1) << generator.integers(0, 8, len(places), dtype=np.uint8)
    return values.tobytes()


def odd_strangers() -> Iterator[OddSound]:
    """Give what is called a sound and is none."""
    generator = np.random.default_rng(SEED)
    strangers = {
        "text.wav": b"not a sound\n",
        "web-page.mp3": b"<!DOCTYPE html><html><head><title>404 Not Found</title></head></html>\n" * 20,
        "listing.json.ogg": b'{"error": "rate limit exceeded"}',
        "pointer.flac": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n",
        "picture.wav": b"\x89PNG\r\n\x1a\n" + generator.bytes(5_000),
        "photo.mp3": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + generator.bytes(5_000),
        "archive.wav": b"PK\x03\x04" + generator.bytes(5_000),
        "film.wav": b"\x00\x00\x00\x20ftypisom" + generator.bytes(5_000),
        "page.au": b"<!DOCTYPE html><html><head><title>404 Not Found</title></head></html>\n" * 200,
        "matroska.ogg": b"\x1a\x45\xdf\xa3" + generator.bytes(5_000),
        "program.wav": b"\x7fELF\x02\x01\x01" + bytes(5_000),
        "zeros.wav": bytes(20_000),
        "one-zero.wav": b"\0",
        "ones.flac": b"\xff" * 20_000,
        "line-ends.wav": b"\r\n" * 5_000,
        "spaces.aiff": b" " * 10_000,
        "picture-in-riff.wav": b"RIFF" + (5_000).to_bytes(4, "little") + b"WEBP" + generator.bytes(5_000),
        "film-in-riff.wav": b"RIFF" + (5_000).to_bytes(4, "little") + b"AVI " + generator.bytes(5_000),
        "video-in-ogg.ogg": b"OggS\0\2" + bytes(20) + b"\1\x2a\x80theora" + generator.bytes(3_000),
    }
    for name, data in strangers.items():
        yield OddSound("strangers", name, data, "refused")
    for number in range(5):  # MP3 decoders find frames in anything
        data = generator.bytes(30_000)
        yield OddSound("strangers", f"noise-{number}.mp3", data, "either")
    for ending, container in CONTAINERS.items():
        named = ".wav" if ending != "wav" else ".mp3"
        data = encode(sound(NUM_SAMPLES), **container)
        yield OddSound("strangers", f"really-{ending}{named}", data, "answer")
