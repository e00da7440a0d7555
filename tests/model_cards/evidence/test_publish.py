"""A published folder, from a small model in place of a trained one."""

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from transformers import pipeline

from fastast_hf import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.experiment.files import read_json, write_json
from fastast_hf.hub.results import load_results
from fastast_hf.model import modeling_fastast
from model_cards.evidence import places, publish
from tests.conftest import SIZES, tiny_model
from tests.hub.results_example import comparison_example, example, speed_example

LABELS = ("dog", "rain", "bird", "saw", "sea")
CLIPS = ["dog/a.wav", "rain/b.wav"]


@pytest.fixture
def data(tmp_path):
    audio = tmp_path / "data" / "esc10" / "audio"
    for number, name in enumerate(CLIPS):
        (audio / name).parent.mkdir(parents=True)
        soundfile.write(audio / name, np.random.default_rng(number).uniform(-0.5, 0.5, 8_000), 16_000)
    return tmp_path / "data"


@pytest.fixture
def run(results):
    """A run that is done, and what was measured beside it."""
    name = publish.MODELS["esc10"].run
    folder = places.run_folder(name)
    model = tiny_model(merge_ratio=0.25)
    model.config.id2label = dict(enumerate(LABELS))
    model.save_pretrained(folder)
    FastASTFeatureExtractor(**SIZES).save_pretrained(folder)
    (folder / "training_args.bin").write_bytes(b"x")
    (folder / "_teacher").mkdir()
    run_results = example(models__fastast__license=None, models__teacher__license=None, models__ast=None)
    write_json(places.result_file(name), run_results | {"answers": {"clips": CLIPS}})
    of_ast = example(models__fastast__metrics={"accuracy": 0.5125, "map": 0.5})
    write_json(places.result_file(publish.MODELS["esc10"].ast), of_ast)
    speed = speed_example()
    first = speed["benchmark"]["rows"][0]
    names = ("AST", "FastAST, ratio 0.4", "CNN teacher")
    speed["benchmark"]["rows"] = [copy.deepcopy(first) | {"name": row, "clips_per_second": 7.5} for row in names]
    write_json(places.result_file("speed-esc10"), speed)
    write_json(places.RESULTS.parent / "esc10.json", comparison_example())
    return folder


def test_the_folder_is_complete_and_answers_as_the_trained_model(run, data, tmp_path):
    folder = publish.publish("esc10", data, tmp_path / "cards")
    assert folder.name == "fastast-tiny-esc10"
    assert {path.name for path in folder.iterdir()} >= {
        *("README.md", "config.json", "model.safetensors", "preprocessor_config.json", "results.json"),
        *("modeling_fastast.py", "feature_extraction_fastast.py"),
    }
    assert not (folder / "training_args.bin").exists() and not (folder / "_teacher").exists()
    assert {weight.dtype for weight in load_file(folder / "model.safetensors").values()} == {torch.float16}
    model = FastASTForAudioClassification.from_pretrained(folder)
    assert model.dtype == torch.float32
    waveform, rate = soundfile.read(data / "esc10" / "audio" / CLIPS[0], dtype="float32")
    classifier = pipeline("audio-classification", str(folder), trust_remote_code=True)
    found = classifier({"raw": waveform, "sampling_rate": rate})
    assert {answer["label"] for answer in found} <= set(LABELS)


def test_the_card_states_licences_speed_on_a_quiet_machine_and_all_folds(run, data, tmp_path):
    folder = publish.publish("esc10", data, tmp_path / "cards")
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "apache-2.0"
    assert card.data.base_model == "facebook/deit-tiny-patch16-224"
    for text in (
        "(EfficientAT mn04\\_as): mit",
        "Data (ESC-10): cc-by-3.0",
        "## Over all folds\n\n![Accuracy against throughput, mean over the folds](comparison.png)",
        "| AST | labels |",
        "| AST | - | 51.25% |",
        "| 7.50 |",
        "others. The model is the first fold's",
    ):
        assert text in card.text
    assert (folder / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert "shows no spread" not in card.text
    assert load_results(folder / "results.json")["data"]["license"] == "cc-by-3.0"
    assert read_json(folder / "config.json")["merge_ratio"] == 0.25
    assert "Training |" not in card.text.split("## Training")[0]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("do_labels_stay", [True, False])
def test_code_and_card_are_written_anew_when_the_training_is_gone(do_labels_stay, run, data, tmp_path, monkeypatch):
    """The weights stay as they were stored, whatever rounding would do to them on this machine."""
    with monkeypatch.context() as patch:
        labels = iter([[0], [0 if do_labels_stay else 1]])
        patch.setattr(publish, "_labels_of", lambda folder, features: torch.tensor(next(labels)))
        folder = publish.publish("esc10", data, tmp_path / "cards")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "modeling_fastast.py").write_text("an older version")
    (folder / "README.md").write_text("an older card")
    shutil.rmtree(run)
    (places.RESULTS.parent / "esc10.json").unlink()
    again = publish.publish("esc10", data, tmp_path / "cards")
    assert (again / "model.safetensors").read_bytes() == weights
    assert (again / "modeling_fastast.py").read_text() == Path(modeling_fastast.__file__).read_text()
    card = ModelCard.load(again / "README.md")
    assert "## Over all folds" not in card.text and not (again / "comparison.png").exists()
    assert card.data.license == "apache-2.0"


def test_weights_whose_rounding_changes_an_answer_stay_as_they_are(run, data, tmp_path, monkeypatch):
    """Rounding merges other tokens here and there, and an undecided clip is given its second label."""
    trained, answers = load_file(run / "model.safetensors"), iter([[0, 1], [0, 2]])
    monkeypatch.setattr(publish, "_labels_of", lambda folder, features: torch.tensor(next(answers)))
    folder = publish.publish("esc10", data, tmp_path / "cards")
    assert next(answers, None) is None
    stored = load_file(folder / "model.safetensors")
    assert all(torch.equal(stored[name], weight) for name, weight in trained.items())
    assert FastASTForAudioClassification.from_pretrained(folder).dtype == torch.float32


def test_an_older_folder_stays_if_there_is_no_newer_one(run, data, tmp_path, monkeypatch):
    def fails(*args):
        raise OSError("disk full")

    monkeypatch.setattr(publish, "save_file", fails)
    before = tmp_path / "cards" / "fastast-tiny-esc10"
    before.mkdir(parents=True)
    (before / "model.safetensors").write_text("the older model")
    with pytest.raises(OSError, match="disk full"):
        publish.publish("esc10", data, tmp_path / "cards")
    assert (before / "model.safetensors").read_text() == "the older model"
