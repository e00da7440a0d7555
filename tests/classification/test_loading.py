"""Checkpoints that commands open, and those that they refuse."""

import json
import shutil

import pytest
import torch
from transformers import ASTFeatureExtractor, ASTModel, ViTConfig

from fastast_hf import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.classification import loading
from fastast_hf.classification.loading import embedded_model, find_device, load_classifier, merging_fields
from tests.conftest import SIZES, tiny_ast, tiny_input, tiny_model


def logits(model):
    with torch.no_grad():
        return model(tiny_input()).logits


def test_a_fastast_merges_as_it_was_saved(fastast_folder):
    model, feature_extractor = load_classifier(str(fastast_folder))
    assert (type(model), type(feature_extractor)) == (FastASTForAudioClassification, FastASTFeatureExtractor)
    assert not model.training
    assert torch.equal(logits(model), logits(tiny_model(num_hidden_layers=2, merge_ratio=0.25)))


@pytest.mark.parametrize("schedule", [{}, {"merge_ratio": 0.4}, {"tokens_merged_per_layer": 5}])
def test_an_ast_merges_as_told(ast_folder, schedule):
    model, feature_extractor = load_classifier(str(ast_folder), **schedule)
    assert (type(model), type(feature_extractor)) == (FastASTForAudioClassification, FastASTFeatureExtractor)
    assert torch.equal(logits(model), logits(tiny_model(num_hidden_layers=2, **schedule)))
    if not schedule:
        assert torch.equal(logits(model), logits(tiny_ast(num_hidden_layers=2)))


def test_one_kind_of_schedule_replaces_the_other(fastast_folder):
    config = load_classifier(str(fastast_folder), tokens_merged_per_layer=5)[0].config
    assert (config.merge_ratio, config.tokens_merged_per_layer) == (0.0, 5)
    assert merging_fields(0.1, None) == {"merge_ratio": 0.1, "tokens_merged_per_layer": None}
    assert merging_fields(0.0, None) == {"merge_ratio": 0.0, "tokens_merged_per_layer": None}
    assert merging_fields(None, 0) == {"merge_ratio": 0.0, "tokens_merged_per_layer": 0}
    assert merging_fields(None, None) == {}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_have_the_dtype_asked_for_and_not_the_saved_one(tmp_path, dtype):
    tiny_model(num_hidden_layers=1).bfloat16().save_pretrained(tmp_path)
    FastASTFeatureExtractor(**SIZES).save_pretrained(tmp_path)
    model, _ = load_classifier(str(tmp_path), dtype=dtype)
    assert {parameter.dtype for parameter in model.parameters()} == {getattr(torch, dtype)}


def test_the_code_of_a_checkpoint_is_not_run(fastast_folder, tmp_path):
    shutil.copytree(fastast_folder, tmp_path / "model")
    code = list((tmp_path / "model").glob("*.py"))
    assert code
    for path in code:
        path.write_text("raise AssertionError('run')")
    load_classifier(str(tmp_path / "model"))


def test_loading_is_silent(fastast_folder, capfd):
    load_classifier(str(fastast_folder))
    assert capfd.readouterr() == ("", "")


def test_devices():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device(None).type in ("cpu", "cuda", "xpu")
    for name in ("gpu", "cuda:99", "meta"):
        message = f"`device` must be one that torch computes on here, got {name}: .* Leave it out"
        with pytest.raises(ValueError, match=message):
            find_device(name)


def test_an_accelerator_is_taken_where_it_can_compute_features(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    for name, expected in (("cuda", "cuda"), ("mps", "cpu")):
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda name=name: torch.device(name))
        assert find_device(None).type == expected


def test_both_schedules_are_refused(fastast_folder):
    with pytest.raises(
        ValueError, match=r"`merge_ratio` must be left out beside `tokens_merged_per_layer`, got 0.1 and 5\."
    ):
        load_classifier(str(fastast_folder), merge_ratio=0.1, tokens_merged_per_layer=5)


def test_an_impossible_schedule_is_refused(fastast_folder):
    with pytest.raises(ValueError, match=r"`merge_ratio` must be between 0 and 0\.5, got 0\.7"):
        load_classifier(str(fastast_folder), merge_ratio=0.7)


def test_another_kind_of_model_is_refused(tmp_path):
    ViTConfig().save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=r"`model` must be an AST or a FastAST, got .*, whose config.json .* type vit\."
    ):
        load_classifier(str(tmp_path))


def test_a_model_without_a_head_is_refused(tmp_path):
    tiny_ast(ASTModel, num_hidden_layers=1).save_pretrained(tmp_path)
    ASTFeatureExtractor(**SIZES).save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=r"`model` must be a trained classifier, got .* without classifier.*bias.*fine-tuned"
    ):
        load_classifier(str(tmp_path))


def test_broken_checkpoints_are_refused(fastast_folder, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(fastast_folder, folder)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:1000])
    with pytest.raises(ValueError, match=r"`model` must hold whole weights, got .*Copy or download"):
        load_classifier(str(folder))
    (folder / "model.safetensors").unlink()
    with pytest.raises(OSError, match=r"model\.safetensors"):
        load_classifier(str(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(OSError, match=r"`model` must be a folder or a name on the Hub, got .*valid JSON"):
        load_classifier(str(folder))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"problem_type": "regression"},
            r"`problem_type` must be single_.* or multi_.*, got 'regression' in .* Give a ",
        ),
        ({"problem_type": "guess"}, r"`problem_type` must be single_.* or multi_.*, got 'guess' in .* Give a "),
        (
            {"return_dict": False},
            r"`return_dict` must be true in config\.json, got False in .*model\. Remove it there",
        ),
        (
            {"id2label": {str(2 * index): "a" for index in range(5)}},
            r"`id2label` must name the labels from 0 to 4, got",
        ),
        ({"num_attention_heads": -3}, r"`num_attention_heads` must be at least 1, got -3"),
        ({"time_stride": 0}, r"`time_stride` must be at least 1, got 0"),
    ],
)
def test_a_model_whose_answers_are_no_scores_of_labels_is_refused(fields, message, fastast_folder, tmp_path):
    shutil.copytree(fastast_folder, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    with pytest.raises(ValueError, match=message):
        load_classifier(str(tmp_path / "model"))


def test_files_that_are_no_json_objects_are_refused(fastast_folder, tmp_path):
    folder = tmp_path / "model"
    for file in ("preprocessor_config.json", "config.json"):
        for content in ("[1, 2]", "[" * 100_000):
            shutil.copytree(fastast_folder, folder)
            (folder / file).write_text(content)
            with pytest.raises(ValueError, match=rf"`{file}` must be a JSON object of settings, got {folder} with"):
                load_classifier(str(folder))
            shutil.rmtree(folder)


def test_a_model_without_its_feature_extractor_is_refused(fastast_folder, tmp_path):
    shutil.copytree(fastast_folder, tmp_path / "model")
    (tmp_path / "model" / "preprocessor_config.json").unlink()
    with pytest.raises(OSError, match=r"preprocessor_config\.json"):
        load_classifier(str(tmp_path / "model"))


@pytest.mark.parametrize("sizes", [{"max_length": 97}, {"max_length": 15}, {"num_mel_bins": 40}])
def test_a_feature_extractor_of_another_model_is_refused(fastast_folder, tmp_path, sizes):
    shutil.copytree(fastast_folder, tmp_path / "model")
    FastASTFeatureExtractor(**SIZES | sizes).save_pretrained(tmp_path / "model")
    message = (
        "`model` must have a feature extractor with a `max_length` from 16 to 96 and `num_mel_bins` = 36, got "
        f"{sizes.get('max_length', 96)} and {sizes.get('num_mel_bins', 36)} in .*model. Save the one"
    )
    with pytest.raises(ValueError, match=message):
        load_classifier(str(tmp_path / "model"))


def test_a_folder_that_holds_no_model_is_told(tmp_path):
    with pytest.raises(
        OSError, match=r"`model` must have a config\.json, got .* without\. Name the folder that a model"
    ):
        load_classifier(str(tmp_path))


def test_a_name_that_is_none_is_told_at_once(tmp_path):
    for name in (tmp_path / "gone", "gone/model.onnx"):
        with pytest.raises(
            OSError, match=f"`model` must be a folder or a name on the Hub, got {name}. There is no such"
        ):
            load_classifier(str(name))


def test_a_feature_extractor_that_hears_less_is_taken(fastast_folder, tmp_path):
    shutil.copytree(fastast_folder, tmp_path / "model")
    FastASTFeatureExtractor(**SIZES | {"max_length": 50}).save_pretrained(tmp_path / "model")
    assert load_classifier(str(tmp_path / "model"))[1].max_length == 50


def test_a_config_of_a_newer_version_is_refused(fastast_folder, tmp_path):
    shutil.copytree(fastast_folder, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fastast_version": "99.0.0", "new_field": 1}))
    with pytest.raises(ValueError, match=r"99\.0\.0"):
        load_classifier(str(tmp_path / "model"))


def test_the_model_of_a_checkout_is_found_and_an_installed_package_asks_for_one(monkeypatch, tmp_path, fastast_folder):
    monkeypatch.setattr(loading, "_PROJECT", tmp_path)
    with pytest.raises(ValueError, match=r"`model` must be given, got none: only a checkout of the project has"):
        embedded_model()
    folder = tmp_path / "model_cards" / "fastast-tiny-esc10"
    shutil.copytree(fastast_folder, folder)
    assert embedded_model() == str(folder)
