"""Sound files that were cut short: real ones at many places, and what must not be taken for a cut."""

import io
import re

import numpy as np
import pytest
import soundfile

from fastast_hf.data.audio import load_audio, stream_audio
from fastast_hf.data.truncation import describe_cut
from tests.conftest import ESC10, SHARED, requires_shared

OGG = ESC10 / "dog_bark" / "1-100032-A.ogg"
FLAC = SHARED / "data" / "speech_commands12" / "audio" / "yes"
ORDERS = {"FILE": "<i2", "LITTLE": "<i2", "BIG": ">i2"}
SHARES = [0.0005, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99]

# soundfile seeks before the start of a file without a whole header, and prints what it should raise
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def noise(num_samples=16_000, num_channels=1):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (num_samples, num_channels))


def encode(samples, **kwargs):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 16_000, **kwargs)
    return buffer.getvalue()


def cuts(data):
    """Cut at shares of the length, and by one byte."""
    return [data[: int(share * len(data))] for share in SHARES] + [data[:-1]]


def assert_refused(data, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(data)
    for source in (path, {"bytes": data, "path": name}):
        with pytest.raises(
            ValueError, match=rf"(?i)`source` must be a (complete )?sound file.*{re.escape(name)}.*cop"
        ):
            load_audio(source)


@requires_shared
def test_a_real_ogg_file_cut_anywhere(tmp_path):
    whole = OGG.read_bytes()
    pages = [page.start() for page in re.finditer(b"OggS", whole)]
    assert len(pages) > 5
    for data in cuts(whole) + [whole[:page] for page in pages[1:]]:  # at page boundaries libsndfile notices nothing
        assert_refused(data, tmp_path, "cut.ogg")


@requires_shared
def test_a_real_flac_file_cut_anywhere(tmp_path):
    for data in cuts(sorted(FLAC.iterdir())[0].read_bytes()):
        assert_refused(data, tmp_path, "cut.flac")


@pytest.mark.parametrize("num_channels", [1, 2])
@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "FLOAT"),
        ("WAV", "IMA_ADPCM"),
        ("WAVEX", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("RF64", "PCM_16"),
        ("W64", "PCM_16"),
        ("W64", "ULAW"),
        ("W64", "MS_ADPCM"),
        ("CAF", "PCM_16"),
        ("CAF", "FLOAT"),
        ("AU", "PCM_16"),
        ("AU", "DOUBLE"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("FLAC", "PCM_16"),
        ("MP3", None),
    ],
)
def test_a_written_file_is_whole_and_its_parts_are_not(tmp_path, container, subtype, num_channels):
    whole = encode(noise(num_channels=num_channels), format=container, subtype=subtype)
    assert 16_000 <= len(load_audio(whole)) < 17_000  # ADPCM fills up its last block
    for data in cuts(whole):
        assert_refused(data, tmp_path, f"cut.{container.lower()}")


@pytest.mark.parametrize("tags", [b"", b"ID3\x04\0\0" + bytes([0, 0, 2, 0]) + bytes(256)])
def test_a_flac_file_cut_where_a_frame_ends(tmp_path, tags):
    """libFLAC finds nothing wrong: the frames are whole, and the header alone tells of more."""
    whole = encode(noise(), format="FLAC")
    frames = [frame.start() for frame in re.finditer(rb"\xff\xf8", whole)]
    assert len(load_audio(tags + whole)) == 16_000
    for frame in frames[1:]:
        assert_refused(tags + whole[:frame], tmp_path, "cut.flac")


def test_a_flac_file_that_tells_of_hours(tmp_path):
    whole = encode(noise(), format="FLAC")
    packed = int.from_bytes(whole[18:26], "big")  # the lowest 36 bits count the samples
    for samples in (16_001, 36_000 * 16_000, 2**36 - 1):
        data = whole[:18] + (packed >> 36 << 36 | samples).to_bytes(8, "big") + whole[26:]
        assert_refused(data, tmp_path, "hours.flac")
    with pytest.raises(
        ValueError, match=r"cut short: it tells of 68719476735 samples and holds 16000\. Copy it again"
    ):
        load_audio(data)


@pytest.mark.parametrize(
    ("container", "endian"),
    [("W64", "FILE"), ("RF64", "FILE"), ("CAF", "LITTLE"), ("CAF", "BIG"), ("AU", "LITTLE"), ("AU", "BIG"), ("AIFF", "BIG")],
)  # fmt: skip
def test_the_missing_bytes_are_counted(tmp_path, container, endian):
    """By `load_audio`, and by a stream, which looks before it reads."""
    whole = encode(noise(), format=container, subtype="PCM_16", endian=endian)
    end = whole.rfind(soundfile.read(io.BytesIO(whole), dtype="int16")[0][-1:].astype(ORDERS[endian]).tobytes()) + 2
    path = tmp_path / "cut"
    for missing in (1, 999, 2_000):  # of CAF files that lack more, libsndfile tells itself
        path.write_bytes(whole[: end - missing])
        message = (
            rf"got '.*cut', which was cut short: its last {missing} bytes are missing\. Copy it again; if there is no"
        )
        for read in (load_audio, lambda path: next(stream_audio(path))):
            with pytest.raises(ValueError, match=rf"`source` must be a complete sound file, {message}"):
                read(path)


@pytest.mark.parametrize(("container", "subtype"), [("CAF", "ALAC_16"), ("AU", "G721_32"), ("WAV", "GSM610")])
def test_a_codec_s_file_is_whole_and_its_parts_are_not(tmp_path, container, subtype):
    """Behind the samples there are a table, or a byte for an even end: without the last of these no sound is missing."""
    whole = encode(noise(8_000), format=container, subtype=subtype)
    assert 8_000 <= len(load_audio(whole)) < 8_400
    for data in cuts(whole)[:-1]:
        assert_refused(data, tmp_path, f"cut.{container.lower()}")


def test_what_comes_out_of_a_pipe_does_not_know_its_size():
    """AU and W64 files have a number for that; so has CAF, but libsndfile does not read it."""
    au, w64, caf = (encode(noise(), format=name, subtype="PCM_16") for name in ("AU", "W64", "CAF"))
    w64_size, caf_size = w64.rfind(b"data") + 16, caf.find(b"data") + 4
    unknown = {
        "au": au[:8] + b"\xff" * 4 + au[12:],
        "w64": w64[:w64_size] + b"\xff" * 8 + w64[w64_size + 8 :],
    }
    for data in unknown.values():
        assert load_audio(data).shape == (16_000,)
        assert describe_cut(data, frames_told=0, frames_read=0) is None
        assert len(load_audio(data[:-2_000])) == 15_000
    assert describe_cut(caf[:caf_size] + b"\xff" * 8, frames_told=0, frames_read=0) is None
    assert describe_cut(w64[:w64_size] + b"\xff" * 7 + b"\x7f", frames_told=0, frames_read=0) is None  # by ffmpeg


def test_the_reason_is_told():
    wav = encode(noise(), format="WAV", subtype="PCM_16")
    with pytest.raises(ValueError, match=r"which was cut short: its last 1000 bytes are missing. Copy it again; if"):
        load_audio(wav[:-1000])
    ogg = encode(noise(), format="OGG", subtype="VORBIS")
    with pytest.raises(ValueError, match=r"which was cut short: its last page does not end the stream. Copy"):
        load_audio(ogg[: ogg.rfind(b"OggS")])
    mp3 = encode(noise(), format="MP3")
    with pytest.raises(ValueError, match=r"which was cut short: it tells of 16000 samples and holds \d+. Copy"):
        load_audio(mp3[: len(mp3) // 2])


@pytest.mark.parametrize("size", [0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF])
def test_a_wav_file_from_a_pipe_does_not_know_its_size(size):
    data = bytearray(encode(noise(), format="WAV", subtype="PCM_16"))
    place = data.find(b"data") + 4
    data[place : place + 4] = size.to_bytes(4, "little")
    assert load_audio(bytes(data)).shape == (16_000,)


def test_other_chunks_of_a_wav_file_may_be_anywhere():
    data = encode(noise(), format="WAV", subtype="PCM_16")
    odd = b"LIST" + (5).to_bytes(4, "little") + b"INFOx\0"  # an odd chunk is followed by a byte that it does not count
    place = data.find(b"data")
    before, after = data[:place] + odd + data[place:], data + odd
    for whole in (before, after):
        np.testing.assert_array_equal(load_audio(whole), load_audio(data))
    with pytest.raises(ValueError, match="its last 7 bytes are missing"):
        load_audio(before[:-7])


def test_bytes_behind_a_whole_file_do_not_matter():
    for container in ("OGG", "MP3", "WAV"):
        data = encode(noise(), format=container)
        np.testing.assert_array_equal(load_audio(data + bytes(300)), load_audio(data))


def test_an_mp3_file_with_tags_tells_too():
    data = encode(noise(), format="MP3")
    tags = b"ID3\x04\0\0" + bytes([0, 0, 2, 0]) + bytes(256)
    np.testing.assert_array_equal(load_audio(tags + data), load_audio(data))
    with pytest.raises(ValueError, match="which was cut short"):
        load_audio(tags + data[: len(data) // 2])


def test_an_mp3_file_without_a_header_of_its_length_does_not_tell():
    data = encode(noise(), format="MP3", bitrate_mode="CONSTANT", compression_level=0.5)
    stream = data.replace(b"Xing", bytes(4), 1).replace(b"Info", bytes(4), 1)
    assert len(load_audio(stream)) > 16_000
    part = stream[: len(stream) // 2]
    with soundfile.SoundFile(io.BytesIO(part)) as file:
        guessed = file.frames  # from the size of the file
    assert 7_000 < len(load_audio(part)) < guessed


def test_what_is_no_sound_is_not_judged():
    for name in (b"riff", b"caff", b".snd", b"RF64", b"FORM"):
        assert describe_cut(name, frames_told=0, frames_read=0) is None
    for data in (b"", b"OggS"[:3], b"RIFF", b"ID3", b"ID3\x04\0\0\0\0\0\0Xing", b"fLaC"):
        assert describe_cut(data, frames_told=0, frames_read=0) is None
    assert describe_cut(b"OggS", frames_told=0, frames_read=0) == "its last page does not end the stream"
