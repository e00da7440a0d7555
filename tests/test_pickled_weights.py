"""Pickles in the place of weights or of a training's state: every door that opens a checkpoint, with real ones."""

import json
import pickle
import re

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    ASTForAudioClassification,
    ViTConfig,
    ViTModel,
    Wav2Vec2Config,
    Wav2Vec2ForSequenceClassification,
)
from typer.testing import CliRunner

from fastast_hf import FastASTForAudioClassification, FastASTModel
from fastast_hf.classification.loading import load_classifier
from fastast_hf.cli import app
from fastast_hf.distillation import EfficientATConfig, EfficientATForAudioClassification
from fastast_hf.experiment.arguments import ModelArguments, TeacherArguments
from fastast_hf.experiment.converting import convert_checkpoint
from fastast_hf.experiment.start import open_student, open_teacher
from fastast_hf.hub.conversion import ast_from_vision_transformer
from tests.conftest import TINY, tiny_ast, tiny_config, tiny_input
from tests.distillation.test_checkpoints import trainer_in

LABELS = {name: TINY[name] for name in ("id2label", "label2id")}
SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
REFUSED = (
    r"model\.safetensors.*, got .* without\. Pickled weights such as pytorch_model\.bin are not opened.*[Cc]onvert"
)


def with_pickled_weights(folder):
    """Put the weights of a folder into a pickle, which transformers would read."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    return folder


@pytest.fixture
def old_ast(ast_folder, tmp_path):
    """An AST as they were published years ago."""
    folder = tmp_path / "old"
    folder.mkdir()
    for path in ast_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return with_pickled_weights(folder)


def saved(model, folder):
    model.save_pretrained(folder)
    return with_pickled_weights(folder)


def as_teacher(folder):
    return open_teacher(TeacherArguments(teacher_name_or_path=str(folder)), ModelArguments(), LABELS, tiny_config())


DOORS_OF_AST = {
    "FastASTModel": FastASTModel.from_pretrained,
    "FastASTForAudioClassification": FastASTForAudioClassification.from_pretrained,
    "asked to take what there is": lambda folder: FastASTModel.from_pretrained(folder, use_safetensors=None),
    "classifier of the commands": lambda folder: load_classifier(str(folder)),
    "student": lambda folder: open_student(ModelArguments(model_name_or_path=str(folder)), LABELS),
    "teacher": as_teacher,
    "conversion": lambda folder: convert_checkpoint(
        ModelArguments(model_name_or_path=str(folder)), folder.with_name("new")
    ),
}


@pytest.mark.parametrize("door", DOORS_OF_AST)
def test_an_ast_with_pickled_weights_is_refused(door, old_ast):
    assert isinstance(ASTForAudioClassification.from_pretrained(old_ast), torch.nn.Module), "transformers takes it"
    with pytest.raises((OSError, ValueError), match=REFUSED):
        DOORS_OF_AST[door](old_ast)


def test_a_command_says_what_to_do(old_ast, tmp_path):
    result = CliRunner().invoke(app.app, ["convert", str(old_ast), str(tmp_path / "new")])
    assert result.exit_code == 1
    assert "ASTForAudioClassification.from_pretrained(old).save_pretrained(new)" in result.stderr
    assert not (tmp_path / "new").exists()


def test_what_the_words_advise_works(old_ast, tmp_path):
    ASTForAudioClassification.from_pretrained(old_ast).save_pretrained(tmp_path / "new")
    model = FastASTForAudioClassification.from_pretrained(tmp_path / "new")
    assert torch.equal(model(tiny_input()).logits, tiny_ast(num_hidden_layers=2)(tiny_input()).logits)


def test_pickles_cannot_be_asked_for(old_ast):
    with pytest.raises(ValueError, match=r"`use_safetensors` must not be False, got False\. Pickled weights such as"):
        FastASTForAudioClassification.from_pretrained(old_ast, use_safetensors=False)


@pytest.mark.parametrize("door", DOORS_OF_AST)
def test_a_configuration_cannot_name_pickled_weights(door, old_ast):
    """transformers prefers the file that config.json names, whatever else is in the folder."""
    (old_ast / "pytorch_model.bin").rename(old_ast / "adapter_model.bin")
    config = json.loads((old_ast / "config.json").read_text())
    (old_ast / "config.json").write_text(json.dumps(config | {"transformers_weights": "adapter_model.bin"}))
    with pytest.raises(
        ValueError, match=r"`transformers_weights` must name a safetensors file, got 'adapter_model\.bin'"
    ):
        DOORS_OF_AST[door](old_ast)


def with_index(folder, shard, weights):
    """Put an index into a folder that names a file of any name, in place of its weights."""
    (folder / "pytorch_model.bin").unlink(missing_ok=True)
    names = dict.fromkeys(weights, shard)
    index = {"metadata": {"total_size": 1}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("door", DOORS_OF_AST)
@pytest.mark.parametrize("shard", ["pytorch_model-00001-of-00001.bin", "../outside.safetensors"])
def test_an_index_cannot_name_pickles_or_files_elsewhere(shard, door, old_ast):
    weights = torch.load(old_ast / "pytorch_model.bin", weights_only=True)
    with_index(old_ast, shard, weights)
    if shard.endswith(".bin"):
        torch.save(weights, old_ast / shard)
    else:
        save_file(weights, old_ast / shard)
    assert isinstance(ASTForAudioClassification.from_pretrained(old_ast), torch.nn.Module), "transformers takes it"
    with pytest.raises(
        ValueError,
        match=rf"`model\.safetensors\.index\.json` must name safetensors files beside it, got '{re.escape(shard)}'",
    ):
        DOORS_OF_AST[door](old_ast)


@pytest.mark.parametrize("name", ["other.safetensors.index.json", "../outside.safetensors", "sub/model.safetensors"])
def test_a_configuration_cannot_lead_around_the_index(name, old_ast):
    config = json.loads((old_ast / "config.json").read_text())
    (old_ast / "config.json").write_text(json.dumps(config | {"transformers_weights": name}))
    with pytest.raises(
        ValueError, match=rf"`transformers_weights` must name a safetensors file, got '{re.escape(name)}'"
    ):
        FastASTModel.from_pretrained(old_ast)


@pytest.mark.parametrize("index", [{}, {"metadata": {}, "weight_map": []}, {"metadata": {}, "weight_map": {"a": 1}}])
def test_what_is_no_index_is_told(index, old_ast):
    (old_ast / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"`model\.safetensors\.index\.json` must .*, got "):
        FastASTModel.from_pretrained(old_ast)


def test_weights_in_several_files_are_read(ast_folder, tmp_path):
    model = FastASTForAudioClassification.from_pretrained(ast_folder)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").is_file()
    again = FastASTForAudioClassification.from_pretrained(tmp_path)
    assert all(
        torch.equal(found, wanted) for found, wanted in zip(again.parameters(), model.parameters(), strict=True)
    )


def test_what_transformers_is_about_to_read_is_looked_at_whatever_led_there(ast_folder):
    model = FastASTForAudioClassification.from_pretrained(ast_folder)
    with pytest.raises(
        ValueError, match=r"`pretrained_model_name_or_path` must lead to safetensors alone, got .*x\.bin"
    ):
        model._load_pretrained_model(model, None, ["a.safetensors", "x.bin"], None)


def test_a_vision_transformer_with_pickled_weights_is_refused(tmp_path):
    folder = saved(ViTModel(ViTConfig(**SMALL, image_size=64), add_pooling_layer=False), tmp_path / "vit")
    with pytest.raises(ValueError, match=REFUSED):
        ast_from_vision_transformer(folder, **LABELS)
    (folder / "config.json").unlink()  # as timm's have none
    with pytest.raises(ValueError, match=REFUSED):
        ast_from_vision_transformer(folder, **LABELS)


def test_a_teacher_of_another_kind_with_pickled_weights_is_refused(tmp_path):
    config = EfficientATConfig(width_multiplier=0.1, **LABELS)
    convolutional = saved(EfficientATForAudioClassification(config), tmp_path / "convolutional")
    with pytest.raises(ValueError, match=REFUSED):
        as_teacher(convolutional)
    with pytest.raises(OSError, match=r"no file named model\.safetensors"):
        EfficientATForAudioClassification.from_pretrained(convolutional)
    sizes = {"conv_dim": (8,), "conv_stride": (5,), "conv_kernel": (10,), "num_conv_pos_embeddings": 16}
    config = Wav2Vec2Config(**SMALL, **sizes, num_conv_pos_embedding_groups=2, **LABELS)
    other = saved(Wav2Vec2ForSequenceClassification(config), tmp_path / "other")
    with pytest.raises(ValueError, match=REFUSED):
        as_teacher(other)


class Bomb:
    """What a stranger could put into a pickle: it makes a file where it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_training_goes_on_from_tensors_alone(name, tmp_path):
    trainer_in(tmp_path, max_steps=1).train()
    bomb = tmp_path / "checkpoint-1" / name
    torch.save({"state": Bomb(tmp_path / "it ran")}, bomb)
    (bomb.parent / "_sha256.json").unlink()  # of a stranger, it would be that of the bomb
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        trainer_in(tmp_path).train(resume_from_checkpoint=True)
    assert not (tmp_path / "it ran").exists()
    torch.load(bomb, weights_only=False)["state"].close()
    assert (tmp_path / "it ran").exists(), "there was something to run"
