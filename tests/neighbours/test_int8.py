"""FastAST in int8, by ONNX Runtime and by torch, with what it answers on sounds that it was trained on."""

import copy
import json
import warnings

import pytest
import torch

from fastast_hf.distillation import CMKDTrainer
from fastast_hf.evaluation.runtimes import onnxruntime_forward
from fastast_hf.hub.export import export_onnx
from fastast_hf.hub.quantization import quantize_onnx
from tests.neighbours.sounds import EXTRACTOR, LABELS, arguments, features, new_student, write_sounds

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
KINDS = [LABELS["label2id"][name] for name in ("growing_noise", "slow_pulses")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train a student on two kinds of sound; give it, clips with their labels, its ONNX file and the one in int8."""
    folder = tmp_path_factory.mktemp("int8")
    parts = features(write_sounds(folder / "sounds", clips_per_class=15))
    train, judged = (
        part.select([row for row, label in enumerate(part["labels"]) if int(label) in KINDS])
        for part in (parts["train"], parts["eval"])
    )
    trainer = CMKDTrainer(new_student(), arguments(folder / "run", max_steps=40), train_dataset=train)
    trainer.train()
    model = trainer.model.eval()
    path = export_onnx(model, folder / "model.onnx", feature_extractor=EXTRACTOR)
    clips = [torch.cat([part[:][name] for part in (train, judged)]) for name in ("input_values", "labels")]
    return model, *clips, path, quantize_onnx(path, folder / "int8" / "model.onnx")


def accuracy(logits, labels):
    return (logits.argmax(dim=-1) == labels).float().mean().item()


def assert_answers_alike(logits, model, input_values, labels):
    with torch.no_grad():
        expected = model(input_values).logits
    assert accuracy(expected, labels) > 0.8, "it has learnt something that could be lost"
    assert 0 < (logits - expected).abs().max() < 0.1 * expected.abs().max()
    assert (logits.argmax(dim=-1) == expected.argmax(dim=-1)).float().mean() >= 0.95
    assert accuracy(logits, labels) >= accuracy(expected, labels) - 0.05


def test_onnx_runtime_in_int8_answers_as_the_model(trained):
    model, input_values, labels, _, path = trained
    assert_answers_alike(onnxruntime_forward(path)(input_values), model, input_values, labels)


def test_the_file_in_int8_is_smaller_and_knows_the_same(trained):
    *_, path, in_int8 = trained
    assert in_int8.stat().st_size < 0.8 * path.stat().st_size
    assert [entry.name for entry in in_int8.parent.iterdir()] == [in_int8.name], "nothing is left beside it"
    before, after = (
        onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map for file in (path, in_int8)
    )
    assert before.items() <= after.items()
    assert json.loads(after["tokens_merged"]) == list(trained[0].config.merge_schedule().tokens_merged)


def test_a_file_is_not_quantized_into_itself(trained):
    path = trained[3]
    with pytest.raises(ValueError, match=r"`output` must be another file than `path`, got .* twice\. Name another"):
        quantize_onnx(path, path.parent / "int8" / ".." / path.name)


def test_torch_in_int8_answers_as_the_model(trained):
    model, input_values, labels, *_ = trained
    quantize = getattr(getattr(torch.ao, "quantization", None), "quantize_dynamic", None)
    if quantize is None:
        pytest.skip("this torch has no torch.ao.quantization any more")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch says that it is on its way to torchao
        in_int8 = quantize(copy.deepcopy(model), {torch.nn.Linear}, dtype=torch.qint8)
        logits = in_int8(input_values).logits
    assert_answers_alike(logits, model, input_values, labels)
