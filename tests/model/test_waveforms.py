"""Waveforms of every kind, and what is none, as the feature extractor meets them."""

import wave

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.model.waveforms import LOUDEST, check_waveforms


def noise(num_samples=16_000):
    return np.random.default_rng(0).normal(size=num_samples).astype(np.float32) * 0.1


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


def read_only(waveform):
    return np.frombuffer(waveform.tobytes(), dtype=np.float32)


def unaligned(waveform):
    return np.frombuffer(bytearray(b"." + waveform.tobytes()), dtype=np.float32, offset=1)


def column_of_records(waveform):
    records = np.zeros(len(waveform), dtype=[("time", np.int8), ("sample", np.float32)])
    records["sample"] = waveform
    return records["sample"]


@pytest.mark.parametrize(
    "lay_out",
    [
        lambda waveform: waveform[::-1].copy()[::-1],
        read_only,
        lambda waveform: np.broadcast_to(waveform, (1, 4000)),
        unaligned,
        column_of_records,
        lambda waveform: np.stack([waveform, waveform], axis=1)[:, 0],
    ],
)
def test_every_layout_of_memory_gives_the_same(lay_out):
    waveform = noise(4000)
    laid_out = lay_out(waveform)
    np.testing.assert_array_equal(extract(laid_out), extract(waveform))
    np.testing.assert_array_equal(extract([laid_out, laid_out])[1], extract(waveform)[0])


def test_a_memory_mapped_file(tmp_path):
    noise(4000).tofile(tmp_path / "samples")
    mapped = np.memmap(tmp_path / "samples", dtype=np.float32, mode="r")
    np.testing.assert_array_equal(extract(mapped), extract(noise(4000)))


def test_an_ordinary_waveform_is_not_copied_on_its_way_to_torch():
    waveform = noise(4000)
    [tensor] = small()._cut([waveform])
    assert tensor.data_ptr() == waveform.ctypes.data


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
    waveform[7] = LOUDEST
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
