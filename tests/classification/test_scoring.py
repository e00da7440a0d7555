"""How features are asked for, and what logits mean: the same as in transformers' pipeline."""

import numpy as np
import pytest
import torch
from transformers import ASTFeatureExtractor, AudioClassificationPipeline

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.classification.scoring import best_labels, input_arguments, label_probabilities, model_inputs
from tests.conftest import tiny_ast, tiny_input, tiny_model

SIZES = {"num_mel_bins": 36, "max_length": 96}
FAST, STOCK = FastASTFeatureExtractor(**SIZES), ASTFeatureExtractor(**SIZES)


@pytest.mark.parametrize(
    ("model", "extractor", "padding", "expected"),
    [
        (tiny_model, FAST, None, "longest"),
        (tiny_model, FAST, "longest", "longest"),
        (tiny_model, FAST, "max_length", "max_length"),
        (tiny_model, STOCK, None, "max_length"),
        (tiny_ast, FAST, None, "max_length"),
        (tiny_ast, FastASTFeatureExtractor(**SIZES, padding="longest"), None, "max_length"),
        (tiny_ast, STOCK, "max_length", "max_length"),
    ],
)
def test_padding_is_left_out_where_both_know_how(model, extractor, padding, expected):
    model = model()
    arguments = input_arguments(model, extractor, padding)
    assert arguments["padding"] == expected
    inputs = model_inputs(extractor, [np.ones(4_000, dtype=np.float32)], arguments, model)
    assert set(inputs) == ({"input_values", "num_frames"} if expected == "longest" else {"input_values"})
    assert inputs["input_values"].shape[1] == (23 if expected == "longest" else 96)


@pytest.mark.parametrize(("model", "extractor"), [(tiny_ast, FAST), (tiny_model, STOCK)])
def test_longest_is_refused_where_one_cannot(model, extractor):
    with pytest.raises(
        ValueError, match=r'`padding` must be "max_length" or None for .*FastASTForAudioClassification'
    ):
        input_arguments(model(), extractor, "longest")


def test_another_padding_is_refused():
    with pytest.raises(ValueError, match=r"`padding` must be .*'shortest'"):
        input_arguments(tiny_model(), FAST, "shortest")


def test_a_compiled_model_is_read_as_what_it_is():
    assert input_arguments(torch.compile(tiny_model(), backend="eager"), FAST, None)["padding"] == "longest"


def test_the_model_gets_its_dtype():
    model = tiny_model().to(torch.bfloat16)
    inputs = model_inputs(FAST, [np.ones(4_000, dtype=np.float32)], input_arguments(model, FAST, None), model)
    assert inputs["input_values"].dtype == torch.bfloat16
    assert inputs["num_frames"].dtype == torch.int64
    assert label_probabilities(model, inputs).dtype == torch.float32


@pytest.mark.parametrize(
    "problem_type", [None, "single_label_classification", "multi_label_classification", "regression"]
)
def test_scores_and_labels_are_those_of_the_pipeline(problem_type):
    model = tiny_ast(problem_type=problem_type)
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, 8_000).astype(np.float32)
    pipeline = AudioClassificationPipeline(model=model, feature_extractor=STOCK, device="cpu")
    inputs = model_inputs(STOCK, [waveform], input_arguments(model, STOCK, None), model)
    scores = label_probabilities(model, inputs)
    for top_k in (1, 3, None, 99):
        [found] = best_labels(scores, model.config.id2label, top_k)
        expected = pipeline(waveform, top_k=top_k)
        assert [label.label for label in found] == [label["label"] for label in expected]
        np.testing.assert_allclose(
            [label.score for label in found], [label["score"] for label in expected], rtol=1e-5, atol=1e-6
        )


def test_gradients_are_not_kept():
    assert not label_probabilities(tiny_model(), {"input_values": tiny_input()}).requires_grad


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_refused(wrong):
    scores = torch.tensor([[0.5, wrong], [0.25, 0.75]])
    with pytest.raises(
        ValueError, match=r"`scores` must be finite numbers, got 1 of 4 that are not\. Look for NaN in"
    ):
        best_labels(scores, {0: "cat", 1: "dog"}, 1)
