import pytest
from huggingface_hub import constants

from fastast_hf.hub.repositories import is_license, is_repo_id, license_of, license_of_card
from tests.loopback_hub import LoopbackHub
from tests.loopback_routes import TOKEN


@pytest.fixture
def hub(monkeypatch):
    with LoopbackHub() as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        yield hub


def publish(hub, folder, name, license, **options):
    folder.mkdir()
    (folder / "README.md").write_text(f"---\nlicense: {license}\n---\n# A card\n")
    hub.publish(folder, name, **options)


@pytest.mark.parametrize("name", ["someone/model", "some-one/a.b_c"])
def test_a_name_on_the_hub(name):
    assert is_repo_id(name)


@pytest.mark.parametrize("name", [None, 3, "model", "a/b/c", "/srv/model", "a b/c", "a/b\n"])
def test_no_name_on_the_hub(name):
    assert not is_repo_id(name)


def test_a_folder_is_no_name_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_repo_id("runs/start")
    (tmp_path / "runs" / "start").mkdir(parents=True)
    assert not is_repo_id("runs/start")


@pytest.mark.parametrize(("name", "is_one"), [("mit", True), ("bsd-3-clause", True), ("MIT", False), (["mit"], False)])
def test_a_licence_as_the_hub_spells_it(name, is_one):
    assert is_license(name) == is_one


def test_the_licence_of_a_card(hub, tmp_path):
    publish(hub, tmp_path / "model", "you/model", "bsd-3-clause")
    publish(hub, tmp_path / "sounds", "you/sounds", "cc-by-4.0", kind="dataset")
    assert license_of("you/model") == "bsd-3-clause"
    assert license_of("you/sounds", repo_type="dataset") == "cc-by-4.0"
    hub.repository("you/model").private = True
    assert license_of("you/model", token=False) is None
    assert license_of("you/model", token=TOKEN) == "bsd-3-clause"


@pytest.mark.parametrize("license", ["[mit, apache-2.0]", "Ask me first", ""])
def test_a_card_that_states_no_single_licence(hub, tmp_path, license):
    publish(hub, tmp_path / "model", "you/model", license)
    assert license_of("you/model") is None


def test_a_repository_without_a_card(hub):
    hub.add_repository("you/model")
    assert license_of("you/model") is None


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 429}, {"drop": "request"}, {"drop": "answer"}])
def test_a_hub_that_does_not_answer(hub, tmp_path, fault):
    publish(hub, tmp_path / "model", "you/model", "mit")
    hub.fail("GET", "/api/models/", **fault)
    assert license_of("you/model") is None
    assert license_of("you/model") == "mit"


def test_an_answer_that_is_no_json(hub, tmp_path):
    publish(hub, tmp_path / "model", "you/model", "mit")
    page = b"<html><body>Sign in to the network first</body></html>"
    hub.fail("GET", "/api/models/", status=200, body=page, headers={"Content-Type": "text/html"})
    assert license_of("you/model") is None
    assert license_of("you/model") == "mit"


def test_nobody_is_asked_for_a_folder_or_offline(hub, monkeypatch):
    assert license_of("/srv/model") is None
    assert license_of(None) is None
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert license_of("you/model") is None
    assert hub.requests == []


@pytest.mark.parametrize(
    "metadata", ["1: mit", "license: mit\nignore_metadata_errors: true", "a: " + "[" * 3_000, "- mit", "a: [b"]
)
def test_metadata_of_a_card_that_cannot_be_read_is_told(metadata, tmp_path):
    (tmp_path / "README.md").write_text(f"---\n{metadata}\n---\n# A card\n")
    with pytest.raises(
        ValueError, match=rf"{tmp_path}/README\.md must begin with metadata in YAML, got .*\. Mend it, or"
    ):
        license_of_card(tmp_path)
