"""Students and teachers are opened from whatever there is."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ASTConfig, ASTForAudioClassification, ViTConfig, ViTModel

from fastast_hf import FastASTConfig, FastASTForAudioClassification
from fastast_hf.distillation import EfficientATConfig, EfficientATForAudioClassification
from fastast_hf.experiment.arguments import ModelArguments, TeacherArguments
from fastast_hf.experiment.start import knows_task, open_student, open_teacher, stock_ast
from tests.experiment.starts import LABELS, SIZES, STUDENT, change_config, save_ast


@pytest.fixture
def ast_folder(tmp_path):
    return save_ast(tmp_path / "ast")


def test_an_ast_becomes_a_student_with_a_new_head(ast_folder):
    arguments = ModelArguments(model_name_or_path=str(ast_folder), merge_ratio="0.2", max_length=32)
    student = open_student(arguments, LABELS)
    assert isinstance(student, FastASTForAudioClassification)
    assert (student.config.merge_ratio, student.config.max_length) == (0.2, 32)
    assert student.config.id2label == LABELS["id2label"]
    assert student.classifier.dense.out_features == 3
    stock = ASTForAudioClassification.from_pretrained(ast_folder).state_dict()
    name = "audio_spectrogram_transformer.layers.1.mlp.fc1.weight"
    assert torch.equal(student.state_dict()[name], stock[name])


def test_a_vision_transformer_becomes_a_student(tmp_path):
    ViTModel(ViTConfig(**SIZES, image_size=64)).save_pretrained(tmp_path)
    arguments = ModelArguments(
        model_name_or_path=str(tmp_path), tokens_merged_per_layer="3", max_length=64, time_stride=16
    )
    student = open_student(arguments, LABELS)
    assert (student.config.tokens_merged_per_layer, student.config.time_stride) == (3, 16)
    assert student.config.problem_type == "single_label_classification"


def test_a_configuration_starts_from_random_weights(tmp_path):
    FastASTConfig(**SIZES, max_length=64).save_pretrained(tmp_path)
    student = open_student(ModelArguments(config_name=str(tmp_path), merge_ratio="0.1"), LABELS)
    assert (student.config.hidden_size, student.config.merge_ratio, student.config.num_labels) == (32, 0.1, 3)


@pytest.mark.parametrize("given", [{}, {"model_name_or_path": "a", "config_name": "b"}])
def test_one_start_is_needed(given):
    with pytest.raises(ValueError, match="`model_name_or_path` or `config_name` must be given, and not both"):
        open_student(ModelArguments(**given), LABELS)


def test_a_teacher_is_needed():
    with pytest.raises(ValueError, match="`teacher_name_or_path` must be given at a `distillation_weight` above 0"):
        open_teacher(TeacherArguments(), ModelArguments(), LABELS, STUDENT)


def test_teachers_get_the_labels_of_the_task(tmp_path, ast_folder):
    EfficientATConfig(width_multiplier=0.1).save_pretrained(tmp_path / "cnn")
    arguments = TeacherArguments(teacher_config_name=str(tmp_path / "cnn"))
    random = open_teacher(arguments, ModelArguments(), LABELS, STUDENT)
    assert isinstance(random, EfficientATForAudioClassification)
    random.save_pretrained(tmp_path / "cnn")
    for folder, knows in ((tmp_path / "cnn", True), (ast_folder, False)):
        arguments = TeacherArguments(teacher_name_or_path=str(folder))
        teacher = open_teacher(arguments, ModelArguments(), LABELS, STUDENT)
        assert teacher.config.id2label == LABELS["id2label"]
        assert knows_task(arguments, ModelArguments(), LABELS) is knows
    assert not knows_task(TeacherArguments(), ModelArguments(), LABELS)


def test_an_ast_as_teacher_is_fitted_to_the_student_s_length(ast_folder):
    arguments = TeacherArguments(teacher_name_or_path=str(ast_folder))
    teacher = open_teacher(arguments, ModelArguments(), LABELS, STUDENT)
    assert teacher(torch.randn(1, 96, 128)).logits.shape == (1, 3)


def test_a_teacher_that_knows_the_labels_keeps_its_own_order(tmp_path):
    other_order = {"id2label": {0: "rain", 1: "dog", 2: "cat"}, "label2id": {"rain": 0, "dog": 1, "cat": 2}}
    config = EfficientATConfig(width_multiplier=0.1, **other_order)
    EfficientATForAudioClassification(config).save_pretrained(tmp_path)
    arguments = TeacherArguments(teacher_name_or_path=str(tmp_path))
    teacher = open_teacher(arguments, ModelArguments(), LABELS, STUDENT)
    assert teacher.config.id2label == other_order["id2label"]
    assert knows_task(arguments, ModelArguments(), LABELS)


def test_a_start_may_have_another_kind_of_classifier(ast_folder):
    weights = load_file(ast_folder / "model.safetensors")
    weights["classifier.hidden.weight"] = torch.ones(4, 4)
    save_file(weights, ast_folder / "model.safetensors", metadata={"format": "pt"})
    student = open_student(ModelArguments(model_name_or_path=str(ast_folder)), LABELS)
    assert student.classifier.dense.out_features == 3


def test_labels_that_are_no_dictionary_are_other_labels(ast_folder):
    change_config(ast_folder, id2label=["cat", "dog", "rain"])
    assert not knows_task(TeacherArguments(teacher_name_or_path=str(ast_folder)), ModelArguments(), LABELS)


@pytest.mark.parametrize("labels", [{"0": 0, "1": 1, "2": 2}, {"1": "a", "2": "b", "3": "c"}])
def test_labels_of_a_start_that_are_replaced_need_not_make_sense(labels, ast_folder, tmp_path):
    change_config(ast_folder, id2label=labels, label2id={str(name): int(index) for index, name in labels.items()})
    student = open_student(ModelArguments(model_name_or_path=str(ast_folder)), LABELS)
    arguments = TeacherArguments(teacher_name_or_path=str(ast_folder))
    teacher = open_teacher(arguments, ModelArguments(), LABELS, STUDENT)
    fresh = open_student(ModelArguments(config_name=str(ast_folder)), LABELS)
    assert student.config.id2label == teacher.config.id2label == fresh.config.id2label == LABELS["id2label"]


def test_a_teacher_may_have_numbers_as_labels(ast_folder):
    ASTForAudioClassification(ASTConfig(**SIZES, max_length=64, num_labels=3)).save_pretrained(ast_folder)
    change_config(ast_folder, id2label={"0": 0, "1": 1, "2": 2}, label2id={"0": 0, "1": 1, "2": 2})
    labels = {"id2label": {0: "2", 1: "1", 2: "0"}, "label2id": {"2": 0, "1": 1, "0": 2}}
    arguments = TeacherArguments(teacher_name_or_path=str(ast_folder))
    assert knows_task(arguments, ModelArguments(), labels)
    teacher = open_teacher(arguments, ModelArguments(), labels, STUDENT)
    assert teacher.config.id2label == {0: "0", 1: "1", 2: "2"}, "its own order"


def test_a_start_that_was_never_downloaded_is_told_as_such_offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    wrong = r"`model` must be a folder or a name on the Hub, got you/far\. .*couldn't connect"
    with pytest.raises(OSError, match=wrong):
        open_student(ModelArguments(model_name_or_path="you/far"), LABELS)
    with pytest.raises(OSError, match=wrong):
        open_teacher(TeacherArguments(teacher_name_or_path="you/far"), ModelArguments(), LABELS, STUDENT)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_stock_copy_gives_the_same_logits(attention):
    torch.manual_seed(0)
    config = FastASTConfig(**SIZES, max_length=64, attn_implementation=attention, **LABELS)
    student = FastASTForAudioClassification(config).eval()
    ast = stock_ast(student)
    assert type(ast) is ASTForAudioClassification
    assert type(ast.config) is ASTConfig
    assert ast.config.id2label == LABELS["id2label"]
    input_values = torch.randn(2, 64, 128)
    with torch.inference_mode():
        assert torch.equal(ast(input_values).logits, student(input_values).logits)
    ast.classifier.dense.weight.data.zero_()
    assert student.classifier.dense.weight.abs().sum() > 0, "the copy must not share weights"
