"""Files of chunks, each with its size before it: WAV, RF64, AIFF, W64 and CAF; and AU, whose samples are one chunk."""

from typing import Literal, NamedTuple


class Layout(NamedTuple):
    """How a format lays out its chunks: a name, a size, and what it holds.

    Attributes:
        first: Where the first chunk begins, in bytes of the file.
        name: Bytes of a chunk's name. Of a longer one, the first four tell.
        size: Bytes of its size.
        order: Of the bytes of its size.
        even: Chunks begin at multiples of it.
        counts_header: Whether a size counts name and size, too.
        unknown: Sizes from here on say that the writer, into a pipe, could not know.
    """

    first: int
    name: int
    size: int
    order: Literal["little", "big"]
    even: int
    counts_header: bool
    unknown: int


_UNKNOWN_SIZE = 0x7FFF_F000
"""Writers into a pipe put 0 as the size of a WAV file, or this (sox) or more (ffmpeg, arecord)."""

_RIFF = Layout(12, 4, 4, "little", 2, False, _UNKNOWN_SIZE)
_LAYOUTS = {
    b"RIFF": _RIFF,
    b"RF64": _RIFF,
    b"RIFX": _RIFF._replace(order="big"),
    b"FORM": _RIFF._replace(order="big"),
    b"riff": Layout(40, 16, 8, "little", 8, True, 2**63 - 1),  # what ffmpeg puts, the largest number of a signed size
    b"caff": Layout(8, 4, 8, "big", 1, False, 2**63),  # -1, the specification says
}
_SAMPLE_CHUNKS = (b"data", b"SSND")
_SIZES_OF_RF64, _PLACE_IN_RF64 = b"ds64", 8  # after the size of the whole file

_AU_ORDERS: dict[bytes, Literal["little", "big"]] = {b".snd": "big", b"dns.": "little"}
_AU_UNKNOWN_SIZE = 0xFFFF_FFFF


def missing_bytes(data: bytes) -> int | None:
    """Count the bytes of samples that a file promises and does not hold.

    Source: Multimedia Programming Interface and Data Specifications 1.0 (RIFF); EBU Tech 3306 (RF64); AIFF 1.3; Sony Wave64;
    Apple Core Audio Format Specification 1.0; au(5) (AU).

    Args:
        data: The file.

    Returns:
        How many, 0 where it is whole or does not tell; None if it is of another format.

    Example:
        >>> missing_bytes(b"RIFF....WAVEdata" + (6).to_bytes(4, "little") + b"abcd")
        2
    """
    if data[:4] in _AU_ORDERS:
        return _missing_of_au(data, _AU_ORDERS[data[:4]])
    layout = _LAYOUTS.get(data[:4])
    return None if layout is None else _missing_of_chunks(data, layout)


def _missing_of_chunks(data: bytes, layout: Layout) -> int:
    """Go from chunk to chunk to the samples."""
    position, size_of_rf64 = layout.first, 0
    header = layout.name + layout.size
    while position + header <= len(data):
        size = int.from_bytes(data[position + layout.name : position + header], layout.order)
        content = position + header
        is_unknown = size >= layout.unknown
        size -= header if layout.counts_header else 0
        name = data[position : position + 4]
        if name == _SIZES_OF_RF64:
            place = content + _PLACE_IN_RF64
            size_of_rf64 = int.from_bytes(data[place : place + 8], layout.order)
        if name in _SAMPLE_CHUNKS:
            size = size_of_rf64 if is_unknown else size
            return max(0, content + size - len(data))
        position = content + max(0, size)
        position += -position % layout.even
    return 0


def _missing_of_au(data: bytes, order: Literal["little", "big"]) -> int:
    """Read where the samples of an AU file begin, and their bytes."""
    begin, size = (int.from_bytes(data[place : place + 4], order) for place in (4, 8))
    return 0 if size == _AU_UNKNOWN_SIZE else max(0, begin + size - len(data))
