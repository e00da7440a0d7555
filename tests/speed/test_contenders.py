"""The rows of a speed measurement: what they answer, what work they are said to do, and which is the baseline."""

import pytest
import torch
from transformers import ASTForAudioClassification

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.evaluation import count_macs
from fastast_hf.speed import contenders as module
from fastast_hf.speed.contenders import Opened, make_contenders, make_row
from fastast_hf.speed.settings import Variant, speed_settings
from tests.conftest import tiny_ast, tiny_input, tiny_model


def opened(name="mine", **fields):
    extractor = FastASTFeatureExtractor(num_mel_bins=36, max_length=fields.get("max_length", 96))
    return Opened(name, tiny_model(num_hidden_layers=2, **fields), extractor)


def answers(contender, input_values):
    with torch.inference_mode():
        return contender.forward(input_values)


@pytest.fixture(scope="module")
def contenders(tmp_path_factory):
    """A model that merges, eager and as an ONNX file, which takes seconds to make."""
    mine = opened(merge_ratio=0.4)
    settings = speed_settings(mine.model, merge_ratios=[0.0], runtimes=["eager", "onnxruntime"])
    found = make_contenders(mine, settings, None, tmp_path_factory.mktemp("onnx"))
    settings = speed_settings(mine.model, dtypes=[torch.float32, torch.bfloat16], num_frames=[96, 40])
    return found | make_contenders(mine, settings, None, tmp_path_factory.mktemp("none"))


def test_the_baseline_is_stock_and_unmerged_though_the_model_merges(contenders, monkeypatch, tmp_path):
    assert next(iter(contenders)) == "AST"
    stock = tiny_ast(num_hidden_layers=2)
    assert torch.equal(answers(contenders["AST"], tiny_input()), stock(tiny_input()).logits)
    assert contenders["AST"].clip_macs == count_macs(stock, tiny_input(1))
    assert contenders["AST"].variant == Variant({"merge_ratio": 0.0}, torch.float32, "eager", 96)
    made = []
    monkeypatch.setattr(module, "eager_forward", made.append)
    mine = opened(merge_ratio=0.4)
    make_contenders(mine, speed_settings(mine.model), None, tmp_path)
    assert type(made[0]) is ASTForAudioClassification


def test_the_model_unmerged_is_a_control_that_does_the_baseline_s_work(contenders):
    assert contenders["unmerged"].variant == contenders["AST"].variant
    assert contenders["unmerged"].clip_macs == contenders["AST"].clip_macs
    assert torch.equal(answers(contenders["unmerged"], tiny_input()), answers(contenders["AST"], tiny_input()))


def test_every_row_answers_as_its_schedule_does(contenders):
    merged = tiny_model(num_hidden_layers=2, merge_ratio=0.4)
    assert torch.equal(answers(contenders["ratio 0.4"], tiny_input()), merged(tiny_input()).logits)
    short = tiny_input(num_frames=40)
    assert torch.equal(answers(contenders["ratio 0.4, 40 frames"], short), merged(short).logits)
    rounded = answers(contenders["ratio 0.4, bfloat16"], tiny_input().bfloat16())
    torch.testing.assert_close(rounded.float(), merged(tiny_input()).logits, rtol=0.1, atol=1.0)
    stock = tiny_ast(num_hidden_layers=2)
    by_file = answers(contenders["unmerged, onnxruntime"], tiny_input())
    torch.testing.assert_close(by_file, stock(tiny_input()).logits, rtol=0, atol=1e-4)


def test_every_row_is_said_to_do_its_own_work(contenders):
    merged = tiny_model(num_hidden_layers=2, merge_ratio=0.4)
    assert contenders["ratio 0.4, bfloat16"].clip_macs == count_macs(merged, tiny_input(1))
    assert contenders["ratio 0.4, 40 frames"].clip_macs == count_macs(merged, tiny_input(1, num_frames=40))
    assert contenders["unmerged, onnxruntime"].clip_macs == contenders["AST"].clip_macs


def test_a_row_gets_a_batch_in_its_own_shape_and_dtype(contenders):
    row = make_row(contenders["ratio 0.4, bfloat16, 40 frames"], 3, torch.device("cpu"))
    assert (row.input_values.shape, row.input_values.dtype) == ((3, 40, 36), torch.bfloat16)
    assert row.macs == 3 * contenders["ratio 0.4, bfloat16, 40 frames"].clip_macs
    assert make_row(contenders["unmerged, onnxruntime"], 1, torch.device("cpu")).runtime == "onnxruntime"


@pytest.mark.parametrize("own", [{"merge_ratio": 0.25}, {"merge_ratio": 0.0}])
def test_another_model_is_a_baseline_as_it_is(own, tmp_path):
    mine, theirs = opened(merge_ratio=0.4), opened("theirs", max_length=80, **own)
    found = make_contenders(mine, speed_settings(mine.model), theirs, tmp_path)
    assert list(found) == ["against theirs", "unmerged", "ratio 0.4"]
    short = tiny_input(num_frames=80)
    assert torch.equal(answers(found["against theirs"], short), theirs.model(short).logits)
    assert make_row(found["against theirs"], 1, torch.device("cpu")).input_values.shape == (1, 80, 36)
    assert found["against theirs"].variant.merging == own


def test_a_compiled_row_is_compiled(monkeypatch, tmp_path):
    compiled = []
    monkeypatch.setattr(module, "compiled_forward", lambda model: compiled.append(model.config.merge_ratio))
    mine = opened(merge_ratio=0.4)
    found = make_contenders(mine, speed_settings(mine.model, runtimes=["compiled"]), None, tmp_path)
    assert list(found) == ["AST", "unmerged, compiled", "ratio 0.4, compiled"]
    assert compiled == [0.0, 0.4]
