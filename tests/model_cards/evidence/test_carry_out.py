"""One run, from a small model in place of a trained one."""

import csv

import numpy as np
import pytest
import soundfile

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.distillation import EfficientATConfig, EfficientATForAudioClassification
from model_cards.evidence.carry_out import _answers_of, carry_out
from model_cards.evidence.plan import Ideas, Training
from model_cards.evidence.sets import RATIOS
from tests.conftest import SIZES, tiny_ast, tiny_model

LABELS = {"id2label": {0: "dog", 1: "rain"}, "label2id": {"dog": 0, "rain": 1}}
CLIPS = {"a.wav": ("dog", 1), "b.wav": ("rain", 1), "c.wav": ("dog", 2), "d.wav": ("rain", 2)}


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    for number, name in enumerate(CLIPS):
        soundfile.write(folder / name, np.random.default_rng(number).uniform(-0.5, 0.5, 8_000), 16_000)
    with (folder / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "label", "fold"), *((name, *of) for name, of in CLIPS.items())])
    return folder


def with_labels(model):
    model.config.id2label, model.config.label2id = LABELS["id2label"], LABELS["label2id"]
    return model


TEACHERS = {
    "CNN": lambda: EfficientATForAudioClassification(EfficientATConfig(width_multiplier=0.1, **LABELS)),
    "AST": lambda: with_labels(tiny_ast(num_labels=2)),
    "FastAST": lambda: with_labels(tiny_model(num_labels=2)),
}


@pytest.mark.parametrize("kind", TEACHERS)
def test_a_model_answers_in_every_way_and_its_teacher_beside_it(kind, data_dir, tmp_path):
    folder = tmp_path / "run"
    with_labels(tiny_model(num_labels=2, merge_ratio=0.25)).save_pretrained(folder)
    FastASTFeatureExtractor(**SIZES).save_pretrained(folder)
    TEACHERS[kind]().save_pretrained(folder / "_teacher")
    options = {"data_dir": str(data_dir), "eval_fold": "1"}
    found = _answers_of(folder, Training("esc10-ablation-some", options))
    assert sorted(found) == [
        *("answers", "answers_distillation_token_unprotected"),
        *("answers_proportional_attention_switched", "answers_teacher"),
    ]
    for answers in found.values():
        assert answers["clips"] == ["a.wav", "b.wav"]
    assert [row["merge_ratio"] for row in found["answers"]["rows"]] == list(RATIOS)


def test_nothing_is_trained_before_its_settings_are_chosen(tmp_path, results):
    model = Training("esc10-without-folds12-ast", {}, is_tuned=False)
    for run in (model, Ideas("ideas-esc10-folds12", model, {})):
        with pytest.raises(
            ValueError, match=r"`only` must name the tuning runs first, got esc10-without-folds12-ast, whose"
        ):
            carry_out(run, tmp_path)
