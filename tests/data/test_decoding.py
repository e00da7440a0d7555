"""Reading forward: what soundfile alone refuses or takes for something else, and what a header cannot make it hold."""

import io
import os
import tracemalloc

import numpy as np
import pytest
import soundfile

from fastast_hf.data.audio import load_audio, stream_audio
from fastast_hf.data.decoding import mix_down, open_sound_file, read_blocks
from tests.odd_sounds.making import encode, overwrite, sound


def write(path, data):
    path.write_bytes(data)
    return path


def both_ways(path):
    """Read a file whole, and as a stream."""
    return load_audio(path), np.concatenate(list(stream_audio(path)))


def test_channels_are_averaged():
    np.testing.assert_array_equal(mix_down(np.float32([[1, 3], [0, -1]])), np.float32([2, -0.5]))


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "GSM610"), ("WAV", "G721_32"), ("WAV", "NMS_ADPCM_16"), ("AU", "G723_24"), ("AIFF", "DWVW_16")],
)
def test_a_codec_that_cannot_seek_reads(tmp_path, container, subtype):
    path = write(tmp_path / "sound", encode(sound(8_000), 8_000, format=container, subtype=subtype))
    for waveform in both_ways(path):
        assert 15_900 <= len(waveform) < 17_000  # some fill up their last block
        assert 0.1 < np.abs(waveform).max() < 2


def test_a_flac_file_of_untold_length_reads(tmp_path):
    """What `flac -` and ffmpeg write into a pipe: they cannot go back to fill in the number of samples."""
    whole = encode(sound(16_000), format="FLAC")
    packed = int.from_bytes(whole[18:26], "big")  # the lowest 36 bits count the samples
    path = write(tmp_path / "pipe.flac", overwrite(whole, 18, (packed >> 36 << 36).to_bytes(8, "big")))
    for waveform in both_ways(path):
        np.testing.assert_array_equal(waveform, load_audio(whole))


@pytest.mark.parametrize("name", [b"latin-1-\xe9.wav", b"\xff\xfe.wav", b"half-\xe2\x82.wav"])
def test_a_name_that_is_no_text_reads(tmp_path, name):
    path = write(tmp_path / "plain.wav", encode())
    try:
        path = path.rename(tmp_path / os.fsdecode(name))
    except OSError:
        pytest.skip("the file system has no such names")
    for waveform in both_ways(path):
        assert waveform.shape == (3_200,)


@pytest.mark.parametrize("ending", ["au", "snd", "gsm", "vox", "mp3", "wav"])
def test_a_name_makes_no_sound_of_text(tmp_path, ending):
    path = write(tmp_path / f"page.{ending}", b"<!DOCTYPE html><title>404 Not Found</title>\n" * 1_000)
    assert (
        ending not in ("au", "snd") or soundfile.info(path).samplerate == 8_000
    )  # what libsndfile itself takes it for
    for read in (load_audio, lambda path: list(stream_audio(path))):
        with pytest.raises(
            ValueError, match=r"`source` must be a complete sound file that libsndfile decodes, got .*page"
        ):
            read(path)


@pytest.mark.parametrize("rate", [1, 39])
def test_a_rate_that_holds_nothing_to_hear_is_refused(tmp_path, rate):
    path = write(tmp_path / "slow.wav", encode(sound(1_000), rate))
    message = (
        rf"`source` must have a sampling rate of at least 40 Hz, got '.*slow\.wav' with {rate} Hz.*Check its header"
    )
    for read in (load_audio, lambda path: list(stream_audio(path))):
        with pytest.raises(ValueError, match=message):
            read(path)
    assert len(load_audio(encode(sound(1_000), 40))) == 400_000


@pytest.mark.parametrize(("channels", "rate"), [(1_024, 48_000), (1, 2**31 - 1)])
def test_a_block_is_not_sized_by_the_header(channels, rate):
    data = encode(sound(20, channels), rate, subtype="PCM_U8")
    tracemalloc.start()  # counts the arrays of NumPy too
    try:
        with open_sound_file(io.BytesIO(data), "sound") as file:
            assert sum(map(len, read_blocks(file, "sound", seconds=3_600))) == 20
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


def test_blocks_are_bounded_by_seconds_and_by_samples(monkeypatch):
    with open_sound_file(io.BytesIO(encode(sound(1_000, 4))), "sound") as file:
        assert [len(block) for block in read_blocks(file, "sound", seconds=0.02)] == [320, 320, 320, 40]
    monkeypatch.setattr("fastast_hf.data.decoding._MOST_SAMPLES", 1_200)
    with open_sound_file(io.BytesIO(encode(sound(1_000, 4))), "sound") as file:
        assert [len(block) for block in read_blocks(file, "sound", seconds=60)] == [300, 300, 300, 100]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the system does not list open files")  # noqa: PTH112
def test_no_file_stays_open(tmp_path):
    whole = write(tmp_path / "whole.wav", encode())
    slow = write(tmp_path / "slow.wav", encode(rate=1))
    text = write(tmp_path / "text.wav", b"not a sound")
    cut = write(tmp_path / "cut.wav", encode()[:2_000])
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(5):
        list(stream_audio(whole))
        for path in (slow, text, cut):
            with pytest.raises(ValueError, match="`source` must"):
                list(stream_audio(path))
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
