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


@pytest.mark.parametrize("damage", ["cut short", "no archive", "overwritten"])
def test_a_broken_archive_is_told_and_a_new_one_is_unpacked(tmp_path, damage):
    names = ["tests/test_modeling_common.py", *(f"tests/test_{index}.py" for index in range(500))]
    write_distribution(tmp_path, "1.2", names)
    archive = tmp_path / "transformers-1.2.tar.gz"
    whole = archive.read_bytes()
    half = len(whole) // 2
    broken = {"cut short": whole[:half], "no archive": b"<html>", "overwritten": whole[:half] + bytes(half)}
    archive.write_bytes(broken[damage])
    with pytest.raises(SystemExit, match=r"transformers-1\.2\.tar\.gz must be a whole .*\. Delete it and run `make"):
        fetch(tmp_path, "1.2")
    assert not folder_of(tmp_path, "1.2").exists()
    archive.write_bytes(whole)
    assert (fetch(tmp_path, "1.2") / "test_modeling_common.py").is_file()


def test_a_distribution_without_tests_is_refused(tmp_path):
    write_distribution(tmp_path, "1.2", ["setup.py"])
    with pytest.raises(SystemExit, match=r"must hold tests/test_modeling_common\.py, and does not\. Delete it"):
        fetch(tmp_path, "1.2")
    assert not folder_of(tmp_path, "1.2").exists()
