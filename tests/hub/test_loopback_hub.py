"""The loopback Hub answers the real client as the Hub does; what the client does about a Hub that fails."""

import contextlib
import hashlib
import re
import time

import pytest
import yaml
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelCard, get_session
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import httpx

from tests.loopback_hub import LoopbackHub
from tests.loopback_repository import File, Repository
from tests.loopback_routes import TOKEN

# The client's own, as it sends a file through Git LFS.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

WEIGHTS = bytes(range(256)) * 400
FILES = {
    "README.md": b"---\nlicense: mit\n---\n# A model\n",
    "code/one.py": b"ONE = 1\n",
    "config.json": b'{"answer": 42}',
    "empty.txt": b"",
    "model.safetensors": WEIGHTS,
}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(params=["lfs", "xet"])
def client(request, monkeypatch):
    """Upload large files through Git LFS, or folders as a client with `hf_xet` does, all files inside the commit."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", request.param == "lfs")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_PROGRESS_BARS", True)
    return request.param


@pytest.fixture
def hub(client):
    with LoopbackHub(**({"large_files": ()} if client == "xet" else {})) as hub:
        yield hub
    assert hub.not_spoken == []


@pytest.fixture
def api(hub):
    return HfApi(endpoint=hub.url, token=TOKEN)


def push(api, folder, name="you/model", **options):
    repository = api.create_repo(name, exist_ok=True).repo_id
    return api.upload_folder(repo_id=repository, folder_path=folder, **options).oid


def download(api, revision, cache, name="you/model"):
    return {path: api.hf_hub_download(name, path, revision=revision, cache_dir=cache) for path in FILES}


def assert_downloaded(paths):
    for name, path in paths.items():
        with open(path, "rb") as file:  # noqa: PTH123 the client gives a string
            assert file.read() == FILES[name]


# What a Hub does


def test_a_folder_comes_back_at_its_commit(hub, api, folder, tmp_path, client):
    oid = push(api, folder, commit_message="First")
    stored = hub.repository("you/model").head()
    assert (stored.sha, stored.title) == (oid, "First")
    assert {name: file.content for name, file in stored.files.items() if name != ".gitattributes"} == FILES
    assert stored.files["model.safetensors"].is_large == (client == "lfs")
    (folder / "config.json").write_text("{}")
    assert push(api, folder) != oid
    assert_downloaded(download(api, oid, tmp_path / "cache"))
    snapshot = tmp_path / "snapshot"
    api.snapshot_download("you/model", local_dir=snapshot)
    assert (snapshot / "config.json").read_text() == "{}"
    assert (snapshot / "model.safetensors").read_bytes() == WEIGHTS


def test_what_the_client_reads_of_a_repository(hub, api, folder):
    oid = push(api, folder)
    info = api.model_info("you/model")
    assert (info.id, info.sha, info.private, info.card_data.license) == ("you/model", oid, False, "mit")
    assert {sibling.rfilename for sibling in info.siblings} == {".gitattributes", *FILES}
    assert set(api.list_repo_files("you/model", revision=oid)) == {".gitattributes", *FILES}
    tree = {entry.path: entry for entry in api.list_repo_tree("you/model", recursive=True)}
    assert tree["code/one.py"].size == len(FILES["code/one.py"])
    assert tree["code"].tree_id
    (weights,) = api.get_paths_info("you/model", ["model.safetensors", "nothing"])
    large = hub.repository("you/model").head().files["model.safetensors"].is_large
    assert weights.size == len(WEIGHTS)
    assert (weights.lfs.sha256 if large else weights.lfs) == (hashlib.sha256(WEIGHTS).hexdigest() if large else None)
    titles = [commit.title for commit in api.list_repo_commits("you/model")]
    assert titles == ["Upload folder using huggingface_hub", "initial commit"]
    assert api.whoami()["name"] == "you"


def test_a_branch_goes_its_own_way(hub, api, folder):
    push(api, folder)
    api.create_branch("you/model", branch="try/it")
    (folder / "config.json").write_text("{}")
    oid = push(api, folder, revision="try/it")
    repository = hub.repository("you/model")
    assert repository.head("try/it").sha == oid
    assert [commit.text("config.json") for commit in (repository.head(), repository.head("try/it"))] == [
        FILES["config.json"].decode(),
        "{}",
    ]


def test_nothing_new_is_no_commit(hub, api, folder):
    oid = push(api, folder)
    assert push(api, folder) == oid
    assert len(hub.repository("you/model").history()) == 2


def test_a_commit_deletes_and_adds_at_once_or_not_at_all(hub, api, folder):
    first = push(api, folder)
    operations = [
        CommitOperationDelete("code/"),
        CommitOperationDelete("empty.txt"),
        CommitOperationAdd("new.txt", b"new"),
    ]
    api.create_commit("you/model", operations, commit_message="Turn over", parent_commit=first)
    expected = {".gitattributes", "README.md", "config.json", "model.safetensors", "new.txt"}
    assert set(hub.repository("you/model").head().files) == expected
    with pytest.raises(HfHubHTTPError, match="A commit has happened since"):
        late = [CommitOperationAdd("late.txt", b"late")]
        api.create_commit("you/model", late, commit_message="Late", parent_commit=first)
    assert set(hub.repository("you/model").head().files) == expected


@pytest.mark.parametrize("client", ["lfs"], indirect=True)
@pytest.mark.parametrize("part_size", [len(WEIGHTS) // 2, len(WEIGHTS) // 3, len(WEIGHTS)])
def test_a_large_file_in_parts(hub, api, folder, part_size):
    hub.part_size = part_size
    push(api, folder)
    assert hub.repository("you/model").head().files["model.safetensors"] == File(WEIGHTS, is_large=True)
    assert hub.count("PUT", "/storage/") == -(-len(WEIGHTS) // part_size)


@pytest.mark.parametrize("client", ["lfs"], indirect=True)
def test_a_pointer_to_nothing_is_refused(hub, api, folder):
    push(api, folder)
    hub.objects.clear()
    hub.fail("PUT", "/storage/", status=403)
    (folder / "model.safetensors").write_bytes(WEIGHTS[::-1])
    with pytest.raises((RuntimeError, httpx.HTTPError), match=r"model\.safetensors|403"):
        push(api, folder)
    line = '{"key": "lfsFile", "value": {"path": "x.bin", "algo": "sha256", "oid": "0", "size": 1}}'
    body = '{"key": "header", "value": {"summary": "x"}}\n' + line
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = get_session().post(f"{hub.url}/api/models/you/model/commit/main", content=body, headers=headers)
    assert answer.status_code == 400
    assert len(hub.repository("you/model").history()) == 2


def test_what_is_not_there(api, folder, tmp_path):
    push(api, folder)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("you/nothing")
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download("you/model", "config.json", revision="nothing", cache_dir=tmp_path)
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download("you/model", "nothing.json", cache_dir=tmp_path)
    with pytest.raises(RevisionNotFoundError):
        push(api, folder, revision="nothing")


def test_who_may_what(hub, api, folder, tmp_path):
    nobody, stranger = HfApi(endpoint=hub.url, token=False), HfApi(endpoint=hub.url, token="hf_wrong")
    api.create_repo("you/secret", private=True)
    assert api.model_info("you/secret").private
    with pytest.raises(RepositoryNotFoundError):
        nobody.model_info("you/secret")
    with pytest.raises(RepositoryNotFoundError):
        nobody.hf_hub_download("you/secret", "config.json", cache_dir=tmp_path)
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        stranger.model_info("you/secret")
    with pytest.raises(HfHubHTTPError, match="Invalid username or password"):
        nobody.create_repo("you/more")
    with pytest.raises(HfHubHTTPError, match="You don't have the rights to create a model under the namespace"):
        api.create_repo("somebody/else")
    push(api, folder)
    with pytest.raises(HfHubHTTPError, match="Invalid username or password"):
        nobody.upload_folder(repo_id="you/model", folder_path=folder)
    assert [name for _, name in hub.repositories] == ["you/secret", "you/model"]


def test_a_card_that_is_no_yaml_stops_the_push(hub, api, folder):
    (folder / "README.md").write_text("---\nlicense: [mit\n---\n")
    with pytest.raises(ValueError, match=r"Invalid metadata in README\.md"):
        push(api, folder)
    assert len(hub.repository("you/model").history()) == 1


def test_data_sets_have_a_place_of_their_own(hub, folder, tmp_path):
    commit = hub.publish(folder, "you/sounds", "dataset")
    api = HfApi(endpoint=hub.url, token=False)
    assert api.dataset_info("you/sounds").sha == commit.sha
    path = api.hf_hub_download("you/sounds", "model.safetensors", repo_type="dataset", cache_dir=tmp_path)
    assert_downloaded({"model.safetensors": path})
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("you/sounds")


def test_a_large_file_is_known_by_its_content():
    repository = Repository("you/model")
    assert repository.is_large("deep/in/it.safetensors")
    assert not repository.is_large("it.safetensors.json")
    small, large = File(b"x"), File(b"x", is_large=True)
    assert small.etag == small.blob_id == "c1b0730e0133447badcfd47fd144e254807b06e1", "as `git hash-object` says"
    assert large.etag == hashlib.sha256(b"x").hexdigest()
    assert large.pointer.startswith(b"version https://git-lfs.github.com/spec/v1\noid sha256:2d711642")
    with pytest.raises(yaml.YAMLError):
        repository.commit("main", "Card", {"README.md": File(b"---\n[\n---\n")})
        repository.card_data()


# A Hub that fails

STAGES = {
    "create": ("POST", "^/api/repos/create"),
    "card": ("POST", "^/api/validate-yaml"),
    "modes": ("POST", "/preupload/"),
    "batch": ("POST", "/objects/batch"),
    "upload": ("PUT", "^/storage/"),
    "verify": ("POST", "/objects/verify"),
    "commit": ("POST", "/commit/"),
    "lookup": ("HEAD", "/resolve/.*/config.json"),
    "download": ("GET", "^/storage/|/resolve/.*/model.safetensors"),
}
FAULTS = {
    "500": {"status": 500},
    "429": {"status": 429, "headers": {"Retry-After": "7"}},
    "dropped": {"drop": "request"},
    "cut short": {"drop": "answer"},
}
ONLY_LFS = {"batch", "upload", "verify"}
CASES = [(client, stage) for client in ("lfs", "xet") for stage in STAGES if client == "lfs" or stage not in ONLY_LFS]


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("client", "stage"), CASES, indirect=["client"])
def test_a_fault_is_retried_or_told_and_the_next_push_completes(hub, api, folder, client, stage, fault, tmp_path):
    """Which of the two is the client's own choice, by version; that no commit is half there is not."""
    method, path = STAGES[stage]
    hub.fail(method, path, **FAULTS[fault])
    with contextlib.suppress(httpx.HTTPError):
        assert_downloaded(download(api, push(api, folder), tmp_path / "cache"))
    assert hub.faults[0].times == 0, "it met the fault"
    assert_downloaded(download(api, push(api, folder), tmp_path / "again"))

    repository = hub.repository("you/model")
    for commit in repository.history()[1:]:
        assert set(commit.files) == {".gitattributes", *FILES}, "a commit comes whole"
    assert repository.head().files["model.safetensors"].content == WEIGHTS
    # A client that lost the answer to its commit may send it again.
    assert len(repository.history()) <= (3 if (stage, fault) == ("commit", "cut short") else 2)


@pytest.mark.usefixtures("no_waiting")
def test_a_hub_that_stays_down_is_told(hub, api, folder):
    push(api, folder)
    hub.fail("POST", "/preupload/", status=503, times=1000)
    (folder / "config.json").write_text("{}")
    with pytest.raises(HfHubHTTPError, match="503"):
        push(api, folder)
    assert len(hub.repository("you/model").history()) == 2
    hub.faults.clear()
    push(api, folder)
    assert hub.repository("you/model").head().text("config.json") == "{}"


@pytest.mark.usefixtures("no_waiting")
def test_a_download_that_breaks_off_twice_arrives(hub, api, folder, tmp_path):
    oid = push(api, folder)
    hub.fail("GET", STAGES["download"][1], drop="answer", times=2)
    for _ in range(3):
        with contextlib.suppress(httpx.HTTPError):
            download(api, oid, tmp_path)
    assert_downloaded(download(api, oid, tmp_path))
    assert hub.faults[0].times == 0


def test_a_hub_that_takes_its_time(hub, api):
    api.create_repo("you/model")
    hub.slow_down("^/api/models/you/model$", 0.1)
    start = time.monotonic()
    assert api.model_info("you/model").id == "you/model"
    assert time.monotonic() - start > 0.05


def test_faults_meet_what_they_are_meant_for(hub, api, folder):
    hub.fail("POST", "/you/other/commit/", status=500)
    push(api, folder)
    assert hub.faults[0].times == 1
    with pytest.raises(AssertionError):
        hub.fail("POST", "/commit/")


def test_waiting_for_the_hub(hub, api):
    api.create_repo("you/model")
    hub.wait_until(lambda: ("model", "you/model") in hub.repositories, timeout=60)
    with pytest.raises(AssertionError, match="it has not happened"):
        hub.wait_until(lambda: False, timeout=0.01)


def test_the_environment_points_to_the_hub(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    environment = hub.environment(tmp_path)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", environment["HF_ENDPOINT"])
    assert "HF_HUB_OFFLINE" not in environment
    assert (environment["HF_TOKEN"], environment["HF_HOME"]) == (TOKEN, str(tmp_path))
    assert ModelCard(FILES["README.md"].decode()).data.license == "mit"
