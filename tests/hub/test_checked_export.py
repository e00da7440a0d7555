"""An ONNX file takes its place when it answers as its model does, and not before."""

from pathlib import Path

import onnxruntime
import pytest
import torch

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.hub import checked_export
from fastast_hf.hub import export as hub_export
from fastast_hf.hub.checked_export import export_checked_onnx, largest_difference
from fastast_hf.writing import naming
from tests.conftest import SIZES, full_file, requires_full, tiny_model

EXTRACTOR = FastASTFeatureExtractor(**SIZES)


def model(**schedule):
    return tiny_model(num_hidden_layers=2, **schedule)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Export once: it takes seconds."""
    path = tmp_path_factory.mktemp("export") / "new" / "ast.onnx"
    return export_checked_onnx(model(tokens_merged_per_layer=5), path, feature_extractor=EXTRACTOR)


def test_a_file_that_answers_alike_is_the_only_one_that_stays(exported):
    assert exported.largest_difference <= 1e-4
    assert exported.differences_beyond == ()
    assert list(exported.path.parent.iterdir()) == [exported.path]


def test_a_file_of_another_model_is_found_out(exported):
    assert largest_difference(exported.path, model(tokens_merged_per_layer=5), EXTRACTOR) <= 1e-4
    for schedule in ({}, {"tokens_merged_per_layer": 4}):
        assert largest_difference(exported.path, model(**schedule), EXTRACTOR) > 1e-4


@pytest.fixture
def without_export(monkeypatch, tmp_path):
    """Write two words, in an empty folder; give what the noises are to find, one after the other."""
    monkeypatch.chdir(tmp_path)
    differences = []

    def write(model, path, *, feature_extractor):
        path.with_name("out.onnx.data").write_text("new weights")
        path.write_text("new")
        return path

    monkeypatch.setattr(checked_export, "export_onnx", write)
    monkeypatch.setattr(
        checked_export, "largest_difference", lambda path, *_, seed: path.read_text() == "new" and differences[seed]
    )
    return differences


def contents():
    """What the files of the folder hold."""
    return {path.name: path.read_text() for path in Path().iterdir()}


@pytest.mark.parametrize("difference", [1.1e-4, float("nan")])
def test_a_file_that_answers_otherwise_is_an_error_and_the_old_one_stays(without_export, difference):
    without_export[:] = [difference] * 5
    Path("out.onnx").write_text("old")
    message = (
        r"`output` must answer as the model does, to 0\.0001, got logits that are .* off\. out\.onnx was not written"
    )
    with pytest.raises(ValueError, match=message):
        export_checked_onnx(model(), Path("out.onnx"), feature_extractor=EXTRACTOR)
    assert contents() == {"out.onnx": "old"}


def test_a_file_takes_its_place_with_its_weights(without_export):
    without_export[:] = [0]
    Path("out.onnx").write_text("old")
    export_checked_onnx(model(), Path("out.onnx"), feature_extractor=EXTRACTOR)
    assert contents() == {"out.onnx": "new", "out.onnx.data": "new weights"}


def test_a_noise_where_rounding_decides_what_merges_is_not_held_against_the_file(without_export):
    without_export[:] = [3e-3, 2e-3, 1e-6]
    made = export_checked_onnx(model(), Path("out.onnx"), feature_extractor=EXTRACTOR)
    assert made == (Path("out.onnx"), 1e-6, (3e-3, 2e-3))


def test_a_batch_is_checked_as_well_as_a_clip_and_both_as_long_as_the_model_hears(monkeypatch):
    """A file that took the exporter's two clips, or one, for the only number would be found out."""
    fast, shapes = model(), []

    class Session:
        def __init__(self, path, providers):
            pass

        def run(self, names, inputs):
            shapes.append(inputs["input_values"].shape)
            with torch.no_grad():
                logits = fast(torch.from_numpy(inputs["input_values"])).logits.numpy()
            logits[-1] += len(logits)
            return [logits]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    assert largest_difference(Path("out.onnx"), fast, EXTRACTOR) == pytest.approx(3, abs=1e-4)
    assert shapes == [(1, 96, 36), (3, 96, 36)]


def test_what_is_not_installed_is_named_before_the_work(monkeypatch):
    monkeypatch.setattr(hub_export, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(ImportError, match=r"Exporting needs onnxruntime, .*`pip install 'fastast_hf\[onnx\]'`"):
        export_checked_onnx(model(), Path("out.onnx"), feature_extractor=EXTRACTOR)


@requires_full
def test_a_full_disk_names_the_file_and_not_the_folder_aside(exported, tmp_path, monkeypatch):
    def full(model, path, *, feature_extractor):
        with naming(path):
            full_file(path).write_text("new")

    monkeypatch.setattr(checked_export, "export_onnx", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        export_checked_onnx(model(), tmp_path / "out.onnx", feature_extractor=EXTRACTOR)
    assert caught.value.filename == str(tmp_path / "out.onnx")
    assert list(tmp_path.iterdir()) == []


@requires_full
def test_a_full_disk_names_the_file(exported, tmp_path, monkeypatch):
    class Folder:
        """A temporary one, in which the file would come on a disk that is full."""

        def __init__(self, **_):
            full_file(tmp_path / "out.onnx")

        def __enter__(self):
            return str(tmp_path)

        def __exit__(self, *_):
            pass

    import onnx_ir

    written = onnx_ir.load(exported.path)
    monkeypatch.setattr(hub_export.tempfile, "TemporaryDirectory", Folder)
    with pytest.raises(OSError, match="No space left on device") as caught:
        hub_export._write(written, tmp_path / "mine" / "out.onnx")
    assert caught.value.filename == str(tmp_path / "mine" / "out.onnx")
