"""The whole measurement on a tiny model and real sounds' stand-ins: what is told, and of what; never a time."""

import json
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.hub.results import check_results
from fastast_hf.hub.tables import results_block
from fastast_hf.speed import file_to_label, front_end, measuring
from fastast_hf.speed.contenders import Contender, Opened
from fastast_hf.speed.measuring import measure_variants
from fastast_hf.speed.settings import Variant, speed_settings
from fastast_hf.speed.sounds import choose_sound_files, padded_spectrograms
from fastast_hf.speed.variants import as_stock_ast, with_schedule
from tests.conftest import tiny_model


def opened(name="mine", **fields):
    extractor = FastASTFeatureExtractor(num_mel_bins=36, max_length=fields.get("max_length", 96))
    return Opened(name, tiny_model(num_hidden_layers=2, **fields), extractor)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    for number in range(7):
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, 3_000 + 2_000 * number)
        soundfile.write(folder / f"{number}.wav", samples, 16_000)
    return folder


@pytest.fixture(scope="module")
def measured(sounds):
    """Results on sounds, with batches that the number of sounds does not fill."""
    mine = opened(merge_ratio=0.4)
    settings = speed_settings(
        mine.model, batch_sizes=[1, 3], dtypes=[torch.float32, torch.bfloat16], num_frames=[96, 40], repeats=1
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in (file_to_label, front_end):  # nobody measures here
            patch.setattr(module, "let_threads_fall_asleep", lambda: None)
        return measure_variants(mine, settings, paths=choose_sound_files(sounds, 5))


def test_results_fit_their_schema_and_are_rendered(measured):
    check_results(json.loads(json.dumps(measured)))
    assert (measured["kind"], measured["model"], measured["benchmark"]["num_clips"]) == ("speed", "mine", 5)
    text = results_block(measured)
    for words in ("| ratio 0.4, bfloat16, 40 frames | 3 |", "batch 1 and 3", "96 and 40 frames", "+ merging"):
        assert words in text
    for words in ("Speed-up IQR", "Same label", "Front end: 16 clips of 0.96 s"):
        assert words in text


def test_rows_of_each_batch_size_follow_each_other(measured):
    rows = measured["benchmark"]["rows"]
    names = [row["name"] for row in rows]
    assert names[: len(names) // 2] == names[len(names) // 2 :]
    assert names[:3] == ["AST", "unmerged", "ratio 0.4"]
    assert [row["batch_size"] for row in rows] == [1] * 9 + [3] * 9
    by_name = {row["name"]: row for row in rows}
    assert by_name["ratio 0.4"]["merging"] == {"merge_ratio": 0.4}
    assert by_name["AST"]["mac_ratio"] == 1 < by_name["ratio 0.4"]["mac_ratio"]
    assert by_name["ratio 0.4, bfloat16"]["dtype"] == "bfloat16"
    assert by_name["unmerged, 40 frames"]["num_frames"] == 40
    assert by_name["ratio 0.4"]["peak_memory_mib"] < by_name["AST"]["peak_memory_mib"]


def test_answers_are_compared_on_the_sounds_that_a_row_hears(measured, sounds):
    mine = opened(merge_ratio=0.4)
    paths = choose_sound_files(sounds, 5)
    clips = padded_spectrograms(paths, mine.feature_extractor)
    unmerged = as_stock_ast(mine.model)
    for row in measured["benchmark"]["rows"]:
        twin = with_schedule(mine.model, **row["merging"]).to(getattr(torch, row["dtype"]))
        heard = clips[:, : row["num_frames"]].to(twin.dtype)
        with torch.inference_mode():
            same = twin(heard).logits.argmax(-1) == unmerged(clips).logits.argmax(-1)
        assert row["agreement"] == pytest.approx(same.double().mean().item())


def test_from_file_to_label_takes_the_schedule_and_the_other_dtypes(measured):
    part = measured["file_to_label"]
    assert list(part["rows"])[-2:] == ["+ merging", "+ bfloat16"]
    assert (part["merge_ratio"], part["num_clips"], part["batch_size"], part["turns"]) == (0.4, 5, 3, 5)
    assert part["pipeline_batch_size"] == 1


@pytest.mark.parametrize(("device", "batch_size"), [("cpu", 1), ("cuda", 8)])
def test_the_pipeline_gets_batches_where_they_help_it(device, batch_size, monkeypatch):
    told = {}
    monkeypatch.setattr(measuring, "measure_file_to_label", lambda *_, **settings: told.update(settings))
    for name in ("as_stock_ast", "with_schedule"):
        monkeypatch.setattr(measuring, name, lambda *_, **__: None)
    mine = opened()
    model = SimpleNamespace(config=mine.model.config, device=torch.device(device), dtype=torch.float32)
    settings = speed_settings(mine.model, batch_sizes=[1, 8])
    measuring._measure_file_to_label(mine._replace(model=model), settings, [Path("a.wav")])
    assert told["pipeline_batch_size"] == batch_size


def test_sounds_that_were_left_out_are_told_from_the_first_part_on(monkeypatch):
    told = []
    mine = opened()
    monkeypatch.setattr(measuring, "make_contenders", lambda *_: {})
    monkeypatch.setattr(measuring, "_measure_throughput", lambda *_: [])
    monkeypatch.setattr(measuring, "measure_front_end", lambda *_: {})
    broken = {"b.wav": "no sound"}
    measure_variants(mine, speed_settings(mine.model), unreadable=broken, tell=lambda found: told.append(dict(found)))
    assert [found["unreadable"] for found in told] == [broken] * 2
    assert "unreadable" not in measure_variants(mine, speed_settings(mine.model))


def test_what_random_weights_answer_is_not_told(sounds, monkeypatch):
    mine = opened()._replace(random_weights=True)
    for module in (file_to_label, front_end):
        monkeypatch.setattr(module, "let_threads_fall_asleep", lambda: None)
    results = measure_variants(
        mine, speed_settings(mine.model, batch_sizes=[1], repeats=1), paths=choose_sound_files(sounds, 2)
    )
    check_results(json.loads(json.dumps(results)))
    assert results["random_weights"] is True
    assert "agreement" not in json.dumps(results)
    assert "Same" not in results_block(results)


def test_every_part_is_told_as_soon_as_it_is_done(monkeypatch):
    told = []
    mine = opened()
    monkeypatch.setattr(measuring, "make_contenders", lambda *_: {})
    monkeypatch.setattr(measuring, "_measure_throughput", lambda *_: [{"name": "AST"}])
    monkeypatch.setattr(measuring, "_shares_of_same_answers", lambda *_, **__: {"AST": 1.0})
    monkeypatch.setattr(measuring, "_measure_file_to_label", lambda *_: {"rows": {}})
    monkeypatch.setattr(measuring, "measure_front_end", lambda *_: {"turns": 10})
    results = measure_variants(
        mine, speed_settings(mine.model), paths=[Path("a.wav")], tell=lambda results: told.append(deepcopy(results))
    )
    assert [set(each) & {"benchmark", "file_to_label", "front_end"} for each in told] == [
        {"benchmark"},
        {"benchmark"},
        {"benchmark", "file_to_label"},
        {"benchmark", "file_to_label", "front_end"},
    ]
    assert [each["benchmark"]["rows"][0].get("agreement") for each in told] == [None, 1.0, 1.0, 1.0]
    assert told[-1] == results


def test_full_batches_alone_reach_a_model():
    """A compiled model would be compiled again for another size."""
    shapes = []

    def forward(input_values):
        shapes.append(tuple(input_values.shape))
        return input_values.mean(dim=1)

    extractor = FastASTFeatureExtractor(num_mel_bins=36, max_length=96)
    contender = Contender(Variant({}, torch.float32, "compiled", 40), forward, 1, extractor)
    clips = torch.randn(5, 96, 36)
    logits = measuring._logits(contender, clips, batch_size=2, device=torch.device("cpu"), tell=lambda: None)
    assert shapes == [(2, 40, 36)] * 3
    assert torch.equal(logits, clips[:, :40].mean(dim=1))


def test_another_model_is_the_baseline(sounds, monkeypatch):
    monkeypatch.setattr(front_end, "let_threads_fall_asleep", lambda: None)
    mine, theirs = opened(merge_ratio=0.4), opened("theirs", max_length=80)
    settings = speed_settings(mine.model, batch_sizes=[2], repeats=1)
    results = measure_variants(mine, settings, against=theirs)
    check_results(results)
    assert results["against"] == "theirs"
    assert [row["name"] for row in results["benchmark"]["rows"]] == ["against theirs", "unmerged", "ratio 0.4"]
    assert "agreement" not in results["benchmark"]["rows"][0]
    assert "file_to_label" not in results


def test_answers_that_mean_different_things_are_not_compared(sounds):
    mine = opened()
    theirs = opened("theirs", id2label={0: "dog", 1: "rain"}, label2id={"dog": 0, "rain": 1})
    message = (
        r"`against` must answer with the labels of mine to compare the answers, got theirs, whose 2 labels differ\."
    )
    with pytest.raises(ValueError, match=message):
        measure_variants(mine, speed_settings(mine.model), against=theirs, paths=choose_sound_files(sounds, 2))


def test_the_version_of_onnx_runtime_is_told_where_it_ran(monkeypatch):
    mine = opened()
    monkeypatch.setattr(measuring, "make_contenders", lambda *_: {})
    monkeypatch.setattr(measuring, "_measure_throughput", lambda *_: [])
    monkeypatch.setattr(measuring, "measure_front_end", lambda *_: {})
    results = measure_variants(mine, speed_settings(mine.model, runtimes=["onnxruntime"]))
    assert results["environment"]["versions"]["onnxruntime"]
