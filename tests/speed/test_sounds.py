"""Which sounds are taken, and what is found in them before the work."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.data import load_audio
from fastast_hf.speed.sounds import (
    ReadableSounds,
    check_enough,
    check_sounds_are_apart,
    choose_sound_files,
    padded_spectrograms,
    readable_sound_files,
    readable_spectrograms,
)
from tests.conftest import ESC10, requires_shared
from tests.speed.conftest import SETTINGS


@pytest.fixture(scope="module")
def sounds(clips_of_all_lengths):
    return clips_of_all_lengths[0].parent


def test_files_that_cannot_be_read_are_parted_from_the_others_and_told(sounds, tmp_path):
    paths = choose_sound_files(sounds, 2)
    assert readable_sound_files(paths) == (paths, {})
    broken, short, gone = tmp_path / "broken\x1b.wav", tmp_path / "short.wav", tmp_path / "gone.wav"
    broken.write_bytes((sounds / "6.wav").read_bytes()[:999])
    soundfile.write(short, np.zeros(399), 16_000)
    found = readable_sound_files([broken, paths[0], short, paths[1], gone])
    assert found.paths == paths
    assert list(found.unreadable) == [str(tmp_path / name) for name in (r"broken\x1b.wav", "short.wav", "gone.wav")]
    assert "".join(found.unreadable.values()).isprintable()
    told = list(found.unreadable.values())
    assert "`source` must be a complete sound file" in told[0]
    assert "`source` must hold at least 25 ms" in told[1]


def test_no_file_that_can_be_read_is_an_error(tmp_path):
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    message = r"`data_dir` must hold a sound that can be read, got 2 of 2 that cannot, first .*a\.wav: "
    with pytest.raises(ValueError, match=message):
        readable_sound_files(paths)
    with pytest.raises(ValueError, match=r"`folder` must hold a sound"):
        readable_sound_files(paths, option="folder")


def test_sounds_are_spread_over_the_folder(sounds):
    assert [path.name for path in choose_sound_files(sounds, 3)] == ["0.wav", "2.wav", "4.wav"]
    assert len(choose_sound_files(sounds, 100)) == 7


@requires_shared
def test_ten_clips_of_esc10_are_one_of_each_class():
    assert len({path.parent.name for path in choose_sound_files(ESC10, 10)}) == 10


def test_a_folder_without_sounds_and_no_limit_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`data_dir` must hold sound files, got none in .*\. Check the path\."):
        choose_sound_files(tmp_path, 10)
    with pytest.raises(ValueError, match=r"`check_dir` must hold sound files, got none in "):
        choose_sound_files(tmp_path, 10, option="check_dir")
    with pytest.raises(ValueError, match=r"`limit` must be at least 1, got 0\. Leave it out"):
        choose_sound_files(tmp_path, 0)


def test_what_only_looks_like_a_sound_is_chosen_so_that_it_is_told(sounds, tmp_path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    (folder / "a.wav").symlink_to(sounds / "0.wav")
    (folder / "b.wav").symlink_to(tmp_path / "gone.wav")
    (folder / "c.wav").symlink_to(folder / "c.wav")
    chosen = choose_sound_files(folder, 10)
    assert [path.name for path in chosen] == ["a.wav", "b.wav", "c.wav"]
    check_sounds_are_apart(chosen, [tmp_path / "other.wav"])
    with pytest.raises(ValueError, match=r"`check_dir` must hold other sounds .* got 1 .* such as 0\.wav\."):
        check_sounds_are_apart(chosen, [sounds / "0.wav"])
    found = readable_spectrograms(chosen, FastASTFeatureExtractor(**SETTINGS))
    assert [Path(path).name for path in found.unreadable] == ["b.wav", "c.wav"]
    assert choose_sound_files(sounds / "0.wav", 10) == [sounds / "0.wav"]


def test_too_few_sounds_are_told_as_what_they_lie_in_is_called(sounds):
    assert len(choose_sound_files(sounds, 10, least=7)) == 7
    with pytest.raises(
        ValueError, match=r"`data_dir` must hold at least 8 sound files, got 7 in .*\. A hundred of all"
    ):
        choose_sound_files(sounds, 10, least=8)
    found = ReadableSounds(torch.zeros(5, 96, 36), {"a.wav": "empty", "b.wav": "cut short"})
    check_enough(found, 5)
    with pytest.raises(
        ValueError, match=r"`check_dir` must hold at least 6 sounds that can be read, got 5 of 7\. A hun"
    ):
        check_enough(found, 6, option="check_dir")


def test_features_are_those_of_each_sound_padded(sounds):
    extractor = FastASTFeatureExtractor(**SETTINGS)
    paths = choose_sound_files(sounds, 3)
    expected = [
        extractor(load_audio(path), sampling_rate=16_000, return_tensors="pt")["input_values"] for path in paths
    ]
    assert torch.equal(padded_spectrograms(paths, extractor), torch.cat(expected))


def naive_readable(paths, extractor):
    """Read each by itself; what raises is left out."""
    features, errors = [], {}
    for path in paths:
        try:
            features.append(padded_spectrograms([path], extractor))
        except (OSError, ValueError) as error:
            errors[str(path)] = str(error)
    return torch.cat(features), errors


def test_sounds_that_cannot_be_read_are_left_out_and_told(sounds, tmp_path):
    extractor = FastASTFeatureExtractor(**SETTINGS)
    broken, short, text = tmp_path / "broken.wav", tmp_path / "empty.wav", tmp_path / "text.flac"
    broken.write_bytes((sounds / "6.wav").read_bytes()[:999])
    short.write_bytes(b"")
    text.write_text("no sound")
    paths = [broken, sounds / "0.wav", short, sounds / "5.wav", text, tmp_path / "gone.wav"]
    features, unreadable = readable_spectrograms(paths, extractor)
    expected, errors = naive_readable(paths, extractor)
    assert torch.equal(features, expected)
    assert unreadable == errors
    assert list(unreadable) == [str(path) for path in (broken, short, text, tmp_path / "gone.wav")]
    assert "which was cut short" in unreadable[str(broken)]


def test_sounds_that_can_all_be_read_are_the_padded_ones(sounds):
    extractor = FastASTFeatureExtractor(**SETTINGS)
    paths = choose_sound_files(sounds, 3)
    features, unreadable = readable_spectrograms(paths, extractor)
    assert torch.equal(features, padded_spectrograms(paths, extractor))
    assert unreadable == {}


def test_no_sound_that_can_be_read_is_an_error(tmp_path):
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for path in paths:
        path.write_bytes(b"")
    message = (
        r"`check_dir` must hold a sound that can be read, got 2 of 2 that cannot, first .*a\.wav: `source` must be"
    )
    with pytest.raises(ValueError, match=message):
        readable_spectrograms(paths, FastASTFeatureExtractor(**SETTINGS), option="check_dir")


def test_a_name_that_is_no_text_is_told_in_text(tmp_path):
    path = tmp_path / "a\udcff\x1b.wav"
    readable = tmp_path / "b.wav"
    path.write_bytes(b"")
    soundfile.write(readable, np.zeros(8_000), 16_000)
    found = readable_spectrograms([path, readable], FastASTFeatureExtractor(**SETTINGS)).unreadable
    (name,) = found
    assert name.endswith(r"a\udcff\x1b.wav")
    assert (name + found[name]).isprintable()
