"""FastASTFeatureExtractor gives what AST's gives, under a name of its own."""

import inspect
import json
import wave

import numpy as np
import pytest
import soundfile
import soxr
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import ASTFeatureExtractor, AutoFeatureExtractor, pipeline

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.data.audio import load_audio
from fastast_hf.model.feature_extraction_fastast import check_waveforms
from fastast_hf.model.log_mel import count_frames
from tests.conftest import ESC10, requires_shared, tiny_config, tiny_model

# Stock AST with 128 mel bins has an empty lowest filter; its numpy front end says so.
pytestmark = pytest.mark.filterwarnings("ignore:At least one mel filter")


def noise(num_samples=16_000):
    return np.random.default_rng(0).normal(size=num_samples).astype(np.float32) * 0.1


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
        "log_mel.py",
        "version.py",
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


# What is a waveform


def small(**fields):
    return FastASTFeatureExtractor(num_mel_bins=32, max_length=24, **fields)


def extract(raw_speech):
    return small()(raw_speech, sampling_rate=16_000, return_tensors="np").input_values


def pcm(dtype, num_samples=4000):
    info = np.iinfo(dtype)
    return np.random.default_rng(0).integers(info.min, info.max, num_samples, dtype=dtype, endpoint=True)


@pytest.mark.parametrize(
    "raw_speech",
    [
        noise(4000).tolist(),
        tuple(noise(4000).tolist()),
        list(noise(4000)),
        torch.from_numpy(noise(4000)),
        torch.from_numpy(noise(4000)).requires_grad_(),
        memoryview(noise(4000)),
        noise(4000).astype(np.float64),
        noise(4000).astype(">f4"),
        noise(4000)[None],
        noise(4000)[:, None],
        torch.from_numpy(noise(4000))[None],
        [noise(4000)],
        (noise(4000).tolist(),),
        [torch.from_numpy(noise(4000))],
        [noise(4000)[None]],
        [noise(4000)[:, None]],
    ],
)
def test_every_kind_of_waveform_gives_the_same(raw_speech):
    np.testing.assert_array_equal(extract(raw_speech), extract(noise(4000)))


def test_half_precision_is_read_as_it_is():
    for dtype in (torch.float16, torch.bfloat16):
        half = torch.from_numpy(noise(4000)).to(dtype)
        np.testing.assert_array_equal(extract(half), extract(half.float().numpy()))
        np.testing.assert_array_equal(extract([half]), extract(half.float().numpy()))


def test_several_clips():
    clips = [noise(4000), noise(5000)[1000:]]
    expected = np.concatenate([extract(clip) for clip in clips])
    tensors = [torch.from_numpy(clip) for clip in clips]
    for raw_speech in (clips, np.stack(clips), tensors, torch.stack(tensors), [clips[0].tolist(), tensors[1]]):
        np.testing.assert_array_equal(extract(raw_speech), expected)
    assert extract([noise(500), noise(9000)]).shape == (2, 24, 32)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint8])
def test_integers_become_what_soundfile_reads(dtype, tmp_path):
    samples = pcm(dtype)
    with wave.open(str(tmp_path / "pcm.wav"), "wb") as file:
        file.setparams((1, samples.itemsize, 16_000, 0, "NONE", "NONE"))
        file.writeframes(samples.tobytes())
    floats, _ = soundfile.read(tmp_path / "pcm.wav", dtype="float32")
    for raw_speech in (samples, [samples], torch.from_numpy(samples), samples.astype(samples.dtype.newbyteorder())):
        (waveform,) = check_waveforms(raw_speech, min_samples=400)
        np.testing.assert_array_equal(waveform, floats)
    np.testing.assert_array_equal(extract(samples), extract(floats))


@settings(deadline=None, derandomize=True, max_examples=100)
@given(
    dtype=st.sampled_from([np.int8, np.int16, np.int32, np.uint8, np.float16, np.float32, np.float64, np.longdouble]),
    lengths=st.lists(st.integers(400, 900), min_size=1, max_size=4),
    layout=st.sampled_from(["array", "list", "tuple", "row", "column"]),
)
def test_any_good_waveform_becomes_finite_float32(dtype, lengths, layout):
    rng = np.random.default_rng(0)
    is_integer = np.issubdtype(dtype, np.integer)
    low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if is_integer else (-1, 1)
    clips = [np.asarray(rng.uniform(low, high, length), dtype=dtype) for length in lengths]
    if layout in ("list", "tuple") and is_integer:
        layout = "array"  # Python's integers have no full scale
    change = {"list": list, "tuple": tuple, "row": lambda x: x[None], "column": lambda x: x[:, None]}
    waveforms = check_waveforms([change.get(layout, np.asarray)(clip) for clip in clips], min_samples=400)
    zero, scale = {np.uint8: (128, 128)}.get(dtype, (0, -float(low)))
    for waveform, clip in zip(waveforms, clips, strict=True):
        assert waveform.dtype == np.float32
        assert -1 <= waveform.min() <= waveform.max() <= 1
        np.testing.assert_array_equal(waveform, ((clip.astype(np.float64) - zero) / scale).astype(np.float32))


def test_a_good_waveform_is_not_copied():
    waveform = noise(4000)
    assert check_waveforms(waveform, min_samples=400)[0] is waveform
    assert check_waveforms([waveform], min_samples=400)[0] is waveform


# What is none


def refuse(raw_speech, error, message):
    with pytest.raises(error, match=message):
        extract(raw_speech)


@pytest.mark.parametrize("num_samples", [0, 1, 2, 399])
def test_shorter_than_one_analysis_window(num_samples):
    message = rf"`raw_speech` must hold at least 400 samples, one analysis window, got {num_samples}"
    refuse(noise(num_samples), ValueError, message + r"\. Leave the clip out, or pad it with zeros")
    refuse([noise(400), noise(num_samples)], ValueError, message + r" in clip 1 of 2\. Leave")
    refuse(np.stack([noise(num_samples)] * 3), ValueError, message + r" in clip 0 of 3\. Leave")
    if num_samples:
        refuse(noise(num_samples).tolist(), ValueError, message)
    assert extract(noise(400)).shape == (1, 24, 32)


def test_the_analysis_window_of_another_rate():
    with pytest.raises(ValueError, match=r"must hold at least 1200 samples, one analysis window, got 1199\."):
        small(sampling_rate=48_000)(noise(1199), sampling_rate=48_000)


@pytest.mark.parametrize("raw_speech", [[], (), np.zeros((0, 4000))])
def test_no_clip(raw_speech):
    refuse(raw_speech, ValueError, r"`raw_speech` must hold at least one clip, got none. Give the samples")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_samples_that_are_not_finite(bad):
    waveform = noise(4000).astype(np.float64)
    waveform[[5, 7]] = bad
    message = r"`raw_speech` must hold finite samples, got 2 NaN or infinite ones of 4000"
    refuse(waveform, ValueError, message + r"\. Leave the clip out")
    refuse([noise(4000), noise(4000), waveform], ValueError, message + " in clip 2 of 3")
    refuse(torch.from_numpy(waveform), ValueError, message)


@pytest.mark.parametrize("loudest", [1e13, 3e38])
def test_samples_that_no_logarithm_survives(loudest):
    waveform = noise(4000)
    waveform[7] = -loudest
    message = rf"`raw_speech` must hold samples from about -1 to 1, got {loudest:g}".replace("+", r"\+")
    refuse(waveform, ValueError, message + r"\. Divide")
    refuse([noise(4000), waveform], ValueError, message + r" in clip 1 of 2\. Divide")
    waveform[7] = 1e12
    assert np.isfinite(extract(waveform)).all()


@pytest.mark.parametrize(
    ("raw_speech", "shape", "axis"),
    [
        (np.zeros((4000, 2)), r"\(4000, 2\)", 1),
        (torch.zeros(4000, 2), r"\(4000, 2\)", 1),
        ([np.zeros((4000, 2))], r"\(4000, 2\)", 1),
        ([np.zeros((2, 4000), dtype=np.int16)], r"\(2, 4000\)", 0),
        ([np.zeros(4000), torch.zeros(2, 4000)], r"\(2, 4000\) in clip 1 of 2", 0),
    ],
)
def test_channels(raw_speech, shape, axis):
    message = rf"`raw_speech` must be mono, got samples of shape {shape}\. Average the channels, `x.mean\({axis}\)`"
    refuse(raw_speech, ValueError, message)


def test_the_mend_for_channels_mends():
    stereo = pcm(np.int16, 8000).reshape(-1, 2)
    (waveform,) = check_waveforms(stereo.mean(1).astype(stereo.dtype), min_samples=400)
    np.testing.assert_allclose(waveform, stereo.mean(1) / 32_768, atol=1 / 32_768)


@pytest.mark.parametrize("raw_speech", [np.zeros((2, 2, 4000)), [np.zeros((2, 2, 4000))]])
def test_more_axes(raw_speech):
    refuse(
        raw_speech, ValueError, r"`raw_speech` must be mono, got samples of shape \(2, 2, 4000\)\. Give each clip as"
    )


@pytest.mark.parametrize(
    "raw_speech", ["a.wav", b"RIFF", None, 0.5, {"array": noise()}, np.array(0.5), torch.tensor(1.0)]
)
def test_what_is_no_array(raw_speech):
    message = rf"`raw_speech` must be an array, a tensor or a list .*, got {type(raw_speech).__name__}\. Decode a file"
    refuse(raw_speech, TypeError, message)


@pytest.mark.parametrize(
    ("raw_speech", "dtype"),
    [
        ([0, 1] * 4000, "int64"),
        (np.zeros(4000, dtype=np.uint16), "uint16"),
        (np.zeros(4000, dtype=bool), "bool"),
        (np.zeros(4000, dtype=complex), "complex128"),
        (np.array([None] * 4000), "object"),
        (["a.wav"], "<U5"),
        ([noise(4000), {"array": noise(4000)}], "object in clip 1 of 2"),
    ],
)
def test_numbers_without_a_full_scale(raw_speech, dtype):
    message = rf"`raw_speech` must hold floats or int8, int16, int32 or uint8, got {dtype}\. Convert the samples"
    refuse(raw_speech, TypeError, message)


def test_lists_that_numpy_cannot_read():
    refuse(
        [[[0.0] * 400, [0.0] * 401]], ValueError, r"`raw_speech` must hold clips that are lists of numbers, got one"
    )


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
