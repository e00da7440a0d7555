"""The saved folder in processes that cannot import the package: the code travels with the weights."""

import ast
import json
import re

import numpy as np
import pytest
import torch

from fastast_hf import FastASTFeatureExtractor, FastASTForAudioClassification, FastASTModel
from tests.conftest import tiny_input, tiny_model
from tests.without_package import (
    CODE,
    MODEL_ROOM,
    assert_complete,
    auto_map,
    code_behind,
    run_without_the_package,
    waveform,
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    tiny_model(merge_ratio=0.25).save_pretrained(folder)
    FastASTFeatureExtractor(max_length=96, num_mel_bins=36).save_pretrained(folder)
    return folder


def test_the_folder_holds_weights_settings_and_all_code(saved):
    assert_complete(saved)
    assert json.loads((saved / "config.json").read_text())["merge_ratio"] == 0.25
    assert (saved / "model.safetensors").exists()


def test_the_base_model_saves_all_code_too(tmp_path):
    tiny_model(FastASTModel).save_pretrained(tmp_path)
    assert set(auto_map(tmp_path, "config.json")) == {"AutoConfig", "AutoModel", "AutoModelForAudioClassification"}
    assert {path.name for path in tmp_path.glob("*.py")} == code_behind("modeling_fastast.py")


def test_the_order_of_saving_does_not_matter(tmp_path):
    FastASTFeatureExtractor(max_length=96, num_mel_bins=36).save_pretrained(tmp_path)
    tiny_model(merge_ratio=0.25).save_pretrained(tmp_path)
    assert_complete(tmp_path)


def test_nothing_in_the_room_is_left_behind():
    assert code_behind("modeling_fastast.py", "feature_extraction_fastast.py") == set(CODE)


def test_every_auto_class_gives_the_same_logits_without_the_package(saved, tmp_path):
    code = """
config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
assert config.merge_ratio == 0.25 and config.model_type == "fastast", config
model = AutoModelForAudioClassification.from_pretrained(folder, trust_remote_code=True)
base = AutoModel.from_pretrained(folder, trust_remote_code=True)
zero = AutoModelForAudioClassification.from_pretrained(folder, trust_remote_code=True, merge_ratio=0)
extractor = AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=True)
features = extractor(waveform, sampling_rate=16000, return_tensors="pt").input_values
with torch.no_grad():
    np.save(out + "/logits.npy", model(x).logits)
    np.save(out + "/zero.npy", zero(x).logits)
    np.save(out + "/states.npy", base(x).last_hidden_state)
np.save(out + "/features.npy", features)
classifier = pipeline("audio-classification", model=folder, trust_remote_code=True)
print("SCORES", {row["label"]: row["score"] for row in classifier(waveform, top_k=None)})
assert type(model).__module__.startswith("transformers_modules")
assert type(extractor).__name__ == "FastASTFeatureExtractor", type(extractor)
assert type(classifier.feature_extractor).__name__ == "FastASTFeatureExtractor", classifier.feature_extractor
assert "fastast_hf" not in sys.modules

for wrong in (lambda: AutoModelForAudioClassification.from_pretrained(folder, trust_remote_code=True, merge_ratio=0.6),
              lambda: model.set_merge_ratio(0.6)):
    try:
        wrong()
    except ValueError as error:
        assert "`merge_ratio` must be between 0 and 0.5, got 0.6 at layer 0" in str(error), error
    else:
        raise AssertionError("not refused")
"""
    stdout = run_without_the_package(code, saved, tmp_path)

    model = FastASTForAudioClassification.from_pretrained(saved)
    extractor = FastASTFeatureExtractor.from_pretrained(saved)
    features = extractor(waveform(), sampling_rate=16000, return_tensors="pt").input_values
    with torch.no_grad():
        expected = {
            "logits": model(tiny_input()).logits,
            "states": model.base_model(tiny_input()).last_hidden_state,
            "features": features,
        }
        probabilities = model(features).logits.softmax(-1)[0]
        model.set_merge_ratio(0)
        expected["zero"] = model(tiny_input()).logits
    for name, tensor in expected.items():
        torch.testing.assert_close(torch.from_numpy(np.load(tmp_path / f"{name}.npy")), tensor, rtol=1e-5, atol=1e-6)
    scores = ast.literal_eval(stdout.partition("SCORES ")[2].strip())
    for index, label in model.config.id2label.items():
        assert scores[label] == pytest.approx(probabilities[index].item(), abs=1e-5)


def test_saving_again_without_the_package_keeps_code_and_auto_map(saved, tmp_path):
    code = """
again = out + "/again"
AutoModelForAudioClassification.from_pretrained(folder, trust_remote_code=True).save_pretrained(again)
AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=True).save_pretrained(again)
model = AutoModelForAudioClassification.from_pretrained(again, trust_remote_code=True)
model.set_merge_ratio(0.1)
assert torch.equal(
    model(x).logits,
    AutoModelForAudioClassification.from_pretrained(folder, trust_remote_code=True, merge_ratio=0.1)(x).logits,
)
"""
    run_without_the_package(code, saved, tmp_path / "work")
    assert_complete(tmp_path / "work" / "again")
    model = FastASTForAudioClassification.from_pretrained(saved)
    again = FastASTForAudioClassification.from_pretrained(tmp_path / "work" / "again")
    assert torch.equal(again(tiny_input()).logits, model(tiny_input()).logits)


@pytest.mark.parametrize("name", CODE)
def test_the_scanner_of_transformers_finds_exactly_the_real_imports(name):
    text = (MODEL_ROOM / name).read_text()
    tree = ast.parse(text)
    real = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level}
    assert all(
        node.level == 1 and node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level
    )
    scanned = re.findall(r"^\s*from\s+\.(\S+)\s+import", text, flags=re.MULTILINE)
    scanned += re.findall(r"^\s*import\s+\.(\S+)\s*$", text, flags=re.MULTILINE)
    assert sorted(scanned) == sorted(real)
    assert {f"{module}.py" for module in real} <= set(CODE)
