"""FastASTFeatureExtractor gives what AST's gives, under a name of its own."""

import inspect
import json
import re

import numpy as np
import pytest
import soundfile
import soxr
import torch
from transformers import ASTFeatureExtractor, AutoFeatureExtractor, pipeline

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.data.audio import load_audio
from fastast_hf.model.log_mel import count_frames
from tests.conftest import ESC10, requires_shared, tiny_config, tiny_model
from tests.model.test_waveforms import extract, noise, small

# Stock AST with 128 mel bins has an empty lowest filter; its numpy front end says so.
pytestmark = pytest.mark.filterwarnings("ignore:At least one mel filter")


@pytest.mark.parametrize("num_samples", [4000, 16_000, 200_000])
def test_it_gives_what_the_parent_gives(num_samples):
    ours = FastASTFeatureExtractor()(noise(num_samples), sampling_rate=16_000, return_tensors="np")
    theirs = ASTFeatureExtractor()(noise(num_samples), sampling_rate=16_000, return_tensors="np")
    assert ours.input_values.shape == (1, 1024, 128)
    np.testing.assert_allclose(ours.input_values, theirs.input_values, rtol=0, atol=1e-5)


@requires_shared
def test_it_gives_what_the_parent_gives_on_a_real_clip():
    samples, rate = soundfile.read(next((ESC10 / "dog_bark").glob("*.ogg")), dtype="float32")
    samples = soxr.resample(samples, rate, 16_000)
    ours = FastASTFeatureExtractor()(samples, sampling_rate=16_000, return_tensors="np")
    theirs = ASTFeatureExtractor()(samples, sampling_rate=16_000, return_tensors="np")
    np.testing.assert_allclose(ours.input_values, theirs.input_values, rtol=0, atol=1e-5)


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
    assert sorted(path.name for path in tmp_path.glob("*.py")) == [
        "feature_extraction_fastast.py",
        "json_files.py",
        "log_mel.py",
        "version.py",
        "waveforms.py",
    ]


@requires_shared
def test_log_mel_is_the_parents_on_every_recording():
    """All of ESC-10, before normalisation, to within 1e-4."""
    settings = {"do_normalize": False, "max_length": 512}
    ours, theirs = FastASTFeatureExtractor(**settings), ASTFeatureExtractor(**settings)
    paths = sorted(ESC10.glob("*/*.ogg"))
    assert len(paths) == 400
    for path in paths:
        waveform = load_audio(path, sampling_rate=16_000)
        pair = [
            extractor(waveform, sampling_rate=16_000, return_tensors="np").input_values for extractor in (ours, theirs)
        ]
        np.testing.assert_allclose(*pair, rtol=0, atol=1e-4)


def test_the_positions_of_its_arguments_are_the_parents():
    parent, own = (
        list(inspect.signature(kind.__init__).parameters) for kind in FastASTFeatureExtractor.__mro__[1::-1]
    )
    assert own[: len(parent) - 1] == parent[:-1]  # apart from **kwargs
    values = (1, 8_000, 40, 100, 0.0, False, -5.0, 2.0, True)
    ours, theirs = FastASTFeatureExtractor(*values).to_dict(), ASTFeatureExtractor(*values).to_dict()
    assert {name: ours[name] for name in theirs if name != "feature_extractor_type"} == {
        name: theirs[name] for name in theirs if name != "feature_extractor_type"
    }
    assert FastASTFeatureExtractor().to_dict().keys() - {"fastast_version"} == ASTFeatureExtractor().to_dict().keys()


# Padding

LENGTHS = [16_000, 400, 3_000, 250_000]


def test_padding_to_the_longest_clip_counts_frames():
    extractor = FastASTFeatureExtractor(num_mel_bins=32, max_length=200)
    clips = [noise(length) for length in LENGTHS]
    for batch, expected in ((clips[:3], [98, 1, 17]), (clips, [98, 1, 17, 200]), (clips[1:2], [1])):
        features = extractor(batch, sampling_rate=16_000, return_tensors="pt", padding="longest")
        assert features["num_frames"].tolist() == expected
        assert features["num_frames"].dtype == torch.int64
        assert features["input_values"].shape == (len(batch), max(16, *expected), 32)
        padded = extractor(batch, sampling_rate=16_000, return_tensors="pt")
        assert set(padded) == {"input_values"}
        length = features["input_values"].shape[1]
        assert torch.equal(padded["input_values"][:, :length], features["input_values"])


@pytest.mark.parametrize("return_tensors", ["np", None])
def test_padding_to_the_longest_in_numpy(return_tensors):
    clips = [noise(16_000), noise(400)]
    features = small(padding="longest")(clips, sampling_rate=16_000, return_tensors=return_tensors)
    assert list(features["num_frames"]) == [24, 1]
    assert np.shape(features["input_values"]) == (2, 24, 32)


def test_the_padding_is_a_keyword_while_loading(tmp_path):
    ASTFeatureExtractor(num_mel_bins=36, max_length=96).save_pretrained(tmp_path)
    assert FastASTFeatureExtractor.from_pretrained(tmp_path).padding == "max_length"
    extractor = FastASTFeatureExtractor.from_pretrained(tmp_path, padding="longest", max_length=50)
    assert (extractor.padding, extractor.max_length, extractor.num_mel_bins) == ("longest", 50, 36)


def test_the_padding_travels_with_the_settings(tmp_path):
    small(padding="longest").save_pretrained(tmp_path)
    assert FastASTFeatureExtractor.from_pretrained(tmp_path).padding == "longest"
    assert "padding" not in small().to_dict()
    with pytest.raises(ValueError, match=r'`padding` must be "max_length" or "longest", got True\. The first'):
        small(padding=True)
    with pytest.raises(ValueError, match='`padding` must be "max_length" or "longest", got \'max\''):
        small()(noise(), sampling_rate=16_000, padding="max")


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("ratio", [0, 0.1, [0.3, 0, 0.5]])
def test_a_sound_answers_alone_as_in_a_batch(ratio, attention):
    model = tiny_model(merge_ratio=ratio, attention=attention)
    extractor = FastASTFeatureExtractor(num_mel_bins=36, max_length=96, padding="longest")
    clips = [noise(length) for length in LENGTHS]
    with torch.no_grad():
        together = model(**extractor(clips, sampling_rate=16_000, return_tensors="pt")).logits
        for logits, clip in zip(together, clips, strict=True):
            alone = model(**extractor(clip, sampling_rate=16_000, return_tensors="pt")).logits[0]
            torch.testing.assert_close(logits, alone, rtol=1e-4, atol=1e-4)


def test_the_pipeline_computes_what_was_recorded():
    extractor = FastASTFeatureExtractor(num_mel_bins=36, max_length=96, padding="longest")
    model = tiny_model(merge_ratio=0.25)
    classify = pipeline("audio-classification", model=model, feature_extractor=extractor)
    lengths = []
    model.base_model.register_forward_pre_hook(
        lambda _, args, kwargs: lengths.append(args[0].shape[1]), with_kwargs=True
    )
    clips = [noise(length) for length in (16_000, 4_000, 9_000)]
    alone = [classify(clip, top_k=None) for clip in clips]
    together = list(classify(clips, top_k=None, batch_size=3))
    assert lengths == [96, 23, 54, 96]
    for one, other in zip(alone, together, strict=True):
        assert [row["label"] for row in one] == [row["label"] for row in other]
        assert [row["score"] for row in one] == pytest.approx([row["score"] for row in other], abs=1e-5)


@pytest.mark.parametrize("padding", ["max_length", "longest"])
def test_what_a_gpu_does_with_a_batch_gives_the_same(padding):
    """A GPU takes all clips at once: run that way on whatever device is here."""
    extractor = small(padding=padding)
    clips = [noise(length) for length in LENGTHS]
    frames = [min(24, count_frames(length, 16_000)) for length in LENGTHS]
    with torch.no_grad():
        expected = extractor._spectrograms(clips, frames, 24, torch.device("cpu"))
        torch.testing.assert_close(extractor._spectrograms_at_once(clips, frames, 24, torch.device("cpu")), expected)


def test_another_sampling_rate():
    message = (
        r"`sampling_rate` must be 16000, the model's, got 44100\. Resample .*`soxr.resample\(waveform, 44100, 16000\)`"
    )
    with pytest.raises(ValueError, match=message):
        small()(noise(), sampling_rate=44_100)


def test_no_sampling_rate_is_warned_about_as_ast_does(transformers_log):
    values = small()(noise(4000), return_tensors="np").input_values
    np.testing.assert_array_equal(values, extract(noise(4000)))
    assert "strongly recommended to pass the `sampling_rate`" in transformers_log.text


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            {"sampling_rate": 100_000_000_000},
            "`sampling_rate` must be a whole number from 120 to 1,000,000, got 100000000000",
        ),
        ({"sampling_rate": 0}, "`sampling_rate` must be a whole number from 120 to 1,000,000, got 0"),
        ({"sampling_rate": 119}, "`sampling_rate` must be a whole number from 120 to 1,000,000, got 119"),
        ({"sampling_rate": "16 kHz"}, "`sampling_rate` must be a whole number from 120 to 1,000,000, got '16 kHz'"),
        ({"num_mel_bins": 128.5}, "`num_mel_bins` must be a whole number from 1 to 4,096, got 128.5"),
        ({"max_length": True}, "`max_length` must be a whole number from 1 to 1,000,000, got True"),
        ({"mean": "x"}, "`mean` must be a finite number, got 'x'"),
        ({"std": float("nan")}, "`std` must be a finite number, got nan"),
        ({"std": 0}, "`std` must be above 0, got 0"),
    ],
)
def test_settings_that_no_sound_has_are_refused_before_a_sound(setting, message, tmp_path):
    FastASTFeatureExtractor().save_pretrained(tmp_path)
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | setting))
    with pytest.raises(ValueError, match=re.escape(message) + r"\. Look into preprocessor_config\.json"):
        FastASTFeatureExtractor.from_pretrained(tmp_path)


def test_a_setting_that_is_none_is_refused(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text('{"self": 1}')
    with pytest.raises(
        ValueError, match=r"`preprocessor_config\.json` must hold the settings of a feature extractor, got"
    ):
        FastASTFeatureExtractor.from_pretrained(tmp_path)


def test_the_lowest_sampling_rate_hears_something():
    """A window of fewer samples would see zeros alone: the Hann window is zero at its ends."""
    extractor = small(sampling_rate=120, do_normalize=False)
    loud, silent = (
        extractor(scale * noise(120), sampling_rate=120, return_tensors="pt", padding="longest")["input_values"]
        for scale in (1, 0)
    )
    assert loud.isfinite().all()
    assert (loud > silent).any()
