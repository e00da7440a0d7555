"""Where a stream comes from: a pipe's bytes, a file at its speed, a microphone that may not be there."""

import builtins
import io
import struct
import sys
import types

import numpy as np
import pytest
import soundfile

from fastast_hf.classification.stream_sources import at_real_speed, file_chunks, microphone_chunks, pipe_chunks
from fastast_hf.data import load_audio

RATE = 16_000


def samples(seconds=0.51, rate=RATE, channels=1):
    shape = (round(seconds * rate), channels)
    return np.random.default_rng(0).integers(-20_000, 20_000, shape).astype("<i2")


def pipe(data):
    return io.BufferedReader(io.BytesIO(data))


def wav(data, rate=RATE, subtype="PCM_16"):
    file = io.BytesIO()
    soundfile.write(file, data, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def with_length(data, length):
    """Write another length into a WAV file of soundfile, as programs do that write before they know it."""
    assert data[36:40] == b"data"
    return data[:4] + struct.pack("<I", length or 0xFFFFFFFF) + data[8:40] + struct.pack("<I", length) + data[44:]


def joined(chunks):
    chunks = list(chunks)
    assert {chunk.dtype for chunk in chunks} == {np.dtype("float32")}
    assert all(chunk.ndim == 1 for chunk in chunks)
    return np.concatenate(chunks)


def test_a_file_in_chunks(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(samples(rate=44_100, channels=2), 44_100))
    chunks = list(file_chunks(tmp_path / "a.wav", RATE))
    np.testing.assert_allclose(joined(chunks), load_audio(tmp_path / "a.wav"), atol=1e-6)
    assert len(chunks) > 20


def test_raw_sound_is_16_bit():
    chunks = list(pipe_chunks(pipe(samples().tobytes()), RATE))
    np.testing.assert_array_equal(joined(chunks), samples()[:, 0].astype(np.float32) / 32_768)
    assert {len(chunk) for chunk in chunks[:-1]} == {320}


def test_raw_sound_of_another_rate(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(samples(rate=44_100), 44_100))
    found = joined(pipe_chunks(pipe(samples(rate=44_100).tobytes()), RATE, pipe_rate=44_100))
    np.testing.assert_allclose(found, load_audio(tmp_path / "a.wav"), atol=1e-6)


@pytest.mark.parametrize("data", [b"", b"\1", b"\1\2\3"])
def test_half_a_sample_at_the_end_is_none(data):
    assert sum(len(chunk) for chunk in pipe_chunks(pipe(data), RATE)) == len(data) // 2


@pytest.mark.parametrize("length", [None, 0, 0x7FFFFFFF - 36, 0xFFFFFFFF])
@pytest.mark.parametrize(("rate", "channels"), [(RATE, 1), (44_100, 2)])
def test_a_wav_tells_rate_and_channels(tmp_path, rate, channels, length):
    data = wav(samples(rate=rate, channels=channels), rate)
    (tmp_path / "a.wav").write_bytes(data)
    found = joined(pipe_chunks(pipe(data if length is None else with_length(data, length)), RATE))
    np.testing.assert_allclose(found, load_audio(tmp_path / "a.wav"), atol=1e-6)


def test_what_follows_the_sound_of_a_wav_is_no_sound():
    found = joined(pipe_chunks(pipe(wav(samples()) + b"LIST" + b"\1\2" * 50), RATE))
    assert len(found) == len(samples())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            wav(samples(), subtype="PCM_24"),
            r"`source` must be 16-bit PCM, got a WAV file of 24 bits\. With ffmpeg, add",
        ),
        (
            wav(samples() / 32_768, subtype="FLOAT"),
            "`source` must be 16-bit PCM, got a WAV file that is not: .*format",
        ),
        (wav(samples())[:20], "`source` must be 16-bit PCM, got a WAV file that is not"),
    ],
)
def test_other_wavs_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        pipe_chunks(pipe(data), RATE)


def test_a_file_of_another_format_is_no_raw_sound():
    file = io.BytesIO()
    soundfile.write(file, samples(), RATE, format="MP3")
    message = (
        r"`source` must be 16-bit PCM, raw or as WAV, got a pipe that begins as MP3\. Decode it first, for example with "
        r"`ffmpeg -i FILE -f s16le -ac 1 -ar 16000 -`, or give the file by its name\."
    )
    with pytest.raises(ValueError, match=message):
        pipe_chunks(pipe(file.getvalue()), RATE)


@pytest.mark.parametrize("rate", [0, -5, 39])
def test_a_rate_below_hearing_is_refused(rate):
    with pytest.raises(ValueError, match=rf"`rate` must be at least 40 Hz, got {rate}\. Leave it out"):
        pipe_chunks(pipe(samples().tobytes()), RATE, pipe_rate=rate)


def test_a_rate_that_contradicts_the_wav_is_refused():
    with pytest.raises(ValueError, match=r"`rate` must be that of the WAV file, 16000, got 8000\. Leave it out"):
        pipe_chunks(pipe(wav(samples())), RATE, pipe_rate=8000)


def test_real_speed_waits_for_each_chunk_and_never_longer():
    now, sleeps = [100.0], []

    def sleep(seconds):
        sleeps.append(seconds)
        now[0] += seconds

    times = []
    for chunk in at_real_speed(
        [np.zeros(size) for size in (10, 20, 0, 30, 10)], 10, clock=lambda: now[0], sleep=sleep
    ):
        times.append(now[0])
        now[0] += 2.5 if len(chunk) == 30 else 0.25  # what the listener takes
    assert times == pytest.approx([101, 103, 103.25, 106, 108.5])
    assert sleeps == pytest.approx([1, 1.75, 2.5])


def test_without_sounddevice_the_microphone_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    message = (
        r"`source` must be other than a microphone where the package sounddevice is not installed\. Give a sound file"
    )
    with pytest.raises(ImportError, match=message):
        microphone_chunks(RATE)


def test_without_portaudio_the_microphone_is_refused(monkeypatch):
    real = builtins.__import__

    def refuse(name, *arguments):
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name, *arguments)

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(OSError, match=r"where PortAudio is not installed: PortAudio library not found\. Give a sound"):
        microphone_chunks(RATE)


class Device:
    """Gives three chunks, of which the second comes after lost sound; then it is unplugged."""

    def __init__(self, **settings):
        assert settings == {"samplerate": RATE, "channels": 1, "dtype": "float32"}
        self.num_read = 0

    def start(self):
        pass

    def read(self, size):
        self.num_read += 1
        if self.num_read == 4:
            raise OSError("unplugged")
        return np.full((size, 1), self.num_read, dtype=np.float32), self.num_read == 2

    def close(self):
        self.num_read = -1


def test_a_microphone_is_read_and_what_is_lost_is_told(monkeypatch, caplog):
    devices = []
    module = types.SimpleNamespace(
        InputStream=lambda **settings: devices.append(Device(**settings)) or devices[0], PortAudioError=KeyError
    )
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    found = []
    with pytest.raises(OSError, match="unplugged"):
        found.extend(chunk.tolist() for chunk in iter(microphone_chunks(RATE)))
    assert devices[0].num_read == -1, "closed"
    assert [record.getMessage() for record in caplog.records] == [
        "The system has lost sound of the microphone before it could be read."
    ]


def test_no_microphone_is_told(monkeypatch):
    class PortAudioError(Exception):
        pass

    def refuse(**settings):
        raise PortAudioError("Error querying device -1")

    module = types.SimpleNamespace(InputStream=refuse, PortAudioError=PortAudioError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    with pytest.raises(
        OSError, match=r"where there is none: Error querying device -1\. Give a sound file instead, or -"
    ):
        microphone_chunks(RATE)
