"""Clips of recordings: the windows of a plain slice, whatever blocks the sound comes in."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from fastast_hf.classification import recordings
from fastast_hf.classification.recordings import Cutting, beginning, read_clips, sliding_windows
from fastast_hf.data import load_audio


def naive_windows(waveform, window, hop, min_samples):
    """The rule, word by word, on the whole recording."""
    heard = 0
    for start in range(0, len(waveform), hop):
        part = waveform[start : start + window]
        if start + len(part) > heard and len(part) >= min_samples:
            yield start, part.tolist()
        heard = start + len(part)


def in_blocks(waveform, sizes):
    """Deal a waveform out in blocks of these sizes, the last one as large as it must be."""
    edges = np.cumsum([0, *sizes]).clip(max=len(waveform)).tolist()
    return [waveform[a:b] for a, b in zip(edges, [*edges[1:], len(waveform)], strict=True)]


@given(
    st.integers(0, 60),
    st.lists(st.integers(0, 9), max_size=20),
    st.integers(2, 12),
    st.integers(1, 15),
    st.integers(1, 2),
)
def test_windows_are_those_of_the_rule(num_samples, sizes, window, hop, min_samples):
    waveform = np.arange(num_samples, dtype=np.float32)
    found = sliding_windows(in_blocks(waveform, sizes), window, hop, min_samples=min_samples)
    assert [(start, part.tolist()) for start, part in found] == list(naive_windows(waveform, window, hop, min_samples))


@given(st.integers(0, 30), st.lists(st.integers(0, 9), max_size=8), st.integers(1, 12))
def test_the_beginning_is_that_of_the_whole(num_samples, sizes, wanted):
    waveform = np.arange(num_samples, dtype=np.float32)
    found, is_truncated = beginning(in_blocks(waveform, sizes), wanted)
    assert found.tolist() == waveform[:wanted].tolist()
    assert is_truncated == (num_samples > wanted)


def test_the_beginning_reads_no_further():
    def blocks():
        yield np.zeros(5)
        yield np.zeros(5)
        raise AssertionError("read too far")

    assert beginning(blocks(), 7)[1]


def test_a_window_does_not_keep_what_it_was_cut_from():
    _, window = next(sliding_windows([np.zeros(100_000, dtype=np.float32)], 10, 10, min_samples=1))
    assert window.base is None


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "sound.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, (22_050 * 2, 2)), 22_050)
    return path


def test_a_file_is_read_in_windows(sound):
    whole = load_audio(sound)  # 32,000 samples
    clips = list(read_clips(sound, Cutting(16_000, window=12_000, hop=8_000, min_samples=400)))
    assert [clip.start for clip in clips] == [0, 8_000, 16_000, 24_000]
    for clip in clips:
        np.testing.assert_allclose(clip.waveform, whole[clip.start : clip.start + 12_000], atol=1e-6)
        assert (clip.path, clip.error, clip.is_truncated) == (str(sound), None, False)


def test_a_file_that_breaks_in_the_middle_tells_where(sound, monkeypatch):
    def broken(path, *, sampling_rate):
        yield np.ones(700, dtype=np.float32)
        raise ValueError("broken")

    monkeypatch.setattr(recordings, "stream_audio", broken)
    first, second = read_clips(sound, Cutting(16_000, window=500, hop=500, min_samples=100))
    assert (first.start, len(first.waveform), first.error) == (0, 500, None)
    assert (second.start, len(second.waveform), str(second.error)) == (700, 0, "broken")


def test_a_folder_without_sounds_is_told_what_is_missing(tmp_path):
    (clip,) = read_clips(tmp_path, Cutting(16_000, 16_000, None, 400))
    with pytest.raises(
        IsADirectoryError, match=r"`files` must be sounds or folders of sounds, got the folder '.*', where"
    ):
        raise clip.error
