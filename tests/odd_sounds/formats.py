"""Whole files of every container, sample type, rate and number of channels: each must be answered."""

import io
from collections.abc import Iterator
from contextlib import suppress

import soundfile

from tests.odd_sounds.making import Expected, OddSound, encode, sound

RATES = (
    1,
    2,
    3,
    7,
    39,
    40,
    100,
    399,
    999,
    4_000,
    8_000,
    11_025,
    15_999,
    16_001,
    22_050,
    44_100,
    48_000,
    96_000,
    192_000,
)
LOWEST_RATE = 40  # in Hz, of sounds that are no error: what it holds ends where hearing begins
# Codecs of telephones know one rate, and these two containers write no length that reads back.
_RATE_OF = {"GSM610": 8_000, "VOX_ADPCM": 8_000}
_NOT_READ_BACK = {"RAW", "SD2"}


def _expected_at(rate: int) -> Expected:
    return "answer" if rate >= LOWEST_RATE else "refused"


def odd_formats() -> Iterator[OddSound]:
    """Give every container with every sample type that libsndfile writes and reads."""
    for container in sorted(soundfile.available_formats()):
        for subtype in sorted(soundfile.available_subtypes(container)) if container not in _NOT_READ_BACK else ():
            with suppress(soundfile.SoundFileError):  # it lists more pairs than it writes
                data = encode(sound(8_000), _RATE_OF.get(subtype, 16_000), format=container, subtype=subtype)
                soundfile.info(io.BytesIO(data))
                yield OddSound("formats", f"{container}-{subtype}.{container.lower()}".lower(), data, "answer")


def odd_layouts() -> Iterator[OddSound]:
    """Give all rates from 1 Hz, of which those below hearing are refused, and one to many channels."""
    for rate in RATES:
        data = encode(sound(max(2, rate // 5)), rate)
        yield OddSound("layouts", f"{rate}hz.wav", data, _expected_at(rate))
    for rate in (1, 8_000, 192_000, 655_350):
        data = encode(sound(max(64, rate // 5)), rate, format="FLAC")
        yield OddSound("layouts", f"{rate}hz.flac", data, _expected_at(rate))
    yield OddSound("layouts", "a-megabyte-at-1hz.wav", encode(sound(500_000), 1), "refused")  # six days
    for channels in range(1, 9):
        for container in ("WAV", "FLAC", "OGG"):
            data = encode(sound(num_channels=channels), format=container)
            yield OddSound("layouts", f"{channels}channels.{container.lower()}", data, "answer")
    for channels in (9, 64, 255, 1024):
        yield OddSound("layouts", f"{channels}channels.wav", encode(sound(num_channels=channels)), "answer")
