"""Fetch transformers' own model tests, which its wheel leaves out: `python -m tests.conformance.fetch`.

They come out of the source distribution of the very version that is installed, from whatever index pip is set up for,
once a version, into `build/`, which git ignores.
"""

import gzip
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

import transformers

CACHE = Path(__file__).resolve().parents[2] / "build" / "conformance"


def folder_of(cache: Path = CACHE, version: str = transformers.__version__) -> Path:
    """Where the test modules of a version lie once they are fetched."""
    return cache / f"transformers-{version}" / "tests"


def fetch(cache: Path = CACHE, version: str = transformers.__version__) -> Path:
    """Download and unpack the test modules of a version, unless they are there.

    Raises:
        SystemExit: if they cannot be had, with what to do about it.
    """
    folder = folder_of(cache, version)
    if not folder.is_dir():
        archive = cache / f"transformers-{version}.tar.gz"
        if not archive.is_file():
            download(archive, version)
        unpack(archive, folder)
    return folder


def download(archive: Path, version: str) -> None:
    """Have pip lay the source distribution of a version beside the unpacked ones."""
    requirement = f"transformers=={version}"
    command = ["download", "--quiet", "--no-deps", "--no-binary=transformers", f"--dest={archive.parent}", requirement]
    pip = subprocess.run([sys.executable, "-m", "pip", *command], stderr=subprocess.PIPE, text=True)
    if pip.returncode:
        raise SystemExit(
            f"`make conformance` needs the source distribution of {requirement} once, and pip could not download it:\n"
            f"{pip.stderr.strip()}\n"
            f"Run it where pip reaches a package index, or put {archive.name} into {archive.parent}."
        )


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the test modules alone, and show the folder only once it is whole."""
    partial = folder.with_name("partial")
    partial.mkdir(parents=True, exist_ok=True)
    # `ConfigTester` executes the __init__.py beside it, which the distribution leaves out.
    (partial / "__init__.py").touch()
    try:
        with gzip.open(archive) as content, tarfile.open(fileobj=content, mode="r:") as members:
            for member in members:
                _, _, path = member.name.partition("/")
                if path.startswith("tests/") and path.endswith(".py"):
                    member.name = path.removeprefix("tests/")
                    members.extract(member, partial, filter="data")
            while content.read(2**20):  # up to the checksum at the end
                pass
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise SystemExit(
            f"{archive} must be a whole source distribution, and cannot be unpacked: {error}. Delete it and run "
            "`make conformance` again: it is downloaded anew."
        ) from error
    if not (partial / "test_modeling_common.py").is_file():
        raise SystemExit(
            f"{archive} must hold tests/test_modeling_common.py, and does not. Delete it if it is broken; if this "
            "release came without its tests, install one that has them."
        )
    partial.rename(folder)


if __name__ == "__main__":
    print(f"transformers {transformers.__version__}: its own model tests are in {fetch()}")
