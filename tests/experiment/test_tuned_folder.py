"""A schedule that was found has a place before the search, and is written there behind it."""

import json
import shutil

import pytest

from fastast_hf import FastASTConfig, FastASTForAudioClassification
from fastast_hf.classification.loading import load_classifier
from fastast_hf.experiment.tuned_folder import check_tuned_folder, write_schedule
from fastast_hf.speed.contenders import Opened

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
    assert write_schedule(opened(mine), str(mine), None, FOUND) == path
    after = json.loads(path.read_text())
    assert "tokens_merged_per_layer" not in after
    changed = {"merge_ratio": [0.3, 0.1], "mine": "stays"}
    assert after == {name: value for name, value in before.items() if name != "tokens_merged_per_layer"} | changed


def test_a_new_folder_holds_the_whole_model(ast_folder, tmp_path):
    check_tuned_folder(str(ast_folder), tmp_path / "new")
    written = write_schedule(opened(ast_folder), str(ast_folder), tmp_path / "new", FOUND)
    assert written == tmp_path / "new" / "config.json"
    assert FastASTConfig.from_pretrained(tmp_path / "new").merge_ratio == [0.3, 0.1]
    FastASTForAudioClassification.from_pretrained(tmp_path / "new")


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
