"""What the loopback Hub answers: one function for each request of the Hub's interface that pushing and loading use."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import yaml

from tests.loopback_repository import Commit, File, Repository, read_card_metadata

if TYPE_CHECKING:
    from tests.loopback_hub import LoopbackHub as Hub

USER = "you"
TOKEN = "hf_of_the_loopback_hub"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: Any
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Any, **fields: Any) -> "Answer":
        headers = {"Content-Type": "application/json"} | fields.pop("headers", {})
        return cls(json.dumps(content).encode(), headers=headers, **fields)


class RefusalError(Exception):
    """What the Hub says no to: a status, the code that its client reads, and words."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        headers = {"X-Error-Message": message} | ({} if code is None else {"X-Error-Code": code})
        self.answer = Answer.of({"error": message}, status=status, headers=headers)


ROUTES: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = []
REPOSITORY = r"/api/(?P<kind>model|dataset)s/(?P<name>[^/]+/[^/]+)"
RESOLVE = r"/(?:(?P<kind>dataset)s/)?(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)"


def route(method: str, pattern: str) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    def register(function: Callable[..., Answer]) -> Callable[..., Answer]:
        ROUTES.append((method, re.compile(pattern), function))
        return function

    return register


def answer(hub: "Hub", request: Request) -> Answer | None:
    """Give the answer to a request, None to one that is not spoken here."""
    method = "GET" if request.method == "HEAD" else request.method
    for routed_method, pattern, function in ROUTES:
        if routed_method == method and (match := pattern.fullmatch(request.path)):
            groups = {name: unquote(value) for name, value in match.groupdict().items() if value is not None}
            try:
                return function(hub, request, **groups)
            except RefusalError as refusal:
                return refusal.answer
    return None


# Who is asking, and for what


def _is_user(request: Request) -> bool:
    authorization = request.headers.get("Authorization")
    if authorization is not None and authorization != f"Bearer {TOKEN}":
        raise RefusalError(401, "Invalid credentials in Authorization header")
    return authorization is not None


def _need_user(request: Request) -> None:
    if not _is_user(request):
        raise RefusalError(401, "Invalid username or password.")


def _find(hub: "Hub", request: Request, name: str, kind: str) -> Repository:
    repository, is_user = hub.repositories.get((kind, name)), _is_user(request)
    if repository is None or (repository.private and not is_user):
        raise RefusalError(404 if is_user else 401, "Repository not found", "RepoNotFound")
    return repository


def _find_commit(repository: Repository, revision: str) -> Commit:
    commit = repository.find(revision)
    if commit is None:
        raise RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return commit


# Repositories


@route("GET", "/api/agent-harnesses")
def agent_harnesses(hub: "Hub", request: Request) -> Answer:
    return Answer.of({"standardEnvVars": [], "harnesses": {}})


@route("GET", "/api/whoami-v2")
def whoami(hub: "Hub", request: Request) -> Answer:
    _need_user(request)
    return Answer.of({"type": "user", "name": USER, "orgs": [], "auth": {"accessToken": {"role": "write"}}})


@route("POST", "/api/repos/create")
def create(hub: "Hub", request: Request) -> Answer:
    _need_user(request)
    asked = request.json()
    owner, kind = asked.get("organization") or USER, asked.get("type", "model")
    if owner != USER:
        raise RefusalError(403, f"You don't have the rights to create a {kind} under the namespace {owner!r}.")
    name = f"{owner}/{asked['name']}"
    content = {"url": f"{hub.url}/{'' if kind == 'model' else f'{kind}s/'}{name}", "name": name, "id": name}
    if (kind, name) in hub.repositories:
        return Answer.of(content | {"error": f"You already created this {kind} repo"}, status=409)
    hub.add_repository(name, kind, private=asked.get("visibility") == "private")
    return Answer.of(content)


@route("POST", "/api/validate-yaml")
def validate_yaml(hub: "Hub", request: Request) -> Answer:
    try:
        metadata = read_card_metadata(request.json()["content"])
    except yaml.YAMLError as error:
        return Answer.of({"errors": [{"message": str(error)}]}, status=400)
    warnings = [] if metadata else [{"message": "empty or missing yaml metadata in repo card"}]
    return Answer.of({"errors": [], "warnings": warnings})


@route("GET", REPOSITORY)
@route("GET", REPOSITORY + r"/revision/(?P<revision>[^/]+)")
def repository_info(hub: "Hub", request: Request, kind: str, name: str, revision: str = "main") -> Answer:
    repository = _find(hub, request, name, kind)
    commit = _find_commit(repository, revision)
    card_data = repository.card_data(revision)
    info = {
        **{"id": name, "sha": commit.sha, "private": repository.private, "lastModified": commit.date},
        **{"tags": card_data.get("tags") or [], "cardData": card_data, "pipeline_tag": card_data.get("pipeline_tag")},
        "siblings": [{"rfilename": path} for path in commit.files],
    }
    return Answer.of(info)


@route("GET", r"/api/(?P<kind>model|dataset)s/(?P<name>[^/]+)")
def name_without_user(hub: "Hub", request: Request, kind: str, name: str) -> Answer:
    return repository_info(hub, request, kind, name)  # there is none


@route("GET", REPOSITORY + r"/commits/(?P<revision>[^/]+)")
def commits(hub: "Hub", request: Request, kind: str, name: str, revision: str) -> Answer:
    repository = _find(hub, request, name, kind)
    _find_commit(repository, revision)
    newest_first = [
        {"id": commit.sha, "title": commit.title, "message": "", "authors": [{"user": USER}], "date": commit.date}
        for commit in reversed(repository.history(revision))
    ]
    return Answer.of(newest_first)


@route("POST", REPOSITORY + r"/branch/(?P<branch>[^/]+)")
def create_branch(hub: "Hub", request: Request, kind: str, name: str, branch: str) -> Answer:
    _need_user(request)
    repository = _find(hub, request, name, kind)
    if branch in repository.branches:
        raise RefusalError(409, "Reference already exists")
    start = json.loads(request.body or b"{}").get("startingPoint", "main")
    repository.branches[branch] = _find_commit(repository, start).sha
    return Answer.of({})


@route("GET", REPOSITORY + r"/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+))?")
def tree(hub: "Hub", request: Request, kind: str, name: str, revision: str, folder: str = "") -> Answer:
    commit = _find_commit(_find(hub, request, name, kind), revision)
    prefix = f"{folder}/" if folder else ""
    inside = [path for path in commit.files if path.startswith(prefix)]
    if folder and not inside:
        raise RefusalError(404, f"{folder} does not exist on {revision}", "EntryNotFound")
    return Answer.of(_describe(commit, inside, prefix, is_recursive=request.query.get("recursive") == ["true"]))


@route("POST", REPOSITORY + r"/paths-info/(?P<revision>[^/]+)")
def paths_info(hub: "Hub", request: Request, kind: str, name: str, revision: str) -> Answer:
    commit = _find_commit(_find(hub, request, name, kind), revision)
    paths = parse_qs(request.body.decode())["paths"]
    there = [path for path in paths if any(name == path or name.startswith(f"{path}/") for name in commit.files)]
    return Answer.of([_describe_path(commit, path) for path in there])


def _describe(commit: Commit, paths: list[str], prefix: str, *, is_recursive: bool) -> list[dict[str, Any]]:
    shown: dict[str, None] = {}
    for path in paths:
        parts = path.removeprefix(prefix).split("/")
        depth = len(parts) if is_recursive else 1
        shown.update(dict.fromkeys(prefix + "/".join(parts[:end]) for end in range(1, depth + 1)))
    return [_describe_path(commit, path) for path in shown]


def _describe_path(commit: Commit, path: str) -> dict[str, Any]:
    if path not in commit.files:
        return {"type": "directory", "path": path, "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0}
    file = commit.files[path]
    described = {"type": "file", "path": path, "oid": file.blob_id, "size": file.size}
    if file.is_large:
        described["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": len(file.pointer)}
    return described


# Uploading


@route("POST", REPOSITORY + r"/preupload/(?P<revision>[^/]+)")
def preupload(hub: "Hub", request: Request, kind: str, name: str, revision: str) -> Answer:
    _need_user(request)
    repository = _find(hub, request, name, kind)
    files = _find_commit(repository, revision).files
    modes = []
    for path in (file["path"] for file in request.json()["files"]):
        mode = "lfs" if repository.is_large(path, revision) else "regular"
        known = {"oid": files[path].etag} if path in files else {}
        modes.append({"path": path, "uploadMode": mode, "shouldIgnore": False, **known})
    return Answer.of({"files": modes})


@route("POST", r"/(?:datasets/)?(?P<name>[^/]+/[^/]+)\.git/info/lfs/objects/batch")
def large_file_batch(hub: "Hub", request: Request, name: str) -> Answer:
    _need_user(request)
    objects = []
    for asked in request.json()["objects"]:
        if asked["oid"] in hub.objects:
            objects.append(asked)
            continue
        verify = {"href": f"{hub.url}/{name}.git/info/lfs/objects/verify"}
        objects.append(asked | {"actions": {"upload": _upload_action(hub, **asked), "verify": verify}})
    return Answer.of({"transfer": "basic", "objects": objects})


def _upload_action(hub: "Hub", oid: str, size: int) -> dict[str, Any]:
    if hub.part_size is None or size <= hub.part_size:
        return {"href": f"{hub.storage_url}/storage/{oid}"}
    parts = range(1, -(-size // hub.part_size) + 1)
    urls = {str(part): f"{hub.storage_url}/storage/{oid}/{part}" for part in parts}
    return {"href": f"{hub.url}/complete/{oid}", "header": {"chunk_size": str(hub.part_size), **urls}}


@route("PUT", r"/storage/(?P<oid>\w+)")
def put_large_file(hub: "Hub", request: Request, oid: str) -> Answer:
    if hashlib.sha256(request.body).hexdigest() != oid:
        raise RefusalError(400, "The content is not what was announced")
    hub.objects[oid] = request.body
    return Answer()


@route("PUT", r"/storage/(?P<oid>\w+)/(?P<part>\d+)")
def put_part(hub: "Hub", request: Request, oid: str, part: str) -> Answer:
    hub.parts[oid, int(part)] = request.body
    return Answer(headers={"ETag": hashlib.md5(request.body).hexdigest()})


@route("POST", r"/complete/(?P<oid>\w+)")
def complete(hub: "Hub", request: Request, oid: str) -> Answer:
    parts = [hub.parts.pop((oid, part["partNumber"]), b"") for part in request.json()["parts"]]
    return put_large_file(hub, Request("PUT", request.path, {}, request.headers, b"".join(parts)), oid)


@route("POST", r"/[^/]+/[^/]+\.git/info/lfs/objects/verify")
def verify(hub: "Hub", request: Request) -> Answer:
    asked = request.json()
    if len(hub.objects.get(asked["oid"], b"")) != asked["size"]:
        raise RefusalError(404, "Object not found")
    return Answer()


@route("POST", REPOSITORY + r"/commit/(?P<revision>[^/]+)")
def commit_files(hub: "Hub", request: Request, kind: str, name: str, revision: str) -> Answer:
    _need_user(request)
    repository = _find(hub, request, name, kind)
    if revision not in repository.branches:
        raise RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    header, *operations = [json.loads(line) for line in request.body.splitlines()]
    if header["value"].get("parentCommit", repository.head(revision).sha) != repository.head(revision).sha:
        raise RefusalError(412, "A commit has happened since. Please refresh and try again.")
    added, deleted = {}, []
    for operation in operations:
        value = operation["value"]
        if operation["key"] == "file":
            added[value["path"]] = File(base64.b64decode(value["content"]))
        elif operation["key"] == "lfsFile":
            if value["oid"] not in hub.objects:
                raise RefusalError(400, f"LFS pointer pointed to a file that does not exist: {value['path']}")
            added[value["path"]] = File(hub.objects[value["oid"]], is_large=True)
        else:
            deleted.append(value["path"].rstrip("/") + ("/" if operation["key"] == "deletedFolder" else ""))
    commit = repository.commit(revision, header["value"]["summary"], added, deleted)
    return Answer.of({"success": True, "commitOid": commit.sha, "commitUrl": f"{hub.url}/{name}/commit/{commit.sha}"})


# Downloading


@route("GET", RESOLVE)
def resolve(hub: "Hub", request: Request, name: str, revision: str, path: str, kind: str = "model") -> Answer:
    commit = _find_commit(_find(hub, request, name, kind), revision)
    if path not in commit.files:
        raise RefusalError(404, "Entry not found", "EntryNotFound")
    file = commit.files[path]
    headers = {"X-Repo-Commit": commit.sha, "ETag": f'"{file.etag}"'}
    if not file.is_large:
        return _part_of(file.content, request, headers)
    linked = {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    return Answer(status=302, headers=headers | linked | {"Location": f"{hub.storage_url}/storage/{file.sha256}"})


@route("GET", r"/storage/(?P<oid>\w+)")
def stored(hub: "Hub", request: Request, oid: str) -> Answer:
    if request.headers.get("Authorization") is not None:
        raise RefusalError(400, "The storage is another host: it must not see the token")
    if oid not in hub.objects:
        raise RefusalError(404, "Object not found")
    return _part_of(hub.objects[oid], request, {"ETag": f'"{oid}"'})


def _part_of(content: bytes, request: Request, headers: dict[str, str]) -> Answer:
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if asked is None:
        return Answer(content, headers=headers)
    start, end = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
    span = {"Content-Range": f"bytes {start}-{end}/{len(content)}"}
    return Answer(content[start : end + 1], status=206, headers=headers | span)
