"""The exported file under ONNX Runtime, held to the model run eagerly."""

import copy
import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from transformers import ASTFeatureExtractor

import fastast_hf
from fastast_hf import FastASTFeatureExtractor, FastASTForAudioClassification, FastASTModel
from fastast_hf.hub import export
from fastast_hf.hub.export import export_onnx
from fastast_hf.model.token_merging import bipartite_soft_matching
from tests.conftest import TINY, tiny_ast, tiny_input, tiny_model

# Each schedule with proportional attention or without it, both for the ends: a file takes seconds to make.
CASES = {
    "none": {"merge_ratio": 0.0},
    "little": {"merge_ratio": 0.1},
    "quarter": {"merge_ratio": 0.25, "proportional_attention": False},
    "most": {"merge_ratio": 0.5},
    "most, plain": {"merge_ratio": 0.5, "proportional_attention": False},
    "ratios": {"merge_ratio": [0.1, 0.4], "proportional_attention": False},
    "counts": {"tokens_merged_per_layer": [0, 9]},
    "constant": {"tokens_merged_per_layer": 6},
}


def feature_extractor(**settings):
    return FastASTFeatureExtractor(
        **{"max_length": TINY["max_length"], "num_mel_bins": TINY["num_mel_bins"], **settings}
    )


def open_session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def exported(model, path):
    """Open what a model was exported to."""
    config = model.config
    extractor = feature_extractor(max_length=config.max_length, num_mel_bins=config.num_mel_bins)
    return open_session(export_onnx(model, path / "model.onnx", feature_extractor=extractor))


def follows(session, model, input_values):
    """Hold the file's logits to the model's."""
    (logits,) = session.run(None, {"input_values": input_values.numpy()})
    with torch.no_grad():
        expected = model(input_values).logits
    assert expected.abs().max() > 0.1  # else 1e-4 would say nothing
    torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES.keys())
def test_the_file_answers_as_the_model_does(fields, tmp_path):
    model = tiny_model(num_hidden_layers=2, **fields)
    session = exported(model, tmp_path)
    for batch_size in (1, 3, 16):
        follows(session, model, tiny_input(batch_size, seed=batch_size))


def test_a_longer_spectrogram_is_answered_alike(tmp_path):
    # 12 x 37 patches; the last frames and mel bins are in none
    model = tiny_model(merge_ratio=0.25, num_hidden_layers=2, num_mel_bins=128, max_length=380)
    session = exported(model, tmp_path)
    follows(session, model, torch.randn(3, 380, 128, generator=torch.Generator().manual_seed(0)))


def test_silence_and_repeats_are_merged_alike(tmp_path):
    # Without position embeddings equal patches are equal tokens, and a mean that knows its size is as good as they were,
    # whichever of them rounding lets go first.
    model = tiny_model(merge_ratio=0.25, num_hidden_layers=2)
    nn.init.zeros_(model.base_model.embeddings.position_embeddings)
    session = exported(model, tmp_path)
    noise = tiny_input(1)
    silence = torch.full_like(noise, -0.5)
    repeats = noise[:, :10].repeat(1, 10, 1)[:, :96]  # a patch starts every 10 frames
    half = torch.cat([noise[:, :48], silence[:, 48:]], dim=1)
    for clip in (silence, repeats, half):
        follows(session, model, clip)
    follows(session, model, torch.cat([silence, repeats, half, noise]))


class Matched(nn.Module):
    """The matching alone, whose indices show each tie."""

    def forward(self, keys):
        return bipartite_soft_matching(keys, (keys.shape[2] - 2) // 3)


@pytest.mark.parametrize("num_tokens", [11, 1214])
def test_ties_go_to_the_lowest_index(num_tokens, tmp_path):
    generator = torch.Generator().manual_seed(0)
    # Each key is one axis: all similarities are exactly 0 or 1, and nearly all tie.
    axes = torch.stack([torch.randint(kinds, (num_tokens,), generator=generator) for kinds in (1, 2, 3, 8)])
    keys = nn.functional.one_hot(axes, 8).float()[:, None]  # (B, 1, N, C)
    with export._quiet_exporter():
        program = torch.onnx.export(
            Matched().eval(),
            (keys[:2],),
            dynamo=True,
            opset_version=export._OPSET,
            input_names=["keys"],
            dynamic_shapes={"keys": {0: torch.export.Dim("batch")}},
            custom_translation_table={torch.ops.aten.sort.stable: export._stable_sort()},
            verbose=False,
        )
    program.save(tmp_path / "matching.onnx")
    matching = open_session(tmp_path / "matching.onnx").run(None, {"keys": keys.numpy()})
    for ours, expected in zip(matching, bipartite_soft_matching(keys, (num_tokens - 2) // 3), strict=True):
        assert np.array_equal(ours, expected.numpy())
    if num_tokens == 11:  # the first clip is all one: the first proposers go, each to the first of the others
        assert matching[1][0].tolist() == [2, 4, 6]
        assert matching[2][0].tolist() == [3, 3, 3]


@pytest.fixture(scope="module")
def quarter_file(tmp_path_factory):
    """A file whose feature extractor has settings of its own."""
    model = tiny_model(merge_ratio=[0.0, 0.25], num_hidden_layers=2, proportional_attention=True)
    extractor = feature_extractor(mean=-1.5, std=2.0, sampling_rate=8000)
    return export_onnx(model, tmp_path_factory.mktemp("export") / "model.onnx", feature_extractor=extractor)


def test_only_the_batch_is_open(quarter_file):
    session = open_session(quarter_file)
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.shape, taken.type) == ("input_values", ["batch", 96, 36], "tensor(float)")
    assert (given.name, given.shape, given.type) == ("logits", ["batch", 5], "tensor(float)")


def test_no_mask_of_tokens_by_tokens_is_computed(tmp_path):
    exported(tiny_model(num_hidden_layers=1), tmp_path)
    operators = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert operators.count("Softmax") == 1
    assert not {"Where", "And", "ConstantOfShape"} & set(operators)


def test_the_metadata_tells_what_a_configuration_would(quarter_file):
    metadata = open_session(quarter_file).get_modelmeta().custom_metadata_map
    assert {name: json.loads(text) for name, text in metadata.items()} == {
        "id2label": {str(index): f"sound {index}" for index in range(5)},
        "problem_type": None,
        "sampling_rate": 8000,
        "max_length": 96,
        "num_mel_bins": 36,
        "do_normalize": True,
        "mean": -1.5,
        "std": 2.0,
        "merge_ratio": [0.0, 0.25],
        "tokens_merged_per_layer": None,
        "tokens_merged": [0, 6],
        "proportional_attention": True,
        "fastast_version": fastast_hf.__version__,
    }


def test_the_file_knows_nothing_of_the_machine(quarter_file):
    content = quarter_file.read_bytes()
    for trace in (b".py", b"stack_trace", sys.prefix.encode(), __file__.encode(), str(quarter_file.parent).encode()):
        assert trace not in content
    assert [file.name for file in quarter_file.parent.iterdir()] == ["model.onnx"]


def test_the_model_is_left_as_it_is(tmp_path):
    model = tiny_model(num_hidden_layers=1, merge_ratio=0.25, hidden_dropout_prob=0.5).bfloat16().train()
    before = copy.deepcopy(model.state_dict())
    session = exported(model, tmp_path)
    assert model.training
    assert model.config._attn_implementation == "sdpa"
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    follows(session, copy.deepcopy(model).float().eval(), tiny_input(2))  # in float32, without dropout


def test_a_saved_model_is_exported(tmp_path):
    model = tiny_model(num_hidden_layers=1, merge_ratio=0.25)
    model.save_pretrained(tmp_path / "saved")
    feature_extractor().save_pretrained(tmp_path / "saved")
    path = export_onnx(
        FastASTForAudioClassification.from_pretrained(tmp_path / "saved"),
        tmp_path / "new" / "model.onnx",
        feature_extractor=ASTFeatureExtractor.from_pretrained(tmp_path / "saved"),
    )
    follows(open_session(path), model, tiny_input(2))


def test_weights_past_the_limit_of_one_file_go_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_MOST_BYTES_OF_WEIGHTS", 1000)
    model = tiny_model(num_hidden_layers=1, merge_ratio=0.25)
    session = exported(model, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"model.onnx", "model.onnx.data"}
    # all but the smallest tensors are in the second file
    assert (tmp_path / "model.onnx.data").stat().st_size > 0.8 * sum(p.nbytes for p in model.parameters())
    follows(session, model, tiny_input(2))


def test_an_export_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    old = tmp_path / "model.onnx"
    old.write_bytes(b"old")
    monkeypatch.setattr("onnx_ir.save", lambda model, path, **kwargs: path.write_bytes(b"half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        exported(tiny_model(num_hidden_layers=1), tmp_path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("model.onnx", b"old")]


@pytest.mark.parametrize("missing", [["onnxscript"], ["onnx", "onnxscript"]])
def test_what_is_not_installed_is_named(missing, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None if name in missing else object())
    message = rf"Exporting needs {' and '.join(missing)}, .* `pip install 'fastast_hf\[onnx\]'`"
    with pytest.raises(ImportError, match=message):
        export_onnx(tiny_model(), tmp_path / "model.onnx", feature_extractor=feature_extractor())


def test_other_models_are_refused_with_the_way_out(tmp_path):
    for model in (tiny_ast(), tiny_model(FastASTModel), nn.Linear(1, 1)):
        with pytest.raises(
            TypeError, match=rf"must be a FastASTForAudioClassification, got {type(model).__name__}\. Lo"
        ):
            export_onnx(model, tmp_path / "model.onnx", feature_extractor=feature_extractor())


@pytest.mark.parametrize("name", ["max_length", "num_mel_bins"])
def test_a_feature_extractor_of_another_model_is_refused(name, tmp_path):
    message = rf"`feature_extractor` must have the model's `{name}` = {TINY[name]}, got 100\. Give the one"
    with pytest.raises(ValueError, match=message):
        export_onnx(tiny_model(), tmp_path / "model.onnx", feature_extractor=feature_extractor(**{name: 100}))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ValueError, match=r"`path` must be a file, got the folder .*fastast\.onnx"):
        export_onnx(tiny_model(), tmp_path, feature_extractor=feature_extractor())
