"""What every step from transformers' pipeline to labels saves: structure, answers and arithmetic; never a time."""

import json
import math
from contextlib import contextmanager
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from transformers import ASTFeatureExtractor, AudioClassificationPipeline

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.classification import find_sound_files
from fastast_hf.data import load_audio
from fastast_hf.hub.file_to_label_tables import check_file_to_label
from fastast_hf.model.log_mel import count_frames
from fastast_hf.speed import file_to_label
from fastast_hf.speed.file_to_label import Turn, measure_file_to_label, summarize_parts, summarize_rows
from fastast_hf.speed.file_to_label_rows import (
    TimedPipeline,
    files_row,
    front_end_row,
    length_row,
    parts_of_files_row,
    stopwatch,
)
from tests.conftest import ESC10, requires_shared, tiny_ast, tiny_model

STEPS = ["AST, pipeline", "+ length", "+ front end", "+ batching", "+ merging"]
SETTINGS = {"num_mel_bins": 36, "max_length": 96}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(file_to_label, "_let_threads_fall_asleep", lambda: None)


@pytest.fixture(scope="module")
def models():
    return tiny_ast(), tiny_model(merge_ratio=0.4)


@pytest.fixture(scope="module")
def extractors():
    return ASTFeatureExtractor(**SETTINGS), FastASTFeatureExtractor(**SETTINGS)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Clips of all lengths: from less than a patch to more than the model hears."""
    folder = tmp_path_factory.mktemp("sounds")
    for number in range(7):
        generator = np.random.default_rng(number)
        samples = generator.uniform(-0.5, 0.5, 2_000 + 2_500 * number) * generator.uniform(0, 1)
        soundfile.write(folder / f"{number}.wav", samples, 16_000)
    return sorted(folder.iterdir())


def expected_labels(models, extractors, paths):
    """Answer one clip at a time, as plainly as can be: padded, as long as it is, and merged."""
    (ast, merging), unmerged = models, tiny_model()
    answers = {"padded": [], "heard": [], "merged": []}
    for path in paths:
        waveform = load_audio(path)
        stock = extractors[0](waveform, sampling_rate=16_000, return_tensors="pt")
        fast = extractors[1](waveform, sampling_rate=16_000, return_tensors="pt", padding="longest")
        for name, model, inputs in (("padded", ast, stock), ("heard", unmerged, fast), ("merged", merging, fast)):
            with torch.inference_mode():
                answers[name].append(ast.config.id2label[int(model(**inputs).logits.argmax())])
    return [answers[name] for name in ("padded", "heard", "heard", "heard", "merged")]


def share_of_equals(labels, others):
    return sum(one == other for one, other in zip(labels, others, strict=True)) / len(labels)


def test_every_step_is_measured_and_answers(models, extractors, sounds):
    found = measure_file_to_label(*models, *extractors, sounds, batch_size=3, turns=2)
    check_file_to_label(json.loads(json.dumps(found)))
    assert list(found["rows"]) == STEPS
    expected = expected_labels(models, extractors, sounds)
    assert len({label for labels in expected for label in labels}) > 1
    agreement = [row["agreement"] for row in found["rows"].values()]
    assert agreement == [pytest.approx(share_of_equals(labels, expected[0])) for labels in expected]
    assert list(found["parts"]) == ["AST, pipeline", "+ merging"]
    told = {"num_clips": 7, "turns": 2, "batch_size": 3, "merge_ratio": 0.4, "max_length": 96}
    assert found == {**found, **told}
    assert found["median_clip_seconds"] == pytest.approx(9_500 / 16_000)


def test_further_models_are_rows_below(models, extractors, sounds, monkeypatch):
    narrow = deepcopy(models[1]).bfloat16()
    of_parts = []
    monkeypatch.setattr(
        file_to_label,
        "parts_of_files_row",
        lambda model, *rest, **sizes: of_parts.append(model) or parts_of_files_row(model, *rest, **sizes),
    )
    found = measure_file_to_label(*models, *extractors, sounds[:2], turns=1, further_models={"+ bfloat16": narrow})
    assert list(found["rows"]) == [*STEPS, "+ bfloat16"]
    assert list(found["parts"]) == ["AST, pipeline", "+ bfloat16"]
    assert of_parts == [narrow, narrow]  # the warm-up is the first
    assert models[1].dtype == torch.float32


@requires_shared
def test_real_recordings_get_the_labels_of_the_plain_way(models, extractors, transformers_log):
    paths = list(find_sound_files(ESC10))[:400:100]
    found = measure_file_to_label(*models, *extractors, paths, batch_size=2, turns=2, pipeline_batch_size=2)
    expected = expected_labels(models, extractors, [*paths[::2], *paths[1::2]])
    agreement = [row["agreement"] for row in found["rows"].values()]
    assert agreement == [share_of_equals(labels, expected[0]) for labels in expected]
    assert found["median_clip_seconds"] == pytest.approx(5, abs=0.01)


def test_rows_take_turns_and_each_is_the_first_once(sounds, monkeypatch):
    events = []
    monkeypatch.setattr(file_to_label, "_let_threads_fall_asleep", lambda: events.append("pause"))

    def row(name):
        def run(paths, waveforms):
            assert [len(waveform) for waveform in waveforms] == [len(load_audio(path)) for path in paths]
            events.append(name + "".join(path.stem for path in paths))
            return [name] * len(paths)

        return run

    def parts_of_last_row(paths):
        events.append("parts" + "".join(path.stem for path in paths))
        return {"decode": 1.0}

    rows = {name: row(name) for name in "abc"}
    of_pipeline = iter([{"model": 9.0}, {"model": 1.0}, {"model": 2.0}, {"model": 3.0}])  # the warm-up's first
    pipeline = SimpleNamespace(take_seconds=lambda: next(of_pipeline))
    clips = [sounds[turn::3] for turn in range(3)]
    turns = file_to_label._take_turns(rows, pipeline, parts_of_last_row, clips, 16_000)
    expected = ["a0", "b0", "c0", "parts0"]  # the warm-up
    for part, order in (("036", "abc"), ("14", "bca"), ("25", "cab")):
        for name in (*order, "parts"):
            expected += ["pause", name + part]
    assert events == expected
    assert [turn.num_clips for turn in turns] == [3, 2, 2]
    assert [list(turn.seconds) for turn in turns] == [list("abc")] * 3
    assert turns[1].labels == {"a": ["a", "a"], "b": ["b", "b"], "c": ["c", "c"]}
    assert [turn.parts["a"]["model"] for turn in turns] == [1, 2, 3]
    assert turns[1].parts["a"]["decode"] > 0
    assert turns[1].parts["c"] == {"decode": 1.0}


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


@contextmanager
def shapes_of_input(model):
    """Write down the shape of every batch that a model is given."""
    shapes = []
    hook = model.register_forward_pre_hook(
        lambda module, arguments, inputs: shapes.append(tuple(inputs["input_values"].shape)), with_kwargs=True
    )
    yield shapes
    hook.remove()


def test_frames_that_are_padding_are_left_out(extractors, sounds):
    waveforms = [load_audio(path) for path in sounds]
    model = tiny_model()
    for row in (length_row(model, extractors[0]), front_end_row(model, extractors[1])):
        with shapes_of_input(model) as shapes:
            row(sounds, waveforms)
        frames = [min(96, max(16, count_frames(len(waveform), 16_000))) for waveform in waveforms]
        assert shapes == [(1, count, 36) for count in frames]


def test_parts_are_of_the_batches_that_are_measured(models, extractors, sounds):
    model = models[1]
    mixed = sounds[::2] + sounds[1::2]
    with shapes_of_input(model) as measured:
        files_row(model, extractors[1], batch_size=2, num_workers=2)(mixed, [])
    with shapes_of_input(model) as shapes:
        parts = parts_of_files_row(model, extractors[1], mixed, batch_size=2)
    assert shapes == measured
    assert [shape[0] for shape in shapes] == [2, 2, 2, 1]
    assert list(parts) == ["decode", "features", "model"]
    assert min(parts.values()) > 0


TURNS = [
    Turn(
        num_clips=2,
        seconds={"a": 8.0, "b": 4.0, "c": 2.0},
        labels={"a": ["x", "y"], "b": ["x", "y"], "c": ["x", "x"]},
        parts={"a": {"decode": 0.2, "model": 6.0}, "c": {"decode": 0.4, "model": 1.0}},
    ),
    Turn(
        num_clips=1,
        seconds={"a": 8.0, "b": 4.0, "c": 0.5},
        labels={"a": ["x"], "b": ["y"], "c": ["x"]},
        parts={"a": {"decode": 0.4, "model": 7.0}, "c": {"decode": 0.1, "model": 0.5}},
    ),
    Turn(
        num_clips=1,
        seconds={"a": 4.0, "b": 1.0, "c": 0.5},
        labels={"a": ["z"], "b": ["z"], "c": ["z"]},
        parts={"a": {"decode": 0.1, "model": 3.0}, "c": {"decode": 0.3, "model": 0.4}},
    ),
]


def test_rows_are_medians_over_the_turns_of_ratios_within_a_turn():
    rows = summarize_rows(TURNS)
    assert rows["a"] == {
        "ms_per_clip": 4000.0,
        "clips_per_second": 0.25,
        "speed_up": 1.0,
        "speed_up_range": [1.0, 1.0],
        "step": 1.0,
        "share": 0.0,
        "agreement": 1.0,
    }
    assert (rows["b"]["speed_up"], rows["b"]["speed_up_range"], rows["b"]["step"]) == (2, [2, 4], 2)
    assert (rows["c"]["speed_up"], rows["c"]["speed_up_range"], rows["c"]["step"]) == (8, [4, 16], 4)
    assert rows["b"]["share"] == pytest.approx(math.log(2) / math.log(8))
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1)
    assert [row["agreement"] for row in rows.values()] == [1, 0.75, 0.75]
    assert rows["c"]["ms_per_clip"] == 500  # of 1000, 500 and 500


def test_no_share_of_a_speed_up_that_is_none():
    slower = [Turn(1, {"a": 1.0, "b": 2.0}, {"a": ["x"], "b": ["x"]}, {})]
    assert [row["share"] for row in summarize_rows(slower).values()] == [None, None]


def test_parts_are_medians_of_ms_a_clip():
    assert summarize_parts(TURNS) == {
        "a": {"decode": 100.0, "model": 3000.0},
        "c": {"decode": 200.0, "model": 500.0},
    }


def test_a_stopwatch_adds(monkeypatch):
    now = iter([1.0, 3.5, 10.0, 10.25])
    monkeypatch.setattr("time.perf_counter", lambda: next(now))
    seconds = {}
    for _ in range(2):
        with stopwatch(seconds, "work"):
            pass
    assert seconds == {"work": 2.75}


@pytest.mark.parametrize("name", ["batch_size", "num_workers", "turns", "pipeline_batch_size"])
def test_a_size_below_1_is_refused(models, extractors, sounds, name):
    with pytest.raises(ValueError, match=rf"`{name}` must be at least 1, got 0\. Leave it out for the default\."):
        measure_file_to_label(*models, *extractors, sounds, **{name: 0})


def test_every_turn_needs_a_file(models, extractors, sounds):
    message = (
        r"`paths` must hold at least one sound file a turn, got 2 for 5 turns\. Give more files, or fewer turns\."
    )
    with pytest.raises(ValueError, match=message):
        measure_file_to_label(*models, *extractors, sounds[:2])


def test_a_broken_file_is_told_before_anything_is_measured(models, extractors, sounds, tmp_path, monkeypatch):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(sounds[-1].read_bytes()[:999])
    monkeypatch.setattr(file_to_label, "_take_turns", lambda *arguments: pytest.fail("the measuring began"))
    with pytest.raises(ValueError, match=r"`source` must be a complete sound file, got '.*broken\.wav'"):
        measure_file_to_label(*models, *extractors, [*sounds, broken])
