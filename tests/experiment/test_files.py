"""The run's small files: never half written, and a folder belongs to one run."""

import pytest

from fastast_hf.experiment.files import claim_folder, read_json, write_json


def test_json_comes_back(tmp_path):
    write_json(tmp_path / "new" / "a.json", {"Geräusch": [1, 2.5, None]})
    assert read_json(tmp_path / "new" / "a.json") == {"Geräusch": [1, 2.5, None]}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.json"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"new": object()})
    assert read_json(tmp_path / "a.json") == {"old": 1}


def test_the_same_run_goes_on_and_another_is_refused(tmp_path):
    claim_folder(tmp_path / "run", {"learning_rate": 0.1, "seed": 0})
    claim_folder(tmp_path / "run", {"learning_rate": 0.1, "seed": 0})
    with pytest.raises(
        ValueError, match=r"`output_dir` must be new or hold the same run, got .*learning_rate: 0.1 there"
    ):
        claim_folder(tmp_path / "run", {"learning_rate": 0.2, "seed": 0})
