"""What a pipe carries, by its first bytes: a file whose bytes, taken for samples, would be noise with labels.

Raw PCM has no header, so any bytes may be a sound. Names of three bytes and more are hardly ever there by chance. Frames of MP3
and AAC begin with eleven or twelve set bits, which are: as a sample, -1025 or its like. So several frames must stand one after
the other. Those of Layer I, which nobody writes any more, begin with -1, as quiet sounds do, and are not looked for.
"""

import io
from typing import NamedTuple

_NAMES = {
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"ID3": "MP3",
    b"\x1a\x45\xdf\xa3": "WebM or Matroska",
    b".snd": "AU",
    b"caff": "CAF",
    b"RF64": "RF64",
    b"RIFX": "RIFX",
}
_NAMES_INSIDE = {(b"FORM", 8, b"AIFF"): "AIFF", (b"FORM", 8, b"AIFC"): "AIFF", (b"", 4, b"ftyp"): "MP4 or M4A"}
_NUM_BYTES = 12

_NUM_FRAMES = 4
"""Frame headers that must stand where the ones before say. One alone is there at two of ten thousand places in noise."""

# Of MPEG audio, by version (3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5) and layer (1: III, 2: II), as their bits stand in a header.
_KBITS = {
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    **dict.fromkeys([(2, 1), (2, 2), (0, 1)], (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_MPEG_HEADER, _ADTS_HEADER = 4, 6


class Frame(NamedTuple):
    """What the header of a frame tells.

    Attributes:
        name: Of the format.
        size: Bytes from this header to the next.
        kind: What does not change from frame to frame.
    """

    name: str
    size: int
    kind: tuple[int, ...]


class BegunPipe(io.RawIOBase):
    """A pipe whose first bytes can be looked at, however few come at a time, and are read again."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream, self._head = stream, b""

    def first(self, num_bytes: int) -> bytes:
        """Wait for the first bytes.

        Args:
            num_bytes: How many.

        Returns:
            So many, or fewer where the pipe ends before.
        """
        if len(self._head) < num_bytes:
            self._head += self._stream.read(num_bytes - len(self._head))
        return self._head[:num_bytes]

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Give the first bytes again, and then what comes."""
        if not self._head:
            return self._stream.readinto1(buffer)
        part, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def name_format(pipe: BegunPipe) -> str | None:
    """Tell which format a pipe carries that is neither raw PCM nor WAV.

    Source: ISO/IEC 11172-3, 2.4.1.3, and 13818-3 (MPEG audio frames; not those of a free bit rate, which do not tell their
    size); ISO/IEC 13818-7, 6.2 (ADTS).

    Args:
        pipe: At its beginning. No more is waited for than it takes to tell: 12 bytes, unless they begin like a frame.

    Returns:
        The format's name, or None.
    """
    head = pipe.first(_NUM_BYTES)
    for start, name in _NAMES.items():
        if head.startswith(start):
            return name
    for (start, place, inside), name in _NAMES_INSIDE.items():
        if head.startswith(start) and head[place:].startswith(inside):
            return name
    return _name_frames(pipe)


def _name_frames(pipe: BegunPipe) -> str | None:
    """Go from frame to frame, as long as each is where the one before says and of the first one's kind."""
    frames: list[Frame] = []
    place = 0
    while len(frames) < _NUM_FRAMES:
        frame = _read_frame(pipe.first(place + _ADTS_HEADER)[place:])
        if frame is None or frame.kind != (frames or [frame])[0].kind:
            return None
        frames.append(frame)
        place += frame.size
    before_the_last = pipe.first(place - frames[-1].size)
    return None if _repeats(before_the_last, frames[0].size) else frames[0].name


def _repeats(data: bytes, size: int) -> bool:
    """Tell whether a part comes again and again to the bit, as in a tone that happens to hold a header, and in no music."""
    return data == data[:size] * (len(data) // size)


def _read_frame(header: bytes) -> Frame | None:
    """Read the header of an MP3, an MP2 or an ADTS frame."""
    if len(header) < _MPEG_HEADER or header[0] != 0xFF or header[1] < 0xE0:
        return None
    if header[1] & 0xF6 == 0xF0:
        return _read_adts_frame(header)
    version, layer, rate = header[1] >> 3 & 3, header[1] >> 1 & 3, header[2] >> 2 & 3
    kbits, number = _KBITS.get((version, layer)), header[2] >> 4
    if kbits is None or rate == 3 or not 1 <= number <= len(kbits):
        return None
    samples = 576 if layer == 1 and version != 3 else 1152
    size = samples // 8 * kbits[number - 1] * 1000 // _RATES[version][rate] + (header[2] >> 1 & 1)
    return Frame("MP3" if layer == 1 else "MP2", size, (version, layer, rate))


def _read_adts_frame(header: bytes) -> Frame | None:
    """Read the header of an ADTS frame of AAC: profile, rate and channels stay, and the size is told."""
    if len(header) < _ADTS_HEADER:
        return None
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    rate = header[2] >> 2 & 15
    kind = (header[1], header[2] >> 6, rate, header[2] & 1, header[3] >> 6)
    return Frame("AAC", size, kind) if rate < 13 and size > _ADTS_HEADER else None
