"""What a pipe carries: files of other formats by their first bytes, and raw sound that begins like one."""

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from fastast_hf.classification import stream_formats
from fastast_hf.classification.stream_formats import BegunPipe, name_format
from fastast_hf.data import load_audio
from tests.conftest import ESC10, requires_shared

SYNC = 0xE0FF  # from here on, little-endian samples look like the beginning of a frame, if their low byte is 0xFF
MOST_LOOKED_AT = 4 * 8192


def pipe(data):
    return BegunPipe(io.BufferedReader(io.BytesIO(data)))


def noise(seconds=1.0, rate=44_100):
    return np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * rate))


def encode(samples, rate=44_100, **kwargs):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **kwargs)
    return file.getvalue()


def adts(sizes=(371, 372, 190, 1024, 371), profile=1, rate=3, channels=2, protection=1):
    """Put AAC frames of sizes that vary one behind the other, each header as ISO/IEC 13818-7 has it."""
    generator = np.random.default_rng(0)
    data = b""
    for size in sizes:
        fields = [(0xFFF, 12), (0, 3), (protection, 1), (profile, 2), (rate, 4), (0, 1), (channels, 3), (0, 4)]
        fields += [(size, 13), (0x7FF, 11), (0, 2)]
        bits = "".join(f"{value:0{width}b}" for value, width in fields)
        data += int(bits, 2).to_bytes(7, "big") + generator.bytes(size - 7)
    return data


@pytest.mark.parametrize(
    ("container", "name"),
    [("FLAC", "FLAC"), ("OGG", "Ogg"), ("AIFF", "AIFF"), ("CAF", "CAF"), ("AU", "AU"), ("RF64", "RF64")],
)
def test_files_of_other_formats_are_named(container, name):
    assert name_format(pipe(encode(noise(), format=container))) == name


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"ID3\4\0" + bytes(100), "MP3"),
        (b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom", "MP4 or M4A"),
        (b"\0\0\0\x1cftypisom\0\0\2\0", "MP4 or M4A"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1", "WebM or Matroska"),
        (b"FORM\0\0\1\0AIFCFVER", "AIFF"),
        (b"RIFX\0\0\1\0WAVEfmt ", "RIFX"),
        (adts(), "AAC"),
        (adts(rate=11, channels=1, protection=0), "AAC"),
    ],
)  # fmt: skip
def test_formats_that_libsndfile_does_not_write_are_named(data, name):
    assert name_format(pipe(data)) == name


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 24_000, 32_000, 44_100, 48_000])
def test_an_mp3_without_a_tag_is_named(rate, mode):
    data = encode(noise(rate=rate), rate, format="MP3", bitrate_mode=mode, compression_level=0.5)
    assert data[0] == 0xFF
    assert name_format(pipe(data)) == "MP3"


def test_mp2_is_named():
    """192 kbit/s at 48 kHz: 576 bytes a frame."""
    frame = b"\xff\xfd\xa4\0" + np.random.default_rng(0).bytes(572)
    data = b"".join(frame[:4] + bytes([number]) + frame[5:] for number in range(4))
    assert name_format(pipe(data)) == "MP2"


def test_frames_that_are_no_frames_are_raw_sound():
    whole = encode(noise(), format="MP3")
    for header in (b"\xff\xfb\xf0\0", b"\xff\xfb\0\0", b"\xff\xfb\x9c\0", b"\xff\xeb\x90\0", b"\xff\xff\x90\0"):
        assert name_format(pipe(header + whole[4:])) is None  # bit rate, rate, version or layer that is none
    assert name_format(pipe(whole[:1000])) is None  # too short to tell, and to be heard
    assert name_format(pipe(adts(sizes=(6, 6, 6)))) is None
    assert name_format(pipe(adts()[:371] + adts(channels=1))) is None


def test_a_wav_is_left_to_its_reader():
    assert name_format(pipe(encode(noise(), format="WAV"))) is None


def refused_beginnings(samples):
    """Count from how many places on 16-bit samples would be refused, and how many look like the beginning of a frame."""
    data = np.clip(np.round(samples), -32_768, 32_767).astype("<i2").tobytes()
    values = np.frombuffer(data, dtype="<u2")
    places = np.flatnonzero((values & 0xFF == 0xFF) & (values >= SYNC))
    names = [name_format(pipe(data[2 * place : 2 * place + MOST_LOOKED_AT])) for place in places]
    return len(names) - names.count(None), len(names)


def test_noise_of_any_loudness_is_raw_sound_from_wherever_it_begins():
    """From silence with dither, whose commonest samples are 0 and -1, to full scale: 400,000 places."""
    generator = np.random.default_rng(0)
    num_looked_at = 0
    for scale in (0.5, 1, 3, 10, 40, 300, 3_000, 20_000):
        refused, looked_at = refused_beginnings(generator.normal(0, scale, 50_000))
        assert refused == 0
        num_looked_at += looked_at
    assert num_looked_at > 10_000


def test_tones_are_raw_sound_from_wherever_they_begin():
    """A tone whose period divides a frame has each header again where the next one should be."""
    time = np.arange(8_000)
    for period in (16, 32, 48, 64, 96, 144):
        for loudness in (1_000, 1_025, 5_000, 30_000):
            for phase in (0, 0.3):
                tone = loudness * np.sin(2 * np.pi * time / period + phase)
                assert refused_beginnings(tone)[0] == 0


def test_a_tone_that_holds_a_frame_is_raw_sound():
    tone = np.frombuffer(b"\xff\xfb\x94\0" + bytes(range(124)), dtype="<i2")  # 384 bytes a frame, three periods
    assert name_format(pipe(np.tile(tone, 20).tobytes())) is None
    assert stream_formats._read_frame(tone.tobytes()).size == 384


@requires_shared
def test_real_clips_are_raw_sound_from_wherever_they_begin():
    num_looked_at = 0
    for clip in sorted(ESC10.glob("*/*.ogg"))[::40]:
        refused, looked_at = refused_beginnings(32_768 * load_audio(clip))
        assert refused == 0
        num_looked_at += looked_at
    assert num_looked_at > 1_000


class Trickle(io.RawIOBase):
    """Gives a byte at a time, as a program may write."""

    def __init__(self, data):
        self.data, self.num_given = data, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        part = self.data[self.num_given : self.num_given + 1]
        buffer[: len(part)] = part
        self.num_given += len(part)
        return len(part)


def test_bytes_may_come_one_by_one_and_no_more_are_waited_for_than_it_takes():
    data = encode(noise(), format="MP3")
    assert name_format(BegunPipe(io.BufferedReader(Trickle(data)))) == "MP3"
    trickle = Trickle(bytes(50_000))
    assert name_format(BegunPipe(io.BufferedReader(trickle))) is None
    assert trickle.num_given == 12


@given(data=st.binary(max_size=100), looks=st.lists(st.integers(0, 60), max_size=4), reads=st.integers(1, 50))
def test_what_was_looked_at_is_read_again(data, looks, reads):
    begun = pipe(data)
    for number in looks:
        assert begun.first(number) == data[:number]
    reader = io.BufferedReader(begun)
    assert b"".join(iter(lambda: reader.read(reads), b"")) == data
