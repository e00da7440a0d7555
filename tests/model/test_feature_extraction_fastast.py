"""FastASTFeatureExtractor gives what AST's gives, under a name of its own."""

import json

import numpy as np
import pytest
import soundfile
import soxr
from transformers import ASTFeatureExtractor, AutoFeatureExtractor

from fastast_hf import FastASTFeatureExtractor
from tests.conftest import ESC10, requires_shared, tiny_config

# Stock AST with 128 mel bins has an empty lowest filter; its numpy front end says so.
pytestmark = pytest.mark.filterwarnings("ignore:At least one mel filter")


def noise(num_samples=16_000):
    return np.random.default_rng(0).normal(size=num_samples).astype(np.float32) * 0.1


@pytest.mark.parametrize("num_samples", [4000, 16_000, 200_000])
def test_it_gives_what_the_parent_gives(num_samples):
    ours = FastASTFeatureExtractor()(noise(num_samples), sampling_rate=16_000, return_tensors="np")
    theirs = ASTFeatureExtractor()(noise(num_samples), sampling_rate=16_000, return_tensors="np")
    assert ours.input_values.shape == (1, 1024, 128)
    np.testing.assert_array_equal(ours.input_values, theirs.input_values)


@requires_shared
def test_it_gives_what_the_parent_gives_on_a_real_clip():
    samples, rate = soundfile.read(next((ESC10 / "dog_bark").glob("*.ogg")), dtype="float32")
    samples = soxr.resample(samples, rate, 16_000)
    ours = FastASTFeatureExtractor()(samples, sampling_rate=16_000, return_tensors="np")
    theirs = ASTFeatureExtractor()(samples, sampling_rate=16_000, return_tensors="np")
    np.testing.assert_array_equal(ours.input_values, theirs.input_values)


def test_the_settings_of_a_published_ast_open_and_come_back(tmp_path):
    ASTFeatureExtractor(max_length=96, num_mel_bins=36, mean=-6.6, std=5.5).save_pretrained(tmp_path / "ast")
    extractor = FastASTFeatureExtractor.from_pretrained(tmp_path / "ast")
    assert (extractor.max_length, extractor.num_mel_bins, extractor.mean, extractor.std) == (96, 36, -6.6, 5.5)
    extractor.save_pretrained(tmp_path / "fast")
    tiny_config().save_pretrained(tmp_path / "fast")
    saved = json.loads((tmp_path / "fast" / "preprocessor_config.json").read_text())
    assert saved["feature_extractor_type"] == "FastASTFeatureExtractor"
    assert saved["auto_map"] == {"AutoFeatureExtractor": "feature_extraction_fastast.FastASTFeatureExtractor"}
    again = AutoFeatureExtractor.from_pretrained(tmp_path / "fast")
    assert isinstance(again, FastASTFeatureExtractor)
    assert again.to_dict() == extractor.to_dict()


def test_the_code_that_travels_is_its_file(tmp_path):
    FastASTFeatureExtractor().save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.glob("*.py")] == ["feature_extraction_fastast.py"]
