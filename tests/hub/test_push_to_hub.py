"""`push_to_hub` of every class, in this process: what it leaves on the Hub, and what a Hub that fails makes of it."""

import json

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.utils import httpx

from fastast_hf import FastASTForAudioClassification
from tests.conftest import tiny_config, tiny_model
from tests.hub.commits import assert_whole
from tests.hub.process_worker import MERGE_RATIO, feature_extractor, trainer
from tests.without_package import assert_complete, code_behind

# The client's own, as it sends a file through Git LFS.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

FAULTS = {
    "500": {"status": 500},
    "429": {"status": 429, "headers": {"Retry-After": "7"}},
    "dropped": {"drop": "request"},
    "cut short": {"drop": "answer"},
}
STAGES = {
    "create": ("POST", "^/api/repos/create"),
    "modes": ("POST", "/preupload/"),
    "upload": ("PUT", "^/storage/"),
    "commit": ("POST", "/commit/"),
}


def meet_fault(hub, action):
    """Run what meets the planned fault: it tries again, or says what was wrong."""
    (fault,) = hub.faults
    try:
        action()
    except httpx.HTTPError as error:
        assert str(fault.status or "") in str(error)
    assert fault.times == 0, "it met the fault"


def code_named_by(commit, name):
    entries = json.loads(commit.text(name))["auto_map"].values()
    return {f"{entry.partition('.')[0]}.py" for entry in entries}


# What is left


def test_a_configuration_alone_brings_the_code_that_it_names(hub):
    tiny_config(merge_ratio=MERGE_RATIO).push_to_hub("configuration")
    commit = hub.repository("you/configuration").head()
    assert code_behind(*code_named_by(commit, "config.json")) <= set(commit.files)


def test_a_feature_extractor_alone_brings_the_code_that_it_names(hub):
    feature_extractor().push_to_hub("features")
    commit = hub.repository("you/features").head()
    assert code_behind(*code_named_by(commit, "preprocessor_config.json")) <= set(commit.files)


def test_a_model_comes_with_a_card_that_says_what_it_is_for(hub):
    tiny_model(merge_ratio=MERGE_RATIO).push_to_hub("model")
    data = ModelCard.load("you/model").data
    assert (data.pipeline_tag, data.library_name) == ("audio-classification", "transformers")


def test_a_model_leaves_a_card_that_somebody_wrote(hub, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "README.md").write_text("---\nlicense: mit\n---\n# Birds of the garden\n")
    hub.publish(tmp_path / "model", "you/model")
    tiny_model(merge_ratio=MERGE_RATIO).push_to_hub("model")
    card = ModelCard.load("you/model")
    assert card.data.license == "mit"
    assert "# Birds of the garden" in card.text


# A Hub that fails


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_model_is_pushed_by_the_next_call_at_the_latest(hub, stage, fault, tmp_path):
    model, extractor = tiny_model(merge_ratio=MERGE_RATIO), feature_extractor()
    hub.fail(*STAGES[stage], **FAULTS[fault])
    meet_fault(hub, lambda: model.push_to_hub("model"))
    for thing in (model, extractor):
        thing.push_to_hub("model")

    repository = hub.repository("you/model")
    for commit in repository.history()[1:]:
        assert assert_whole(commit) == {""}
    assert_complete(repository.head().write(tmp_path / "model"))
    again = FastASTForAudioClassification.from_pretrained("you/model")
    assert all(tensor.equal(model.state_dict()[name]) for name, tensor in again.state_dict().items())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", ["modes", "commit"])
def test_a_feature_extractor_is_pushed_by_the_next_call_at_the_latest(hub, stage, fault, tmp_path):
    tiny_model(merge_ratio=MERGE_RATIO).push_to_hub("model")
    hub.fail(*STAGES[stage], **FAULTS[fault])
    meet_fault(hub, lambda: feature_extractor().push_to_hub("model"))
    for commit in hub.repository("you/model").history()[1:]:
        assert assert_whole(commit) == {""}, "the model stays loadable"
    feature_extractor().push_to_hub("model")
    assert_complete(hub.repository("you/model").head().write(tmp_path / "model"))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_trainer_that_could_not_push_completes_it(hub, fault, tmp_path):
    training = trainer(tmp_path, "training", hub_strategy="end")
    training.train()
    hub.fail("POST", "/commit/", **FAULTS[fault])
    meet_fault(hub, training.push_to_hub)
    training.push_to_hub()

    _, *commits = hub.repository("you/training").history()
    assert commits
    for commit in commits:
        assert assert_whole(commit) == {""}
        assert_complete(commit.write(tmp_path / commit.sha))
    last = commits[-1].files["model.safetensors"].content
    assert last == (tmp_path / "training" / "checkpoint-2" / "model.safetensors").read_bytes()
