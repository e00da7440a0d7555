"""A checkpoint becomes a FastAST folder: the same answers, or a new head, with everything that the Hub needs."""

import json
import shutil

import pytest
import torch
from huggingface_hub import ModelCard
from huggingface_hub.errors import HfHubHTTPError
from transformers import ASTFeatureExtractor, ASTModel, ViTConfig, ViTModel

from fastast_hf import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.experiment.arguments import ModelArguments
from fastast_hf.experiment.converting import convert_checkpoint, save_folder
from tests.conftest import TINY, tiny_ast, tiny_config, tiny_input, tiny_model
from tests.experiment.starts import adapter_of
from tests.faults.disks import mounted, why_no_mounts
from tests.loopback_hub import Fault
from tests.loopback_routes import TOKEN
from tests.without_package import assert_complete

VIT = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 64,
    "image_size": 64,
}


@pytest.fixture
def ast_folder(tmp_path):
    tiny_ast().save_pretrained(tmp_path / "ast")
    extractor = ASTFeatureExtractor(num_mel_bins=TINY["num_mel_bins"], max_length=TINY["max_length"])
    extractor.save_pretrained(tmp_path / "ast")
    return tmp_path / "ast"


@pytest.fixture
def vit_folder(tmp_path):
    ViTModel(ViTConfig(**VIT)).save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


def arguments(folder, **fields):
    return ModelArguments(model_name_or_path=str(folder), **fields)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("is_alone", [True, False])
def test_an_adapter_is_merged_before_it_is_converted(is_alone, ast_folder, tmp_path):
    folder = adapter_of(ast_folder, tmp_path / "adapter")
    if not is_alone:
        shutil.copytree(ast_folder, folder, dirs_exist_ok=True)
    with pytest.raises(
        ValueError, match=rf"`model` must be a whole model, got {folder} with a PEFT adapter\. Merge it"
    ):
        convert_checkpoint(arguments(folder), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_ast_keeps_its_weights_and_merges_as_told(ast_folder, tmp_path):
    made = convert_checkpoint(arguments(ast_folder, merge_ratio="0.2"), tmp_path / "fast")
    assert (made.has_new_head, made.url) == (False, None)
    model = FastASTForAudioClassification.from_pretrained(made.folder)
    assert model.config.merge_ratio == 0.2
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in tiny_ast().state_dict().items())
    model.set_merge_ratio(0.0)
    with torch.inference_mode():
        assert torch.equal(model(tiny_input()).logits, tiny_ast()(tiny_input()).logits)
    assert FastASTFeatureExtractor.from_pretrained(made.folder).max_length == TINY["max_length"]


def test_the_folder_runs_where_the_package_is_not_installed(ast_folder, tmp_path):
    made = convert_checkpoint(arguments(ast_folder, merge_ratio="0.2"), tmp_path / "fast")
    assert_complete(made.folder)
    card = ModelCard.load(made.folder / "README.md")
    assert card.data.pipeline_tag == "audio-classification"
    assert card.data.base_model is None
    assert "The weights of ast, unchanged." in card.text
    assert "Tokens merged away at each layer at " in card.text
    assert 'revision="<commit>", trust_remote_code=True' in card.text


def test_sizes_that_are_not_those_of_the_weights_are_told(ast_folder, tmp_path):
    path = ast_folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"intermediate_size": 40}))
    with pytest.raises(
        ValueError, match=r"`model` must have the sizes of its weights in its config\.json, got .*ast with others"
    ):
        convert_checkpoint(arguments(ast_folder), tmp_path / "fast")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"num_hidden_layers": 1},
            r"`model` must have a place for all of its weights .*, got .*ast with 32 too many, such",
        ),
        (
            {"num_hidden_layers": 10**9},
            r"`num_hidden_layers` must be that of the weights, got 1000000000 in .*ast\. Copy",
        ),
        (
            {"num_labels": 10**9, "id2label": None},
            r"`num_labels` must be that of the weights, got 1000000000 in .*ast\.",
        ),
        ({"hidden_act": "nope"}, r"`hidden_act` must be an activation that transformers has, got 'nope'"),
        (
            {"hidden_act": 7},
            r"`model` must have possible sizes and settings .*, got .*ast, of which no model can be built",
        ),
    ],
)
def test_a_configuration_that_does_not_fit_the_weights_is_told(fields, message, ast_folder, tmp_path):
    path = ast_folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    with pytest.raises(ValueError, match=message):
        convert_checkpoint(arguments(ast_folder), tmp_path / "fast")
    assert not (tmp_path / "fast").exists()


def test_weights_that_are_cut_short_are_told(ast_folder, tmp_path):
    weights = ast_folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"`model` must hold weights that are whole, got .*ast \(.*\)\. Copy or"):
        convert_checkpoint(arguments(ast_folder), tmp_path / "fast")


def test_the_licence_of_a_folder_stays(ast_folder, tmp_path):
    source = tmp_path / "licensed"
    shutil.copytree(ast_folder, source)
    card = source / "README.md"
    card.write_text("---\nlicense: bsd-3-clause\n---\n# AST\n")
    made = convert_checkpoint(arguments(source), tmp_path / "fast")
    assert ModelCard.load(made.folder / "README.md").data.license == "bsd-3-clause"
    card.write_text("---\nlicense: [bsd\n---\n")
    with pytest.raises(
        ValueError, match=r"README\.md must begin with metadata in YAML, got while parsing a flow sequence\. Mend"
    ):
        convert_checkpoint(arguments(source), tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_vit_gets_a_new_head_for_the_labels(vit_folder, tmp_path):
    told = arguments(vit_folder, max_length=96, time_stride=16, frequency_stride=16)
    made = convert_checkpoint(told, tmp_path / "fast", labels=["dog", "rain", "saw"])
    assert made.has_new_head
    config = FastASTForAudioClassification.from_pretrained(made.folder).config
    assert (config.id2label, config.max_length) == ({0: "dog", 1: "rain", 2: "saw"}, 96)
    assert FastASTFeatureExtractor.from_pretrained(made.folder).max_length == 96
    text = ModelCard.load(made.folder / "README.md").text
    assert "The encoder of vit, made an Audio Spectrogram Transformer. Its classifier has yet to be trained." in text
    assert "This one merges nothing: set `merge_ratio`" in text


def test_the_folder_goes_to_the_hub_in_one_commit(ast_folder, tmp_path, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    made = convert_checkpoint(arguments(ast_folder), tmp_path / "fast", repo_id="you/fast", private=True)
    assert made.url.endswith("/you/fast")
    repository = hub.repository("you/fast")
    assert repository.private
    _, commit = repository.history()
    assert commit.files.keys() >= {"README.md", "model.safetensors", "config.json", "modeling_fastast.py"}
    assert '"you/fast", revision="<commit>"' in commit.text("README.md")


def test_a_hub_that_refuses_is_met_before_the_work(ast_folder, tmp_path, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        convert_checkpoint(arguments(ast_folder), tmp_path / "fast", repo_id="you/fast")
    assert not (tmp_path / "fast").exists(), "the same command can be run again"


def test_a_source_that_does_not_fit_leaves_no_repository(ast_folder, tmp_path, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(OSError, match="gone"):
        convert_checkpoint(arguments(tmp_path / "gone"), tmp_path / "fast", repo_id="you/fast")
    with pytest.raises(ValueError, match=r"`label` must be left out for an AST, got dog"):
        convert_checkpoint(arguments(ast_folder), tmp_path / "fast", labels=["dog"], repo_id="you/fast")
    with pytest.raises(ValueError, match=r"`merge_ratio` must be .* got 0\.9"):
        convert_checkpoint(arguments(ast_folder, merge_ratio="0.9"), tmp_path / "fast", repo_id="you/fast")
    with pytest.raises(ValueError, match=r"`merge_ratio` must be floats separated by commas, got much"):
        convert_checkpoint(arguments(ast_folder, merge_ratio="much"), tmp_path / "fast", repo_id="you/fast")
    assert not hub.repositories


def test_a_push_that_fails_leaves_the_folder_and_says_how_to_send_it(ast_folder, tmp_path, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.faults.append(Fault("POST", "/commit/", status=403))
    with pytest.raises(HfHubHTTPError) as caught:
        convert_checkpoint(arguments(ast_folder), tmp_path / "fast", repo_id="you/fast")
    assert caught.value.__notes__ == [
        f"Nothing is lost: the folder {tmp_path / 'fast'} is complete. `hf upload you/fast {tmp_path / 'fast'}` sends it."
    ]
    assert_complete(tmp_path / "fast")


def test_a_length_of_its_own_is_told_in_the_card(ast_folder, tmp_path):
    convert_checkpoint(arguments(ast_folder, max_length=80), tmp_path / "fast")
    text = ModelCard.load(tmp_path / "fast" / "README.md").text
    fitted = "its position embeddings fitted to 3 x 7 patches in place of 3 x 9 (frequency x time): without merging, too, it may"
    assert f"The weights of ast, {fitted}" in text


@pytest.mark.parametrize("fields", [{"max_length": 96}, {"max_length": 99}, {"time_stride": 10, "max_length": 96}])
def test_a_length_that_changes_no_position_is_no_change_in_the_card(ast_folder, tmp_path, fields):
    made = convert_checkpoint(arguments(ast_folder, **fields), tmp_path / "fast")
    assert made.model.config.max_length == fields["max_length"]
    assert all(torch.equal(tensor, made.model.state_dict()[name]) for name, tensor in tiny_ast().state_dict().items())
    assert "The weights of ast, unchanged." in ModelCard.load(tmp_path / "fast" / "README.md").text


def test_privacy_belongs_to_a_repository(ast_folder, tmp_path):
    with pytest.raises(ValueError, match=r"`private` must be given beside `push_to_hub`, got it alone"):
        convert_checkpoint(arguments(ast_folder), tmp_path / "fast", private=True)


def test_labels_belong_to_a_new_head_alone(ast_folder, vit_folder, tmp_path):
    with pytest.raises(ValueError, match=r"`label` must be left out for an AST, got dog\. .* has labels of its own"):
        convert_checkpoint(arguments(ast_folder), tmp_path / "fast", labels=["dog"])
    with pytest.raises(
        ValueError,
        match=r"`label` must be given at least twice for a ViT or DeiT, with different names, got \['dog', 'dog'\]",
    ):
        convert_checkpoint(arguments(vit_folder), tmp_path / "fast", labels=["dog", "dog"])
    assert not (tmp_path / "fast").exists()


def test_an_encoder_without_classifier_is_refused(tmp_path):
    ASTModel(tiny_config()).save_pretrained(tmp_path / "encoder")
    with pytest.raises(ValueError, match=r"`model` must be a trained classifier, got .* without classifier\.dense"):
        convert_checkpoint(arguments(tmp_path / "encoder"), tmp_path / "fast")


OTHERS = {
    "wav2vec2": {"model_type": "wav2vec2"},
    "bert": {"model_type": "bert"},
    "efficientat": {"model_type": "efficientat"},
    "resnet50": {"architecture": "resnet50", "num_classes": 1000, "pretrained_cfg": {}},  # as timm writes it
    "None": {"hidden_size": 32},
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("labels", [[], ["dog", "rain"]])
def test_another_kind_of_model_is_told_by_its_type_before_labels_are_asked_for(kind, labels, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text(json.dumps(OTHERS[kind]))
    message = (
        rf"`model` must be an AST, a FastAST, a ViT or a DeiT, got .*other, whose config\.json names the type {kind}\."
    )
    with pytest.raises(ValueError, match=message):
        convert_checkpoint(arguments(tmp_path / "other"), tmp_path / "fast", labels=labels)
    assert not (tmp_path / "fast").exists()


@pytest.mark.parametrize(
    "config", [{"model_type": "vit"}, {"model_type": "deit"}, {"architecture": "deit_tiny_patch16"}]
)
def test_a_vit_is_asked_for_labels(config, tmp_path):
    (tmp_path / "vit").mkdir()
    (tmp_path / "vit" / "config.json").write_text(json.dumps({"pretrained_cfg": {}, "num_classes": 9, **config}))
    with pytest.raises(
        ValueError, match=r"`label` must be given at least twice for a ViT or DeiT, with different names, got \[\]"
    ):
        convert_checkpoint(arguments(tmp_path / "vit"), tmp_path / "fast")


def test_a_folder_that_holds_no_model_is_told_before_labels_are_asked_for(tmp_path):
    (tmp_path / "sounds").mkdir()
    with pytest.raises(ValueError, match=r"`model\.safetensors` must be in the checkpoint, got .*sounds without"):
        convert_checkpoint(arguments(tmp_path / "sounds"), tmp_path / "fast")


def test_a_name_that_is_none_is_told_before_the_hub_is_asked(tmp_path, hub):
    with pytest.raises(OSError, match=r"`model` must be a folder or a name on the Hub, got a/b/c\. There is no such"):
        convert_checkpoint(arguments("a/b/c"), tmp_path / "fast")
    assert not hub.requests


def test_a_full_disk_names_the_folder(tmp_path):
    if (reason := why_no_mounts(tmp_path)) is not None:
        pytest.skip(reason)
    with mounted(tmp_path / "disk", "64k") as disk:
        with pytest.raises(OSError, match="No space left on device") as caught:
            save_folder(disk / "fast", tiny_model(), FastASTFeatureExtractor())
        assert caught.value.filename == str(disk / "fast")


def test_nothing_that_is_there_is_written_over(ast_folder, tmp_path):
    with pytest.raises(ValueError, match=r"`output` must be a new or empty folder, got .*ast, where something is"):
        convert_checkpoint(arguments(ast_folder), ast_folder)


def test_names_that_the_hub_does_not_take_are_refused_first(ast_folder, tmp_path):
    with pytest.raises(
        ValueError, match=r"`push_to_hub` must be a name on the Hub, got 'a b'\. Write it as user/name"
    ):
        convert_checkpoint(arguments(ast_folder), tmp_path / "fast", repo_id="a b")
    assert not (tmp_path / "fast").exists()
