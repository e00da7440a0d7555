"""Digests: what was written is known again, to the last bit."""

import json

import pytest

from fastast_hf.distillation.digests import NAME, find_altered, write_digests


@pytest.fixture
def folder(tmp_path):
    for name in ("model.safetensors", "optimizer.pt", "rng_state.pth", "config.json"):
        (tmp_path / name).write_bytes(name.encode() * 100)
    write_digests(tmp_path)
    return tmp_path


def test_what_was_written_is_unaltered(folder):
    assert find_altered(folder) is None
    assert sorted(json.loads((folder / NAME).read_text())) == ["model.safetensors", "optimizer.pt", "rng_state.pth"]
    assert len(list(folder.iterdir())) == 5, "nothing is left aside"


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "rng_state.pth"])
def test_one_bit_is_enough(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[77] ^= 1
    (folder / name).write_bytes(data)
    assert find_altered(folder) == name


@pytest.mark.parametrize("half", ["", '{"model.safetensors": "ab'])
def test_half_of_the_digests_is_none(folder, half):
    (folder / NAME).write_text(half)
    assert find_altered(folder) == NAME


def test_a_folder_of_an_earlier_version_has_none(folder):
    (folder / NAME).unlink()
    (folder / "model.safetensors").write_bytes(b"other")
    assert find_altered(folder) is None


def test_what_is_gone_is_not_asked_for(folder):
    (folder / "optimizer.pt").unlink()
    assert find_altered(folder) is None
