"""Fetching transformers' own tests: from pip, from a file at hand, once."""

import io
import tarfile

import pytest

from tests.conformance.fetch import fetch, folder_of


def write_distribution(cache, version, names):
    with tarfile.open(cache / f"transformers-{version}.tar.gz", "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(f"transformers-{version}/{name}"), io.BytesIO())


def test_the_test_modules_alone_are_unpacked_and_stay(tmp_path):
    write_distribution(tmp_path, "1.2", ["setup.py", "src/transformers/__init__.py", "tests/test_modeling_common.py"])
    folder = fetch(tmp_path, "1.2")
    assert folder == folder_of(tmp_path, "1.2")
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.py")}
    assert files == {"transformers-1.2/tests/__init__.py", "transformers-1.2/tests/test_modeling_common.py"}
    (tmp_path / "transformers-1.2.tar.gz").unlink()
    assert fetch(tmp_path, "1.2") == folder


def test_without_an_index_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(
        SystemExit, match=r"(?s)distribution of transformers==1\.2 once, .*put transformers-1\.2\.tar\.gz"
    ):
        fetch(tmp_path, "1.2")
    assert not folder_of(tmp_path, "1.2").exists()


def test_a_distribution_without_tests_is_refused(tmp_path):
    write_distribution(tmp_path, "1.2", ["setup.py"])
    with pytest.raises(SystemExit, match=r"must hold tests/test_modeling_common\.py, and does not\. Delete it"):
        fetch(tmp_path, "1.2")
    assert not folder_of(tmp_path, "1.2").exists()
