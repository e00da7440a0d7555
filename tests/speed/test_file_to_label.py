"""What every step from transformers' pipeline to labels saves: structure, answers and arithmetic; never a time."""

import json
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from fastast_hf.classification import find_sound_files
from fastast_hf.data import load_audio
from fastast_hf.hub.file_to_label_tables import check_file_to_label
from fastast_hf.speed import file_to_label
from fastast_hf.speed.file_to_label import Turn, measure_file_to_label, summarize_parts, summarize_rows
from fastast_hf.speed.file_to_label_rows import parts_of_files_way
from tests.conftest import ESC10, requires_shared, tiny_model

STEPS = ["AST, pipeline", "+ length", "+ front end", "+ batching", "+ merging"]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(file_to_label, "let_threads_fall_asleep", lambda: None)


@pytest.fixture
def sounds(clips_of_all_lengths):
    return clips_of_all_lengths


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
        "parts_of_files_way",
        lambda model, *rest, **sizes: of_parts.append(model) or parts_of_files_way(model, *rest, **sizes),
    )
    found = measure_file_to_label(*models, *extractors, sounds[:2], turns=1, further_models={"+ bfloat16": narrow})
    assert list(found["rows"]) == [*STEPS, "+ bfloat16"]
    assert list(found["parts"]) == ["AST, pipeline", "+ merging"]
    assert of_parts == [models[1]] * 2  # the warm-up is the first
    assert found["rows"]["+ bfloat16"]["share"] is None
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
    monkeypatch.setattr(file_to_label, "let_threads_fall_asleep", lambda: events.append("pause"))

    def row(name):
        def run(paths, waveforms):
            assert [len(waveform) for waveform in waveforms] == [len(load_audio(path)) for path in paths]
            events.append(name + "".join(path.stem for path in paths))
            return [name] * len(paths)

        return run

    def parts_of_merging(paths):
        events.append("parts" + "".join(path.stem for path in paths))
        return {"decode": 1.0}

    rows = {name: row(name) for name in ("a", "+ merging", "c")}
    of_pipeline = iter([{"model": 9.0}, {"model": 1.0}, {"model": 2.0}, {"model": 3.0}])  # the warm-up's first
    pipeline = SimpleNamespace(take_seconds=lambda: next(of_pipeline))
    clips = [sounds[turn::3] for turn in range(3)]
    turns = file_to_label._take_turns(rows, pipeline, parts_of_merging, clips, 16_000)
    expected = ["a0", "+ merging0", "c0", "parts0"]  # the warm-up
    for part, order in (
        ("036", ["a", "+ merging", "c"]),
        ("14", ["+ merging", "c", "a"]),
        ("25", ["c", "a", "+ merging"]),
    ):
        for name in (*order, "parts"):
            expected += ["pause", name + part]
    assert events == expected
    assert [turn.num_clips for turn in turns] == [3, 2, 2]
    assert [list(turn.seconds) for turn in turns] == [["a", "+ merging", "c"]] * 3
    assert turns[1].labels == {"a": ["a", "a"], "+ merging": ["+ merging"] * 2, "c": ["c", "c"]}
    assert [turn.parts["a"]["model"] for turn in turns] == [1, 2, 3]
    assert turns[1].parts["a"]["decode"] > 0
    assert turns[1].parts["+ merging"] == {"decode": 1.0}


TURNS = [
    Turn(
        num_clips=2,
        seconds={"a": 8.0, "b": 4.0, "+ merging": 2.0, "+ bfloat16": 8.0},
        labels={"a": ["x", "y"], "b": ["x", "y"], "+ merging": ["x", "x"], "+ bfloat16": ["x", "y"]},
        parts={"a": {"decode": 0.2, "model": 6.0}, "+ merging": {"decode": 0.4, "model": 1.0}},
    ),
    Turn(
        num_clips=1,
        seconds={"a": 8.0, "b": 4.0, "+ merging": 0.5, "+ bfloat16": 1.0},
        labels={"a": ["x"], "b": ["y"], "+ merging": ["x"], "+ bfloat16": ["x"]},
        parts={"a": {"decode": 0.4, "model": 7.0}, "+ merging": {"decode": 0.1, "model": 0.5}},
    ),
    Turn(
        num_clips=1,
        seconds={"a": 4.0, "b": 1.0, "+ merging": 0.5, "+ bfloat16": 1.0},
        labels={"a": ["z"], "b": ["z"], "+ merging": ["z"], "+ bfloat16": ["z"]},
        parts={"a": {"decode": 0.1, "model": 3.0}, "+ merging": {"decode": 0.3, "model": 0.4}},
    ),
]


def test_rows_are_medians_over_the_turns_of_ratios_within_a_turn():
    rows = summarize_rows(TURNS)
    assert rows["a"] == {
        "ms_per_clip": 4000.0,
        "clips_per_second": 0.25,
        "seconds": [8.0, 8.0, 4.0],
        "speed_up": 1.0,
        "speed_up_range": [1.0, 1.0],
        "step": 1.0,
        "share": 0.0,
        "agreement": 1.0,
    }
    b, merging = rows["b"], rows["+ merging"]
    assert (b["speed_up"], b["speed_up_range"], b["step"]) == (2, [2, 4], 2)
    assert (merging["speed_up"], merging["speed_up_range"]) == (8, [4, 16])
    assert merging["step"] == 2  # of 2, 8 and 2: not 8 / 2, the ratio of the medians
    assert merging["seconds"] == [2.0, 0.5, 0.5]
    assert [row["agreement"] for row in rows.values()] == [1, 0.75, 0.75, 1]
    assert merging["ms_per_clip"] == 500  # of 1000, 500 and 500


def test_shares_are_those_of_the_steps_up_to_merging():
    rows = summarize_rows(TURNS)
    assert [rows[name]["share"] for name in ("a", "b", "+ merging")] == pytest.approx([0, 0.5, 0.5])  # 2 x 2
    further = rows["+ bfloat16"]
    assert (further["step"], further["share"]) == (0.5, None)  # over `+ merging`
    without = [replace(turn, seconds={name: turn.seconds[name] for name in ("a", "b", "+ merging")}) for turn in TURNS]
    assert summarize_rows(without) == {name: row for name, row in rows.items() if name != "+ bfloat16"}


def test_another_row_behind_merging_is_told_beside_merging_too():
    seconds = {"a": 8.0, "+ merging": 2.0, "+ one": 1.0, "+ other": 4.0}
    rows = summarize_rows([Turn(1, seconds, {name: ["x"] for name in seconds}, {})])
    assert [row["step"] for row in rows.values()] == [1, 4, 2, 0.5]


def test_no_share_of_a_speed_up_that_is_none():
    slower = [Turn(1, {"a": 1.0, "+ merging": 2.0}, {"a": ["x"], "+ merging": ["x"]}, {})]
    assert [row["share"] for row in summarize_rows(slower).values()] == [None, None]


def test_parts_are_medians_of_ms_a_clip():
    assert summarize_parts(TURNS) == {
        "a": {"decode": 100.0, "model": 3000.0},
        "+ merging": {"decode": 200.0, "model": 500.0},
    }


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
