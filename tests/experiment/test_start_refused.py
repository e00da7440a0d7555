"""What no student and no teacher starts from: weights that do not fit or are not whole, adapters, native code."""

import re

import pytest
from safetensors.torch import load_file, save_file
from transformers import ViTConfig, ViTModel, Wav2Vec2Config, Wav2Vec2ForSequenceClassification

from fastast_hf import FastASTForAudioClassification
from fastast_hf.distillation import EfficientATConfig, EfficientATForAudioClassification
from fastast_hf.experiment.arguments import ModelArguments, TeacherArguments
from fastast_hf.experiment.start import open_student, open_teacher, whole_weights
from tests.conftest import tiny_model
from tests.experiment.starts import LABELS, SIZES, STUDENT, adapter_of, change_config, save_ast

TINY_WAV2VEC2 = {
    **{"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
    **{"conv_dim": (8,), "conv_stride": (4,), "conv_kernel": (4,), "num_feat_extract_layers": 1},
    "classifier_proj_size": 8,
}
OTHER_SIZES = r" must have weights for all but its classifier, of the sizes in its config\.json, got .* without {} of them, such as {}"


@pytest.fixture
def ast_folder(tmp_path):
    return save_ast(tmp_path / "ast")


def test_a_start_whose_sizes_are_not_those_of_its_weights_is_not_drawn_anew(ast_folder, tmp_path):
    change_config(ast_folder, intermediate_size=40)
    wrong = OTHER_SIZES.format(6, r"audio_spectrogram_transformer\.layers\.0\.mlp\.fc1\.bias")
    with pytest.raises(ValueError, match="`model_name_or_path`" + wrong):
        open_student(ModelArguments(model_name_or_path=str(ast_folder)), LABELS)
    with pytest.raises(ValueError, match="`teacher_name_or_path`" + wrong):
        open_teacher(TeacherArguments(teacher_name_or_path=str(ast_folder)), ModelArguments(), LABELS, STUDENT)
    EfficientATForAudioClassification(EfficientATConfig(width_multiplier=0.1, num_labels=9)).save_pretrained(
        tmp_path / "cnn"
    )
    change_config(tmp_path / "cnn", width_multiplier=0.2)
    with pytest.raises(ValueError, match="`teacher_name_or_path`" + OTHER_SIZES.format(r"\d+", "features")):
        open_teacher(TeacherArguments(teacher_name_or_path=str(tmp_path / "cnn")), ModelArguments(), LABELS, STUDENT)


def test_a_start_with_weights_that_have_no_place_is_refused(ast_folder):
    """It would be trained, or teach, as a model of half the layers."""
    change_config(ast_folder, num_hidden_layers=1)
    wrong = r" must have a place for all of its weights in its config\.json, got .*ast with 16 too many, such as .*layers\.1\."
    with pytest.raises(ValueError, match="`model_name_or_path`" + wrong):
        open_student(ModelArguments(model_name_or_path=str(ast_folder)), LABELS)
    with pytest.raises(ValueError, match="`teacher_name_or_path`" + wrong):
        open_teacher(TeacherArguments(teacher_name_or_path=str(ast_folder)), ModelArguments(), LABELS, STUDENT)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("place", ["alone", "beside its model", "beside a configuration"])
def test_an_adapter_is_merged_before_it_is_a_start(place, ast_folder, tmp_path):
    """transformers would freeze the model under it, and save the adapter alone."""
    folder = adapter_of(ast_folder, tmp_path / "adapter")
    files = {"beside its model": ("config.json", "model.safetensors"), "beside a configuration": ("config.json",)}
    for name in files.get(place, ()):
        (folder / name).write_bytes((ast_folder / name).read_bytes())
    path = str(folder)
    wrong = rf" must be a whole model, got {path} with a PEFT adapter\. Merge it .* `merge_and_unload`, save that with"
    with pytest.raises(ValueError, match="`model_name_or_path`" + wrong):
        open_student(ModelArguments(model_name_or_path=path), LABELS)
    with pytest.raises(ValueError, match="`teacher_name_or_path`" + wrong):
        open_teacher(TeacherArguments(teacher_name_or_path=path), ModelArguments(), LABELS, STUDENT)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_what_the_words_on_adapters_advise_works(ast_folder, tmp_path):
    peft = pytest.importorskip("peft", reason="peft is not installed")
    base = FastASTForAudioClassification.from_pretrained(ast_folder)
    merged = peft.PeftModel.from_pretrained(base, adapter_of(ast_folder, tmp_path / "adapter")).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    student = open_student(ModelArguments(model_name_or_path=str(tmp_path / "merged")), LABELS)
    assert all(parameter.requires_grad for parameter in student.parameters())


def test_a_teacher_that_knows_the_labels_has_words_for_other_sizes_too(tmp_path):
    EfficientATForAudioClassification(EfficientATConfig(width_multiplier=0.1, **LABELS)).save_pretrained(tmp_path)
    change_config(tmp_path, width_multiplier=0.2)
    with pytest.raises(
        ValueError, match=r"`teacher_name_or_path` must have the sizes of its weights in its config\.json"
    ):
        open_teacher(TeacherArguments(teacher_name_or_path=str(tmp_path)), ModelArguments(), LABELS, STUDENT)


@pytest.mark.parametrize("kind", ["cnn", "wav2vec2"])
def test_a_teacher_that_knows_the_labels_has_weights_for_its_answers(tmp_path, kind):
    """It would teach at random, and nobody would train it first."""
    if kind == "cnn":
        teacher = EfficientATForAudioClassification(EfficientATConfig(width_multiplier=0.1, **LABELS))
    else:
        teacher = Wav2Vec2ForSequenceClassification(Wav2Vec2Config(**TINY_WAV2VEC2, **LABELS))
    teacher.save_pretrained(tmp_path)
    arguments = TeacherArguments(teacher_name_or_path=str(tmp_path))
    assert open_teacher(arguments, ModelArguments(), LABELS, STUDENT).config.id2label == LABELS["id2label"]
    weights = load_file(tmp_path / "model.safetensors")
    last = sorted(name for name in weights if name.startswith("classifier."))[-1]
    del weights[last]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    wrong = rf"`teacher_name_or_path` must be a trained classifier, got .* without {re.escape(last)}\."
    with pytest.raises(ValueError, match=wrong):
        open_teacher(arguments, ModelArguments(), LABELS, STUDENT)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantization_config", {"quant_method": "fbgemm_fp8"}),
        ("quantization_config", {"quant_method": "fp8"}),
        ("attn_implementation", "kernels-community/flash-attn2"),
    ],
)
@pytest.mark.parametrize("kind", ["cnn", "wav2vec2", "ast", "vit"])
def test_a_start_cannot_name_native_code(kind, field, value, ast_folder, tmp_path):
    folder = ast_folder if kind == "ast" else tmp_path
    if kind == "cnn":
        EfficientATForAudioClassification(EfficientATConfig(width_multiplier=0.1)).save_pretrained(folder)
    if kind == "wav2vec2":
        Wav2Vec2ForSequenceClassification(Wav2Vec2Config(**TINY_WAV2VEC2)).save_pretrained(folder)
    if kind == "vit":
        ViTModel(ViTConfig(**SIZES, image_size=64)).save_pretrained(folder)
    change_config(folder, **{field: value})
    wrong = rf"`{field}` must .* in a config\.json, got .* Remove it"
    with pytest.raises(ValueError, match=wrong):
        open_teacher(TeacherArguments(teacher_name_or_path=str(folder)), ModelArguments(), LABELS, STUDENT)
    if kind in ("ast", "vit"):
        with pytest.raises(ValueError, match=wrong):
            open_student(ModelArguments(model_name_or_path=str(folder)), LABELS)


@pytest.mark.parametrize("argument", ["model_name_or_path", "teacher_name_or_path"])
def test_weights_that_are_cut_short_are_told_by_their_folder(tmp_path, argument):
    tiny_model().save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    message = rf"`{argument}` must hold weights that are whole, got {tmp_path} \(.*\)\. Copy or download them again"
    with pytest.raises(ValueError, match=message), whole_weights(argument, str(tmp_path)):
        FastASTForAudioClassification.from_pretrained(tmp_path)
