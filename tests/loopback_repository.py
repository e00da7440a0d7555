"""A repository of the Hub in memory: as much of git as the Hub's interface shows, for `tests/loopback_hub.py`."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

import yaml

DEFAULT_BRANCH = "main"
LARGE_FILES = ("*.bin", "*.h5", "*.parquet", "*.pt", "*.pth", "*.safetensors", "*.wav")
"""Of the patterns in a new repository's .gitattributes, those that a model's or a data set's files can match."""


@dataclass(frozen=True)
class File:
    """A file of one commit; a large one has been uploaded aside, and git holds a pointer to it."""

    content: bytes
    is_large: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def pointer(self) -> bytes:
        lines = ("version https://git-lfs.github.com/spec/v1", f"oid sha256:{self.sha256}", f"size {self.size}\n")
        return "\n".join(lines).encode()

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def blob_id(self) -> str:
        blob = self.pointer if self.is_large else self.content
        return hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_large else self.blob_id


@dataclass(frozen=True)
class Commit:
    """All files at one point of the history."""

    sha: str
    title: str
    parent: str | None
    files: Mapping[str, File]
    date: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))

    def text(self, path: str) -> str:
        return self.files[path].content.decode()

    def write(self, folder: Path) -> Path:
        """Check it out."""
        for name, file in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(file.content)
        return folder


class Repository:
    """Branches of commits. A commit comes whole or not at all; it is never changed.

    Args:
        name: `user/name`.
        kind: "model" or "dataset".
        private: Whether only its owner sees it.
        large_files: Patterns of the files that are not to be part of a commit's own request.
    """

    def __init__(
        self, name: str, kind: str = "model", *, private: bool = False, large_files: Iterable[str] = LARGE_FILES
    ) -> None:
        self.name = name
        self.kind = kind
        self.private = private
        self.branches: dict[str, str] = {}
        self._commits: dict[str, Commit] = {}
        attributes = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in large_files)
        self._append(DEFAULT_BRANCH, "initial commit", {".gitattributes": File(attributes.encode())}, parent=None)

    def find(self, revision: str = DEFAULT_BRANCH) -> Commit | None:
        """Find the commit that a branch ends in, or that has this name."""
        return self._commits.get(self.branches.get(revision, revision))

    def head(self, revision: str = DEFAULT_BRANCH) -> Commit:
        commit = self.find(revision)
        assert commit is not None, f"no {revision} in {self.name}"
        return commit

    def history(self, revision: str = DEFAULT_BRANCH) -> list[Commit]:
        """List all commits up to a revision, the oldest one first."""
        commits, sha = [], self.head(revision).sha
        while sha is not None:
            commits.append(self._commits[sha])
            sha = commits[-1].parent
        return commits[::-1]

    def is_large(self, path: str, revision: str = DEFAULT_BRANCH) -> bool:
        """Tell whether .gitattributes sends a file's content aside."""
        lines = self.head(revision).text(".gitattributes").splitlines()
        return any(fnmatch(path.rpartition("/")[2], line.split()[0]) for line in lines)

    def commit(self, branch: str, title: str, added: Mapping[str, File], deleted: Iterable[str] = ()) -> Commit:
        """Add a commit to a branch; a folder that is deleted ends in a slash."""
        head, gone = self.head(branch), tuple(deleted)
        kept = {
            path: file
            for path, file in head.files.items()
            if path not in gone and not path.startswith(tuple(folder for folder in gone if folder.endswith("/")))
        }
        return self._append(branch, title, {**kept, **added}, parent=head.sha)

    def card_data(self, revision: str = DEFAULT_BRANCH) -> dict:
        """Read the metadata of the card."""
        file = self.head(revision).files.get("README.md")
        return {} if file is None else read_card_metadata(file.content.decode())

    def _append(self, branch: str, title: str, files: Mapping[str, File], parent: str | None) -> Commit:
        tree = "".join(f"{path} {file.blob_id}\n" for path, file in sorted(files.items()))
        sha = hashlib.sha1(f"{self.name} {len(self._commits)} {parent} {title}\n{tree}".encode()).hexdigest()
        self._commits[sha] = Commit(sha, title, parent, dict(sorted(files.items())))
        self.branches[branch] = sha
        return self._commits[sha]


def read_card_metadata(card: str) -> dict:
    """Read the YAML between the first two lines of dashes.

    Raises:
        yaml.YAMLError: if it is no YAML.
    """
    _, *parts = card.split("---\n", 2)
    return (yaml.safe_load(parts[0]) or {}) if card.startswith("---\n") and len(parts) == 2 else {}
