import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from fastast_hf.data.audio import load_audio, resample, stream_audio
from fastast_hf.model.waveforms import LOUDEST
from tests.conftest import ESC10, SHARED, requires_shared
from tests.data.sounds import encode, tone

SPEECH_COMMANDS = SHARED / "data" / "speech_commands12" / "audio"


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"])
def test_any_sample_type_becomes_floats_of_the_same_scale(subtype):
    samples = tone(440, 16_000)
    np.testing.assert_allclose(load_audio(encode(samples, subtype=subtype)), samples, atol=1e-2)


def test_full_scale_integers_are_minus_one_to_one():
    waveform = load_audio(encode(np.array([-32_768, 0, 32_767] * 200, dtype=np.int16)))
    np.testing.assert_array_equal(waveform, np.float32([-1, 0, 32_767 / 32_768] * 200))


@pytest.mark.parametrize(
    ("container", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None), ("AIFF", None)]
)
def test_compressed_formats_read(container, subtype):
    waveform = load_audio(encode(tone(440, 16_000), format=container, subtype=subtype))
    assert waveform.shape == (8_000,)
    assert np.abs(np.fft.rfft(waveform)).argmax() == 220  # 440 Hz at 2 Hz a bin


def test_channels_are_averaged():
    left, right = tone(440, 16_000), tone(1_000, 16_000)
    waveform = load_audio(encode(np.stack([left, right], axis=1), subtype="FLOAT"))
    np.testing.assert_allclose(waveform, (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize("file_rate", [8_000, 22_050, 44_100, 48_000])
def test_resampling_keeps_a_tone(file_rate):
    waveform = load_audio(encode(tone(440, file_rate), file_rate))
    assert waveform.dtype == np.float32
    assert waveform.shape == (8_000,)
    inner = slice(500, -500)  # the filter rings at both ends
    np.testing.assert_allclose(waveform[inner], tone(440, 16_000)[inner], atol=1e-3)


def test_resampling_removes_what_the_new_rate_cannot_hold():
    waveform = load_audio(encode(tone(12_000, 48_000), 48_000))
    assert np.abs(waveform[500:-500]).max() < 1e-3


def test_same_rate_is_untouched():
    waveform = np.float32([0.5, -0.5])
    assert resample(waveform, 16_000, 16_000) is waveform


@requires_shared
def test_esc10_clip():
    waveform = load_audio(ESC10 / "dog_bark" / "1-100032-A.ogg")
    samples, file_rate = soundfile.read(ESC10 / "dog_bark" / "1-100032-A.ogg")
    assert file_rate == 44_100
    assert waveform.shape == (round(len(samples) * 16_000 / 44_100),)
    assert 0 < np.abs(waveform).max() < 2


@requires_shared
def test_speech_commands_clip():
    path = sorted((SPEECH_COMMANDS / "yes").iterdir())[0]
    samples, _ = soundfile.read(path, dtype="int16")
    np.testing.assert_array_equal(load_audio(path), samples.astype(np.float32) / 32_768)


def test_not_audio(tmp_path):
    path = tmp_path / "notes.wav"
    path.write_text("not a sound")
    with pytest.raises(
        ValueError, match=r"`source` must be a complete sound file .*notes.wav.*Check that it is audio"
    ):
        load_audio(path)


def test_header_that_promises_more_than_memory_holds():
    data = bytearray(encode(tone(440, 16_000), format="MP3", subtype=None))
    header = data.find(b"Info") if b"Info" in data else data.find(b"Xing")
    data[header + 8 : header + 12] = b"\x7f\xff\xff\xff"  # MPEG frames
    with pytest.raises(ValueError, match=r"`source` must be a complete sound file"):
        load_audio(bytes(data))


@pytest.mark.parametrize("file_rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("num_samples", [0, 1, 10])
def test_shorter_than_one_analysis_window(tmp_path, file_rate, num_samples):
    path = tmp_path / "short.wav"
    path.write_bytes(encode(np.zeros(num_samples), file_rate))
    message = r"`source` must hold at least 25 ms, .* \(400 samples at 16000 Hz\), got '.*short.wav' with \d+ samples"
    with pytest.raises(ValueError, match=message):
        load_audio(path)


def test_one_analysis_window_is_enough():
    assert load_audio(encode(np.zeros(400))).shape == (400,)
    assert load_audio(encode(np.zeros(200), 8_000), sampling_rate=8_000).shape == (200,)
    with pytest.raises(ValueError, match=r"got <842 bytes> with 399 samples. Leave it out, or pad it with silence"):
        load_audio(encode(np.zeros(399)))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    num_channels=st.integers(1, 6),
    file_rate=st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000]),
    subtype=st.sampled_from(["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]),
    milliseconds=st.integers(26, 200),
    seed=st.integers(0, 99),
)
def test_any_layout_becomes_finite_mono(num_channels, file_rate, subtype, milliseconds, seed):
    num_samples = milliseconds * file_rate // 1000
    samples = np.random.default_rng(seed).uniform(-1, 1, (num_samples, num_channels))
    waveform = load_audio(encode(samples, file_rate, subtype=subtype))
    assert waveform.dtype == np.float32
    assert waveform.shape == (round(num_samples * 16_000 / file_rate),)
    assert np.abs(waveform).max() < 2
    if file_rate == 16_000:
        np.testing.assert_allclose(waveform, samples.mean(axis=1), atol=1e-2)


@settings(deadline=None, derandomize=True, max_examples=150)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # soundfile: a seek before the start
@given(
    container=st.sampled_from(["WAV", "FLAC", "OGG", "MP3", "AIFF"]),
    length=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=3),
)
def test_a_damaged_file_is_read_or_refused(container, length, flips):
    data = bytearray(encode(tone(440, 16_000, seconds=0.2), format=container, subtype=None))
    del data[round(length * len(data)) :]
    for place, value in flips:
        if data:
            data[min(round(place**4 * len(data)), len(data) - 1)] = value  # most of them in the header
    try:
        waveform = load_audio(bytes(data))
    except ValueError as error:
        assert str(error).startswith("`source` must ")
    else:
        assert np.isfinite(waveform).all()
        assert len(waveform) >= 400


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("file_rate", [16_000, 48_000])
def test_samples_that_are_not_finite(bad, file_rate):
    samples = tone(440, file_rate).astype(np.float32)
    samples[100] = bad
    with pytest.raises(
        ValueError, match=r"`source` must hold finite samples, got <\d+ bytes> with \d+ NaN or infinite"
    ):
        load_audio(encode(samples, file_rate, subtype="FLOAT"))


@pytest.mark.parametrize(
    ("loudest", "file_rate", "num_channels", "words"),
    [
        (1e13, 16_000, 1, r"samples from about -1 to 1, got {name} with 1e\+13\. Divide them by their full scale"),
        (1e13, 44_100, 2, r"samples from about -1 to 1, got {name} with 1e\+13\. Divide"),
        (3e38, 24_000, 1, r"samples from about -1 to 1, got {name} with 3e\+38\. Divide"),
        (3e38, 24_000, 2, r"finite samples, got {name} with \d+ NaN or infinite samples of 12000\. Write"),  # the sum
    ],
)
def test_samples_that_no_logarithm_survives(tmp_path, loudest, file_rate, num_channels, words):
    samples = np.full((file_rate // 2, num_channels), loudest)
    samples[::4] *= -1
    path = tmp_path / "loud.wav"
    path.write_bytes(encode(samples, file_rate, subtype="FLOAT"))
    message = "`source` must hold " + words.format(name=r"'.*loud\.wav'")
    with pytest.raises(ValueError, match=message):
        load_audio(path)
    with pytest.raises(ValueError, match=message):
        list(stream_audio(path))


def test_samples_that_the_filter_makes_too_loud(tmp_path):
    samples = np.full(12_000, LOUDEST)
    samples[6_000:] *= -1  # beside the step the filter swings
    path = tmp_path / "loud.wav"
    path.write_bytes(encode(samples, 24_000, subtype="FLOAT"))
    for read in (load_audio, lambda path: list(stream_audio(path))):
        with pytest.raises(
            ValueError, match=r"`source` must hold samples from about -1 to 1, got .* with 1\.\d+e\+12"
        ):
            read(path)
    path.write_bytes(encode(samples, 16_000, subtype="FLOAT"))
    assert np.abs(load_audio(path)).max() == np.float32(LOUDEST)
    assert len(np.concatenate(list(stream_audio(path)))) == 12_000


def test_sampling_rate_of_zero(wav):
    with pytest.raises(ValueError, match=r"`sampling_rate` must be a positive number of Hz, got 0. Pass"):
        load_audio(wav, sampling_rate=0)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    num_channels=st.integers(1, 2),
    file_rate=st.sampled_from([8_000, 16_000, 44_100]),
    container=st.sampled_from(
        [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", None)]
    ),
    block_seconds=st.floats(0.001, 0.3),
    seed=st.integers(0, 99),
)
def test_blocks_put_together_are_the_whole(tmp_path_factory, num_channels, file_rate, container, block_seconds, seed):
    path = tmp_path_factory.mktemp("blocks") / "sound"
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (file_rate // 5, num_channels))
    path.write_bytes(encode(samples, file_rate, format=container[0], subtype=container[1]))
    blocks = list(stream_audio(path, block_seconds=block_seconds))
    assert max(map(len, blocks)) <= 2 * max(1, block_seconds * 16_000) + 2_000  # soxr holds back at first
    np.testing.assert_allclose(np.concatenate(blocks), load_audio(path), atol=1e-6)


@requires_shared
def test_blocks_of_an_esc10_clip():
    path = ESC10 / "dog_bark" / "1-100032-A.ogg"
    np.testing.assert_allclose(
        np.concatenate(list(stream_audio(path, block_seconds=0.7))), load_audio(path), atol=1e-6
    )


@pytest.mark.parametrize("container", ["WAV", "AIFF", "OGG", "MP3", "FLAC"])
@pytest.mark.parametrize("file_rate", [16_000, 44_100])
def test_a_stream_refuses_what_loading_refuses(tmp_path, container, file_rate):
    whole = encode(tone(440, file_rate), file_rate, format=container, subtype=None)
    damaged = {
        "nothing": b"",
        "cut": whole[: len(whole) * 2 // 3],
        "no sound": b"not a sound",
        "short": encode(np.zeros(100), file_rate, format=container, subtype=None),
    }
    for name, data in damaged.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ValueError, match="`source` must") as loading:
            load_audio(path)
        with pytest.raises(ValueError, match="`source` must") as streaming:
            list(stream_audio(path, block_seconds=0.1))
        assert str(streaming.value).split(", got")[0] == str(loading.value).split(", got")[0]
        assert repr(str(path)) in str(streaming.value)


@pytest.mark.parametrize("container", ["WAV", "AIFF", "OGG"])
def test_a_stream_refuses_a_file_that_was_cut_before_it_gives_a_block(tmp_path, container):
    path = tmp_path / "cut"
    whole = encode(tone(440, 16_000, seconds=3), format=container, subtype=None)
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(ValueError, match=r"`source` must be a complete sound file, got .*, which was cut short"):
        next(stream_audio(path, block_seconds=0.1))


def test_a_stream_refuses_samples_that_are_not_finite(tmp_path):
    samples = np.zeros(20_000)
    samples[15_000] = np.nan
    path = tmp_path / "nan.wav"
    path.write_bytes(encode(samples, subtype="FLOAT"))
    blocks = stream_audio(path, block_seconds=0.5)
    assert len(next(blocks)) == 8_000
    with pytest.raises(ValueError, match=r"`source` must hold finite samples, got '.*nan.wav' with 1 NaN or infinite"):
        next(blocks)


def test_a_file_s_bytes_are_not_held(tmp_path):
    """Of a long file of sixty-four bits, a sample takes eight bytes, and its float four."""
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(2_000_000), 16_000, subtype="DOUBLE")
    tracemalloc.start()
    try:
        waveform = load_audio(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * waveform.nbytes  # the blocks, and what they are put together to


def test_a_sound_beyond_all_memory_is_told(wav, monkeypatch):
    def refuse(*_, **__):
        raise MemoryError

    monkeypatch.setattr("fastast_hf.data.audio.np.concatenate", refuse)
    with pytest.raises(
        ValueError, match=r"`source` must be a sound that fits into memory, got .* s\. Read it piece by piece"
    ):
        load_audio(wav)


def test_a_stream_at_a_sampling_rate_of_zero(wav):
    with pytest.raises(ValueError, match=r"`sampling_rate` must be a positive number of Hz, got 0. Pass"):
        next(stream_audio(wav, sampling_rate=0))


def test_a_long_file_takes_the_memory_of_a_block(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros((2_000_000, 2), dtype=np.int16), 44_100)
    tracemalloc.start()  # counts the arrays of NumPy too
    try:
        for _ in stream_audio(path, block_seconds=1):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000  # the samples alone are 8,000,000 bytes
