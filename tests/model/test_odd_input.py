"""Odd input, all the way through: silence, settings of other data sets, what a pipeline is given, a list as patch size."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoFeatureExtractor, AutoModelForAudioClassification, pipeline

from fastast_hf import FastASTConfig, FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.hub.conversion import ast_from_vision_transformer
from tests.conftest import SHARED, requires_shared, tiny_config, tiny_input, tiny_model
from tests.without_package import run_without_the_package, waveform

# Stock AST with 128 mel bins has an empty lowest filter; its numpy front end says so.
pytestmark = pytest.mark.filterwarnings("ignore:At least one mel filter")

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def extractor_for(config, **fields):
    return FastASTFeatureExtractor(max_length=config.max_length, num_mel_bins=config.num_mel_bins, **fields)


# Silence


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("merge_ratio", [0.0, 0.25, 0.5])
def test_silence_gives_finite_logits(merge_ratio, attention, dtype):
    model = tiny_model(merge_ratio=merge_ratio, attention=attention).to(dtype)
    silence = [np.zeros(length, dtype=np.float32) for length in (400, 8_000, 160_000)]
    features = extractor_for(model.config)(silence, sampling_rate=16_000, return_tensors="pt").input_values
    assert features.isfinite().all()
    with torch.no_grad():
        logits = model(features.to(dtype)).logits
        alone = model(features[1:2].to(dtype)).logits
    assert logits.dtype == dtype
    assert logits.isfinite().all()
    torch.testing.assert_close(alone, logits[1:2])


@requires_shared
@pytest.mark.parametrize("dtype", DTYPES)
def test_silence_gives_finite_logits_at_real_size(dtype):
    model = ast_from_vision_transformer(SHARED / "models" / "deit_tiny_patch16_224", merge_ratio=0.25).eval().to(dtype)
    extractor = extractor_for(model.config)
    features = extractor(np.zeros(160_000, dtype=np.int16), sampling_rate=16_000, return_tensors="pt").input_values
    assert features.shape == (1, 1024, 128)
    with torch.no_grad():
        assert model(features.to(dtype)).logits.isfinite().all()


@pytest.mark.parametrize("value", [0.0, -1.28])
@pytest.mark.parametrize("merge_ratio", [0.1, 0.25, 0.5])
def test_tokens_that_are_all_alike_merge_from_the_lowest_index(merge_ratio, value):
    """Without positions, every patch of silence is one and the same token: all similarities tie exactly."""
    model = tiny_model(merge_ratio=merge_ratio)
    with torch.no_grad():
        model.base_model.embeddings.position_embeddings.zero_()
        output = model(torch.full((2, 96, 36), value), output_token_sources=True)
    clusters = [[2 + patch] for patch in range(27)]  # twin: the patches behind each token, first to last
    for merged in model.config.merge_schedule().tokens_merged:
        sources = clusters[0 : 2 * merged : 2]  # the first ones of those at even places
        clusters[1] = sum(sources, clusters[1])  # all into the first one at an odd place
        clusters = [cluster for cluster in clusters if cluster not in sources]
    for sizes, tokens in zip(output.token_sizes, output.token_sources, strict=True):
        assert sizes.tolist() == [1, 1, *map(len, clusters)]
        for token, cluster in enumerate(clusters):
            assert {tokens[patch - 2].item() for patch in cluster} == {2 + token}


# Settings of other data sets

SETTINGS = {"mean": -6.6268077, "std": 5.358466, "num_mel_bins": 48, "max_length": 112}


@pytest.fixture
def folder(tmp_path):
    """Save a model and a feature extractor of another data set; Speech Commands' mean and std, in AST's recipe."""
    model = tiny_model(num_mel_bins=48, max_length=112, merge_ratio=0.25)
    model.save_pretrained(tmp_path / "model")
    FastASTFeatureExtractor(**SETTINGS, do_normalize=True).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_settings_of_other_data_sets_come_back(folder):
    saved = json.loads((folder / "preprocessor_config.json").read_text())
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    config = AutoConfig.from_pretrained(folder)
    assert {name: saved[name] for name in SETTINGS} == SETTINGS
    assert {name: getattr(extractor, name) for name in SETTINGS} == SETTINGS
    assert (config.num_mel_bins, config.max_length) == (48, 112)
    for again in (extractor.from_dict(extractor.to_dict()), FastASTFeatureExtractor.from_pretrained(folder)):
        assert again.to_dict() == extractor.to_dict()
    model = AutoModelForAudioClassification.from_pretrained(folder)
    features = extractor(waveform(), sampling_rate=16_000, return_tensors="pt").input_values
    plain = FastASTFeatureExtractor(**SETTINGS | {"mean": 0.0, "std": 0.5})  # (x - mean) / (2 * std)
    unscaled = plain(waveform(), sampling_rate=16_000, return_tensors="pt").input_values
    torch.testing.assert_close(features, (unscaled - SETTINGS["mean"]) / (2 * SETTINGS["std"]))
    with torch.no_grad():
        assert model(features).logits.isfinite().all()


def test_settings_of_other_data_sets_come_back_without_the_package(folder, tmp_path):
    code = """
extractor = AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=True)
assert (extractor.num_mel_bins, extractor.max_length, extractor.mean, extractor.std) == (48, 112, -6.6268077, 5.358466)
classifier = pipeline("audio-classification", model=folder, trust_remote_code=True)
np.save(out + "/features.npy", extractor(waveform, sampling_rate=16000, return_tensors="np").input_values)
assert len(classifier(waveform)) == 5
for odd, word in ((waveform[:399], "at least 400 samples"), (waveform * np.inf, "finite samples"), (waveform > 0, "int16")):
    try:
        classifier(odd)
    except (TypeError, ValueError) as error:
        assert "`raw_speech` must hold" in str(error) and word in str(error), error
    else:
        raise AssertionError("not refused")
"""
    run_without_the_package(code, folder, tmp_path / "work")
    ours = FastASTFeatureExtractor.from_pretrained(folder)(waveform(), sampling_rate=16_000, return_tensors="np")
    np.testing.assert_array_equal(np.load(tmp_path / "work" / "features.npy"), ours.input_values)


def test_a_spectrogram_of_other_settings_is_refused(folder):
    model = FastASTForAudioClassification.from_pretrained(folder)
    with pytest.raises(
        ValueError, match=r"`input_values` must have from 16 to 112 frames and 48 mel bins, got 96 and 36"
    ):
        model(tiny_input())


# What a pipeline is given


@pytest.fixture
def classify(folder):
    return pipeline("audio-classification", model=str(folder))


def test_the_pipeline_takes_integers_and_tensors(classify):
    samples = np.round(waveform() * 32_767).astype(np.int16)
    expected = classify(samples.astype(np.float32) / 32_768)
    for given in (samples, torch.from_numpy(samples), {"raw": samples, "sampling_rate": 16_000}):
        assert classify(given) == expected
    assert classify(waveform().astype(np.float64)) == classify(waveform())


def test_the_pipeline_hears_silence(classify):
    scores = [row["score"] for row in classify(np.zeros(16_000))]
    assert len(scores) == 5
    assert sum(scores) == pytest.approx(1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros(0, dtype=np.float32), "must hold at least 400 samples, one analysis window, got 0"),
        (np.zeros(399, dtype=np.float32), "must hold at least 400 samples, one analysis window, got 399"),
        (np.full(8_000, np.nan), "must hold finite samples, got 8000 NaN or infinite ones"),
        (np.zeros(8_000, dtype=np.int64), "must hold floats or int8, int16, int32 or uint8, got int64"),
    ],
)
def test_the_pipeline_refuses_in_the_feature_extractor_s_words(classify, given, message):
    with pytest.raises((TypeError, ValueError), match=f"`raw_speech` {message}"):
        classify(given)
    with pytest.raises((TypeError, ValueError), match=f"`raw_speech` {message}"):
        classify([waveform(), given])


def test_the_pipeline_refuses_channels_itself(classify):
    with pytest.raises(ValueError, match="single channel"):
        classify(np.zeros((2, 8_000)))


# A list as patch size


@pytest.mark.parametrize("patch_size", [[16, 16], (16, 16), [16]])
def test_a_list_of_patch_sizes_is_refused_wherever_it_comes_from(tmp_path, patch_size):
    message = r"patch_size.*must be one int"
    with pytest.raises(ValueError, match=message):
        FastASTConfig(patch_size=patch_size)
    config = tiny_config()
    with pytest.raises(ValueError, match=message):
        config.patch_size = patch_size
    assert config.patch_size == 16
    config.save_pretrained(tmp_path)
    fields = json.loads((tmp_path / "config.json").read_text()) | {"patch_size": list(patch_size)}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    for load in (FastASTConfig, AutoConfig, FastASTForAudioClassification, AutoModelForAudioClassification):
        with pytest.raises(ValueError, match=message):
            load.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(fields | {"model_type": "audio-spectrogram-transformer"}))
    with pytest.raises(ValueError, match=message):  # a published AST
        FastASTForAudioClassification.from_pretrained(tmp_path)
