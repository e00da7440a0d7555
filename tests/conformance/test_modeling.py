"""transformers' own model tests, on stock AST, which says what they ask for, and on FastAST.

Set up as transformers sets them up for AST (tests/models/audio_spectrogram_transformer in its repository, which the
source distribution leaves out), in our own words: the same tiny model, the same tests replaced, the same one skipped.
Two parts of AST's class do not run here, since the source distribution leaves their code out: the export tests
(tests/exporters), in whose place stubs/ has an empty class, and the pipeline tests (tests/pipelines), which also take their
models from the Hub. The pipeline is tested in tests/model/test_hub_code.py.
"""

import dataclasses
import inspect
import unittest
from unittest import mock

import torch
from torch import nn
from transformers import ASTConfig, ASTForAudioClassification, ASTModel, PreTrainedConfig
from transformers.models.auto import modeling_auto
from transformers.testing_utils import torch_device
from transformers_tests.test_configuration_common import ConfigTester
from transformers_tests.test_modeling_common import ModelTesterMixin, floats_tensor
from transformers_tests.utils.test_configuration_utils import config_common_kwargs

from fastast_hf import FastASTConfig, FastASTForAudioClassification, FastASTModel

BATCH_SIZE, NUM_FRAMES, NUM_MEL_BINS = 13, 24, 16
NUM_TOKENS = 2 + 8 * 12  # patches of 2 x 2, side by side


class ASTModelTester:
    """What the tests ask about a model: a tiny configuration, an input, and its sizes by their usual names."""

    batch_size = BATCH_SIZE
    hidden_size = 32
    is_training = True
    num_attention_heads = 4
    num_hidden_layers = 2
    seq_length = NUM_TOKENS  # entries of an attention mask

    def __init__(self, config_class, merging):
        self.config_class = config_class
        self.merging = merging

    def get_config(self):
        return self.config_class(
            patch_size=2,
            frequency_stride=2,
            time_stride=2,
            max_length=NUM_FRAMES,
            num_mel_bins=NUM_MEL_BINS,
            hidden_size=self.hidden_size,
            num_hidden_layers=self.num_hidden_layers,
            num_attention_heads=self.num_attention_heads,
            intermediate_size=37,
            hidden_act="gelu",
            hidden_dropout_prob=0.1,
            attention_probs_dropout_prob=0.1,
            initializer_range=0.02,
            attn_implementation="eager",
            **self.merging,
        )

    def prepare_config_and_inputs_for_common(self):
        return self.get_config(), {"input_values": floats_tensor([BATCH_SIZE, NUM_FRAMES, NUM_MEL_BINS])}


class ASTTests(ModelTesterMixin):
    """The tests as AST's own class runs them."""

    test_resize_embeddings = False
    test_can_init_all_missing_weights_before_2023 = True  # asked of newer models only, and AST passes
    merging = {}
    tokens_left = NUM_TOKENS

    def setUp(self):
        self.model_tester = ASTModelTester(self.config_class, self.merging)
        self.config_tester = ConfigTester(
            self,
            config_class=self.config_class,
            has_text_modality=False,
            hidden_size=32,
            num_hidden_layers=2,
            **self.merging,
        )
        # The tests look up by name which task a class is for: what every model inside transformers has in these tables.
        for table, model_class in (
            (modeling_auto.MODEL_MAPPING_NAMES, FastASTModel),
            (modeling_auto.MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES, FastASTForAudioClassification),
        ):
            self.enterContext(mock.patch.dict(table, {FastASTConfig.model_type: model_class.__name__}))

    def test_config(self):
        self.config_tester.run_common_tests()

    @unittest.skip("AST does not use inputs_embeds")
    def test_inputs_embeds(self): ...

    def test_model_get_set_embeddings(self):
        for model_class in self.all_model_classes:
            model = model_class(self.model_tester.get_config())
            self.assertIsInstance(model.get_input_embeddings(), nn.Module)
            self.assertIsInstance(model.get_output_embeddings(), nn.Linear | None)

    def test_forward_signature(self):
        for model_class in self.all_model_classes:
            model = model_class(self.model_tester.get_config())
            self.assertEqual(next(iter(inspect.signature(model.forward).parameters)), "input_values")

    def test_model(self):
        config, inputs = self.model_tester.prepare_config_and_inputs_for_common()
        model = self.all_model_classes[0](config).to(torch_device).eval()
        with torch.no_grad():
            output = model(**inputs)
        self.assertEqual(output.last_hidden_state.shape, (BATCH_SIZE, self.tokens_left, 32))


class TestAST(ASTTests, unittest.TestCase):
    config_class = ASTConfig
    all_model_classes = (ASTModel, ASTForAudioClassification)


class TestFastAST(ASTTests, unittest.TestCase):
    config_class = FastASTConfig
    all_model_classes = (FastASTModel, FastASTForAudioClassification)


class TestFastASTMergingInTheFirstLayer(TestFastAST):
    merging = {"tokens_merged_per_layer": [24, 0]}
    tokens_left = NUM_TOKENS - 24


class TestFastASTMerging(TestFastAST):
    merging = {"merge_ratio": 0.25}
    tokens_left = NUM_TOKENS - 24 - 18


MERGING_SKIPS = {
    name: "Eager and SDPA attention round differently in bfloat16, so the second layer may merge other tokens, and the "
    "test compares them place by place. It runs in TestFastASTMergingInTheFirstLayer: the first layer's keys are the same."
    for name in dir(ModelTesterMixin)
    if name.startswith("test_eager_matches_sdpa_inference_") and "_bf16_" in name
}
for name, reason in MERGING_SKIPS.items():
    setattr(TestFastASTMerging, name, unittest.skip(reason)(getattr(TestFastASTMerging, name)))


def test_the_stand_in_for_the_common_fields_has_them_all():
    fields = {field.name: field.default for field in dataclasses.fields(PreTrainedConfig)}
    del fields["transformers_version"]  # what saves a configuration writes it
    assert config_common_kwargs.keys() == fields.keys()
    assert all(value != fields[name] for name, value in config_common_kwargs.items())
