"""Which sounds are taken, and what is found in them before the work."""

import pytest
import torch

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.data import load_audio
from fastast_hf.speed.sounds import check_sound_files, choose_sound_files, padded_spectrograms
from tests.conftest import ESC10, requires_shared
from tests.speed.conftest import SETTINGS


@pytest.fixture(scope="module")
def sounds(clips_of_all_lengths):
    return clips_of_all_lengths[0].parent


def test_a_broken_sound_is_told_with_its_path(sounds, tmp_path):
    check_sound_files(choose_sound_files(sounds, 2))
    broken = tmp_path / "broken.wav"
    broken.write_bytes((sounds / "6.wav").read_bytes()[:999])
    with pytest.raises(ValueError, match=r"`source` must be a complete sound file, got '.*broken\.wav'"):
        check_sound_files([sounds / "0.wav", broken])


def test_sounds_are_spread_over_the_folder(sounds):
    assert [path.name for path in choose_sound_files(sounds, 3)] == ["0.wav", "2.wav", "4.wav"]
    assert len(choose_sound_files(sounds, 100)) == 7


@requires_shared
def test_ten_clips_of_esc10_are_one_of_each_class():
    assert len({path.parent.name for path in choose_sound_files(ESC10, 10)}) == 10


def test_a_folder_without_sounds_and_no_limit_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`data_dir` must hold sound files, got none in .*\. Check the path\."):
        choose_sound_files(tmp_path, 10)
    with pytest.raises(ValueError, match=r"`limit` must be at least 1, got 0\. Leave it out"):
        choose_sound_files(tmp_path, 0)


def test_features_are_those_of_each_sound_padded(sounds):
    extractor = FastASTFeatureExtractor(**SETTINGS)
    paths = choose_sound_files(sounds, 3)
    expected = [
        extractor(load_audio(path), sampling_rate=16_000, return_tensors="pt")["input_values"] for path in paths
    ]
    assert torch.equal(padded_spectrograms(paths, extractor), torch.cat(expected))
