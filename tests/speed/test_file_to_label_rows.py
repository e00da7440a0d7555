"""The ways from sound files to labels: what a model is given on each, and the parts of their time; never a time."""

from contextlib import contextmanager

import numpy as np
from transformers import AudioClassificationPipeline

from fastast_hf.data import load_audio
from fastast_hf.model.log_mel import count_frames
from fastast_hf.speed.file_to_label_rows import (
    TimedPipeline,
    files_way,
    front_end_way,
    length_way,
    parts_of_files_way,
    pipeline_way,
    stopwatch,
)
from tests.conftest import tiny_model


def test_a_stopwatch_adds(monkeypatch):
    now = iter([1.0, 3.5, 10.0, 10.25])
    monkeypatch.setattr("time.perf_counter", lambda: next(now))
    seconds = {}
    for _ in range(2):
        with stopwatch(seconds, "work"):
            pass
    assert seconds == {"work": 2.75}


def test_the_pipeline_answers_as_transformers_and_tells_its_parts(models, extractors):
    pipeline = TimedPipeline(model=models[0], feature_extractor=extractors[0])
    waveforms = [np.random.default_rng(seed).uniform(-1, 1, 9_000).astype(np.float32) for seed in range(3)]
    pipeline(waveforms[:1])
    pipeline.take_seconds()
    answers = pipeline(waveforms, top_k=5)
    assert answers == AudioClassificationPipeline(model=models[0], feature_extractor=extractors[0])(waveforms, top_k=5)
    taken = pipeline.take_seconds()
    assert list(taken) == ["features", "model"]
    assert min(taken.values()) > 0
    assert pipeline.take_seconds() == {}


def test_the_way_of_the_pipeline_takes_decoded_clips_in_batches():
    told = []

    def pipeline(waveforms, **settings):
        told.append((waveforms, settings))
        return [[{"label": "dog", "score": 1.0}], [{"label": "rain", "score": 0.5}]]

    waveforms = (np.zeros(1), np.ones(1))
    assert pipeline_way(pipeline, batch_size=2)([], waveforms) == ["dog", "rain"]
    assert told == [(list(waveforms), {"top_k": 1, "batch_size": 2})]


@contextmanager
def shapes_of_input(model):
    """Write down the shape of every batch that a model is given."""
    shapes = []
    hook = model.register_forward_pre_hook(
        lambda module, arguments, inputs: shapes.append(tuple(inputs["input_values"].shape)), with_kwargs=True
    )
    yield shapes
    hook.remove()


def test_frames_that_are_padding_are_left_out(extractors, clips_of_all_lengths):
    waveforms = [load_audio(path) for path in clips_of_all_lengths]
    model = tiny_model()
    for way in (length_way(model, extractors[0]), front_end_way(model, extractors[1])):
        with shapes_of_input(model) as shapes:
            way(clips_of_all_lengths, waveforms)
        frames = [min(96, max(16, count_frames(len(waveform), 16_000))) for waveform in waveforms]
        assert shapes == [(1, count, 36) for count in frames]


def test_parts_are_of_the_batches_that_are_measured(models, extractors, clips_of_all_lengths):
    model = models[1]
    mixed = clips_of_all_lengths[::2] + clips_of_all_lengths[1::2]
    with shapes_of_input(model) as measured:
        files_way(model, extractors[1], batch_size=2, num_workers=2)(mixed, [])
    with shapes_of_input(model) as shapes:
        parts = parts_of_files_way(model, extractors[1], mixed, batch_size=2)
    assert shapes == measured
    assert [shape[0] for shape in shapes] == [2, 2, 2, 1]
    assert list(parts) == ["decode", "features", "model"]
    assert min(parts.values()) > 0
