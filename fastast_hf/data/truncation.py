"""What a sound file tells of its own length, so that one that was cut short is not taken for a shorter sound.

libsndfile reads what is left of Ogg, WAV, AIFF, W64, RF64, CAF, AU and MP3 files, and of a FLAC file that was cut where one of
its frames ends.
"""

from fastast_hf.data.truncation_chunks import missing_bytes

_LONGEST_FLAC = 2**36
"""More samples than a FLAC file can tell of: so many libsndfile tells of one that was written into a pipe."""

_LAST_PAGE = 4
_HAS_NUM_FRAMES = 1


def describe_cut(data: bytes, *, frames_told: int, frames_read: int) -> str | None:
    """Say how the bytes of a sound file show that its end is missing.

    Source: RFC 3533 (Ogg), section 6; RFC 9639 (FLAC), section 8.2; the Xing and Info headers that MP3 encoders write into the
    first frame; for the others see `missing_bytes`.

    Args:
        data: The file.
        frames_told: Samples a channel that libsndfile expected.
        frames_read: Samples a channel that it decoded.

    Returns:
        A few words, or None where the file is whole or does not tell: one that was written into a pipe, an MP3 file without a
        Xing or Info header, which nearly all encoders write, and rarer formats.
    """
    if data[:4] == b"OggS":
        return None if _ends_ogg_stream(data) else "its last page does not end the stream"
    missing = missing_bytes(data)
    if missing is not None:
        return f"its last {missing} bytes are missing" if missing else None
    start = _end_of_tags(data)
    tells = frames_told < _LONGEST_FLAC if data[start : start + 4] == b"fLaC" else _tells_mp3_frames(data, start)
    if frames_read < frames_told and tells:
        return f"it tells of {frames_told} samples and holds {frames_read}"
    return None


def _ends_ogg_stream(data: bytes) -> bool:
    """Tell whether the last page is marked as last and all there."""
    page = data.rfind(b"OggS")
    header_end = page + 27
    if header_end > len(data):
        return False
    num_segments = data[page + 26]
    page_end = header_end + num_segments + sum(data[header_end : header_end + num_segments])
    return bool(data[page + 5] & _LAST_PAGE) and page_end <= len(data)


def _end_of_tags(data: bytes) -> int:
    """Find where the sound begins after ID3 tags, whose size comes in bytes of seven bits."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    return 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))


def _tells_mp3_frames(data: bytes, start: int) -> bool:
    """Tell whether an MP3 file's first frame counts the frames; without, libsndfile guesses from the file's size."""
    first_frame = data[start : start + 48]  # the header stands 36 bytes in at most
    for name in (b"Xing", b"Info"):
        position = first_frame.find(name)
        if position >= 0 and len(first_frame) >= position + 8:
            return bool(first_frame[position + 7] & _HAS_NUM_FRAMES)
    return False
