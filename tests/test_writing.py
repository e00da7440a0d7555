"""A full disk is told with the file that was being written: of a real device that is always full."""

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from fastast_hf.writing import naming
from tests.conftest import full_file, requires_full
from tests.faults.disks import mounted, why_no_mounts


@requires_full
def test_a_write_that_fails_names_the_file(tmp_path):
    labels = full_file(tmp_path / "labels.csv")
    with pytest.raises(OSError, match="No space left on device: 'labels'") as caught, naming("labels"):
        labels.write_text("a label")
    assert (caught.value.errno, caught.value.filename) == (28, "labels")


def test_safetensors_fails_as_the_system_does(tmp_path):
    if (reason := why_no_mounts(tmp_path)) is not None:
        pytest.skip(reason)
    with mounted(tmp_path / "disk", "64k") as disk:
        with pytest.raises(OSError, match="No space left on device") as caught, naming("my-model"):
            save_file({"weight": torch.zeros(100_000)}, disk / "model.safetensors")
        assert (caught.value.errno, caught.value.filename) == (28, "my-model")


def test_a_copy_that_fails_names_what_it_makes(tmp_path):
    (tmp_path / "code.py").write_text("1")
    with pytest.raises(OSError, match=r"Not a directory: 'my-model'$"), naming("my-model"):
        (tmp_path / "code.py").rename(tmp_path / "code.py" / "copy.py")


def test_a_file_aside_is_not_named(tmp_path):
    for aside in (tmp_path / "_a.json.1", tmp_path / "_a.json.1" / "a.json"):
        with pytest.raises(FileNotFoundError) as caught, naming("a.json", aside=tmp_path / "_a.json.1"):
            aside.read_text()
        assert caught.value.filename == "a.json"
    with pytest.raises(FileNotFoundError) as caught, naming("a.json", aside=tmp_path / "_a.json.1"):
        (tmp_path / "other").read_text()
    assert caught.value.filename == str(tmp_path / "other")


def test_errors_that_say_what_they_are_of_stay(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, naming("b"):
        (tmp_path / "a").read_text()
    assert caught.value.filename == str(tmp_path / "a")
    for error in (OSError("the Hub does not answer"), ValueError("b"), SafetensorError("not whole")):
        with pytest.raises(type(error)) as kept, naming("b"):
            raise error
        assert kept.value is error
    assert str(error) == "not whole"


def test_nothing_is_said_where_nothing_fails(tmp_path):
    with naming(tmp_path / "a"):
        (tmp_path / "a").write_text("a")
    assert (tmp_path / "a").read_text() == "a"
