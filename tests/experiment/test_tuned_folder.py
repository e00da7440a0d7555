"""A schedule that was found has a place before the search, and is written there after it."""

import json
import shutil

import pytest
from huggingface_hub import ModelCard

from fastast_hf import FastASTConfig, FastASTForAudioClassification
from fastast_hf.classification.loading import load_classifier
from fastast_hf.experiment.arguments import ModelArguments
from fastast_hf.experiment.converting import convert_checkpoint
from fastast_hf.experiment.tuned_folder import check_tuned_folder, write_schedule
from fastast_hf.hub.model_card import write_model_card
from fastast_hf.speed.contenders import Opened
from tests.hub.results_example import EXAMPLE

FOUND = {"merge_ratio": [0.3, 0.1]}


@pytest.fixture
def mine(fastast_folder, tmp_path):
    return shutil.copytree(fastast_folder, tmp_path / "mine")


def opened(folder):
    return Opened("mine", *load_classifier(str(folder), device="cpu"))


def test_the_config_of_the_model_s_own_folder_changes_in_the_schedule_alone(mine):
    path = mine / "config.json"
    before = json.loads(path.read_text())
    path.write_text(json.dumps(before | {"merge_ratio": 0.0, "tokens_merged_per_layer": 3, "mine": "stays"}))
    check_tuned_folder(str(mine), None)
    written = write_schedule(opened(mine), str(mine), None, FOUND)
    assert (written.config, written.outdated) == (path, [])
    assert not written.card.exists(), "it had no card before"
    after = json.loads(path.read_text())
    assert "tokens_merged_per_layer" not in after
    changed = {"merge_ratio": [0.3, 0.1], "mine": "stays"}
    assert after == {name: value for name, value in before.items() if name != "tokens_merged_per_layer"} | changed


def test_a_new_folder_holds_the_whole_model(ast_folder, tmp_path):
    check_tuned_folder(str(ast_folder), tmp_path / "new")
    written = write_schedule(opened(ast_folder), str(ast_folder), tmp_path / "new", FOUND)
    assert written == (tmp_path / "new" / "config.json", tmp_path / "new" / "README.md", [])
    assert FastASTConfig.from_pretrained(tmp_path / "new").merge_ratio == [0.3, 0.1]
    FastASTForAudioClassification.from_pretrained(tmp_path / "new")


def converted(folder, output, **merging):
    return convert_checkpoint(ModelArguments(model_name_or_path=str(folder), **merging), output).folder


def test_a_new_folder_has_the_card_of_a_converted_model_and_keeps_the_licence(ast_folder, tmp_path):
    source = shutil.copytree(ast_folder, tmp_path / "ast")
    (source / "README.md").write_text("---\nlicense: bsd-3-clause\n---\n# AST\n")
    written = write_schedule(opened(source), str(source), tmp_path / "made" / "new", FOUND)
    expected = converted(source, tmp_path / "new", merge_ratio="0.3,0.1") / "README.md"
    assert written.card.read_text() == expected.read_text()
    card = ModelCard.load(written.card)
    assert card.data.license == "bsd-3-clause"
    assert "The weights of ast, unchanged." in card.text
    assert "Tokens merged away at each layer at 96 frames: 8, 1." in card.text


def test_a_licence_that_cannot_be_read_is_told_before_the_search(mine, tmp_path):
    (mine / "README.md").write_text("---\nlicense: [bsd\n---\n")
    with pytest.raises(ValueError, match=r"README\.md must begin with metadata in YAML, got "):
        check_tuned_folder(str(mine), tmp_path / "new")
    check_tuned_folder(str(mine), None)


def test_the_licence_of_a_name_on_the_hub_is_asked_there(ast_folder, hub, tmp_path):
    (tmp_path / "README.md").write_text("---\nlicense: bsd-3-clause\n---\n# AST\n")
    hub.publish(tmp_path, "you/ast")
    written = write_schedule(opened(ast_folder), "you/ast", tmp_path / "new", FOUND)
    card = ModelCard.load(written.card)
    assert (card.data.license, card.data.base_model) == ("bsd-3-clause", "you/ast")


def test_the_card_of_a_converted_model_states_its_new_schedule(ast_folder, tmp_path):
    mine = converted(ast_folder, tmp_path / "mine", tokens_merged_per_layer="3")
    card = mine / "README.md"
    card.write_bytes(card.read_bytes() + b"\n## Mine\r\nfor owls \xff\n")
    before = card.read_bytes()
    written = write_schedule(opened(mine), str(mine), None, FOUND)
    assert (written.card, written.outdated) == (card, [])
    old, new = (b"at each layer at 96 frames: %s." % merged for merged in (b"3, 3", b"8, 1"))
    assert before.count(old) == 1
    assert card.read_bytes() == before.replace(old, new)


def test_the_card_of_a_training_stays_and_what_is_of_the_old_schedule_is_told(mine):
    card = write_model_card(mine, EXAMPLE)
    before = card.read_bytes()
    written = write_schedule(opened(mine), str(mine), None, FOUND)
    assert written.card == card
    assert {"accuracy", "GMACs", "merge ratio", "merge schedule"} <= set(written.outdated)
    assert card.read_bytes() == before


def test_places_that_are_none(ast_folder, mine, hub, tmp_path):
    for model in (str(ast_folder), "you/fast", str(tmp_path / "gone")):
        with pytest.raises(
            ValueError, match=rf"`output` must be given for what is no FastAST in a folder, got .* {model}\."
        ):
            check_tuned_folder(model, None)
    assert not hub.requests, "what is no folder needs no answer of the Hub"
    with pytest.raises(ValueError, match="`output` must be a new or empty folder"):
        check_tuned_folder(str(mine), mine)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="`output` must be where a file can be written"):
        check_tuned_folder(str(mine), tmp_path / "file" / "new")
