"""A Hub on this machine: it answers huggingface_hub's real client over HTTP, and is slow or fails when it is told to.

It keeps repositories of models and data sets in memory and speaks the part of the Hub's interface that pushing and loading
use. It does not speak Xet, the storage of large files behind `hf_xet`: a client with `HF_HUB_DISABLE_XET=1` sends them
through Git LFS. A client with `hf_xet` uploads folders by code of its own; a repository with `large_files=()`, which takes
all files inside the commit, lets it do so here too.
"""

import contextlib
import hashlib
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.loopback_repository import LARGE_FILES, Commit, File, Repository
from tests.loopback_routes import TOKEN, Answer, Request, answer

EMPTY_SHA256 = hashlib.sha256().hexdigest()


@dataclass
class Fault:
    """What goes wrong with the next `times` requests of a method whose path a pattern finds.

    `status` is answered in place of all else, with `body` if there is one. `drop` closes the connection in the middle of the "request", which then has no
    effect, or in the middle of the "answer", after it has had its effect.
    """

    method: str
    path: str
    status: int | None = None
    drop: str | None = None
    times: int = 1
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


class LoopbackHub:
    """The Hub: `with LoopbackHub() as hub:` serves it at `hub.url` until the end of the block.

    Args:
        large_files: Patterns of the files that new repositories take through Git LFS.
        part_size: Bytes above which such a file is uploaded in parts; None: always at once.
    """

    def __init__(self, *, large_files: Iterable[str] = LARGE_FILES, part_size: int | None = None) -> None:
        self.large_files = tuple(large_files)
        self.part_size = part_size
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.objects: dict[str, bytes] = {EMPTY_SHA256: b""}  # large files by their SHA-256
        self.parts: dict[tuple[str, int], bytes] = {}
        self.faults: list[Fault] = []
        self.delays: dict[str, float] = {}  # seconds before an answer, by a pattern that finds its path
        self.requests: list[tuple[str, str]] = []
        self.not_spoken: list[tuple[str, str]] = []
        self.changed = threading.Condition()  # held by whoever reads or writes the above

    def __enter__(self) -> "LoopbackHub":
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{port}"
        self.storage_url = f"http://localhost:{port}"  # another host to the client, as the real Hub's storage is
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def environment(self, home: Path, *, xet: bool = False) -> dict[str, str]:
        """Give the variables of a process whose Hub this is; `HF_ENDPOINT` is read when huggingface_hub is imported.

        With `xet` the client sends folders as it does where `hf_xet` is installed; no file must then go aside.
        """
        gone = ("HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_MODULES_CACHE", "HF_TOKEN_PATH", "TRANSFORMERS_OFFLINE")
        return {
            **{name: value for name, value in os.environ.items() if name not in gone},
            **{"HF_ENDPOINT": self.url, "HF_TOKEN": TOKEN, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1,localhost"},
            **{"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "OMP_NUM_THREADS": "1"},
            "HF_HUB_DISABLE_XET": "0" if xet else "1",
        }

    def repository(self, name: str, kind: str = "model") -> Repository:
        return self.repositories[kind, name]

    def add_repository(self, name: str, kind: str = "model", **options: Any) -> Repository:
        options = {"large_files": self.large_files} | options
        self.repositories[kind, name] = Repository(name, kind, **options)
        return self.repositories[kind, name]

    def publish(self, folder: Path, name: str, kind: str = "model") -> Commit:
        """Put a folder into a new repository, as if somebody had pushed it."""
        repository = self.add_repository(name, kind)
        paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        files = {inside: File(path.read_bytes(), repository.is_large(inside)) for inside, path in paths.items()}
        self.objects |= {file.sha256: file.content for file in files.values() if file.is_large}
        return repository.commit("main", "Somebody's push", files)

    def fail(self, method: str, path: str, **what: Any) -> None:
        """Plan a fault, see `Fault`."""
        assert (what.get("status") is None) != (what.get("drop") is None)
        self.faults.append(Fault(method, path, **what))

    def slow_down(self, path: str, seconds: float) -> None:
        """Answer requests whose path a pattern finds so much later, from now on."""
        self.delays[path] = seconds

    def count(self, method: str, path: str) -> int:
        """Count the requests so far, failed ones included."""
        return sum(1 for asked in self.requests if asked[0] == method and re.search(path, asked[1]))

    def wait_until(self, has_happened: Callable[[], bool], timeout: float) -> None:
        """Wait for something that requests, or processes, bring about."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while not has_happened():
                assert time.monotonic() < deadline, f"it has not happened after {timeout} s"
                self.changed.wait(0.1)  # or shorter, when a request has been answered

    def delay_of(self, path: str) -> float:
        return sum(seconds for pattern, seconds in self.delays.items() if re.search(pattern, path))

    def fault_of(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method == method and re.search(fault.path, path):
                fault.times -= 1
                return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def respond(self) -> None:
        parts = urlsplit(self.path)
        with self.hub.changed:
            self.hub.requests.append((self.command, parts.path))
            fault = self.hub.fault_of(self.command, parts.path)
            delay = self.hub.delay_of(parts.path)
        threading.Event().wait(delay)  # tests may have taken away time.sleep
        if fault is not None and fault.drop == "request":
            self.rfile.read(int(self.headers.get("Content-Length", 0)) // 2)
            self._hang_up()
            return
        body = self._read_body()
        if body is None:  # the client went away, or was killed
            self._hang_up()
            return
        if fault is not None and fault.status is not None:
            body = json.dumps({"error": "Planned by the test"}).encode() if fault.body is None else fault.body
            self._send(Answer(body, fault.status, fault.headers))
            return
        request = Request(self.command, parts.path, parse_qs(parts.query), self.headers, body)
        with self.hub.changed:
            given = answer(self.hub, request)
            if given is None:
                self.hub.not_spoken.append((request.method, request.path))
            self.hub.changed.notify_all()
        self._send(given or Answer(status=404), is_cut=fault is not None)

    do_GET = do_HEAD = do_POST = do_PUT = respond  # noqa: N815

    def _read_body(self) -> bytes | None:
        if self.headers.get("Transfer-Encoding") != "chunked":
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            return body if len(body) == length else None
        chunks = []
        while size := int(self.rfile.readline() or b"-1", 16):
            if size < 0:
                return None
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(self, answer: Answer, *, is_cut: bool = False) -> None:
        if is_cut and (self.command == "HEAD" or len(answer.body) < 2):
            self._hang_up()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: len(answer.body) // 2] if is_cut else answer.body)
        if is_cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # a client that went away, or was killed
            super().handle()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
