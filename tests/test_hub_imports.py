"""What the files that travel with the weights import: read from their syntax, and held to lists."""

import ast
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from tests.reading_code import HUB_FILES, full_name, modules_in, names_imported_in, origins_in, tree_of

# All that the Hub files import of the standard library: arithmetic, types, patterns and words. What reaches a file or the
# network (os, pathlib, io, socket, urllib, ...) is not among it, and has to be argued for here.
HUB_STANDARD_LIBRARY = {
    *("collections.abc", "dataclasses", "functools", "math", "numbers", "re", "typing"),
    "json",  # adapters.py reads what PEFT would follow, of a file that it opens where HUB_TOUCHES_FILES says
    "warnings",  # log_mel.py keeps back one of transformers' own
}


AST_MODULE = "transformers.models.audio_spectrogram_transformer.modeling_audio_spectrogram_transformer"


# Of transformers they import classes to build on, functions on tensors, and words. None of these opens a file by being called;
# a new name has to be argued for here, and what a class inherits, such as `from_pretrained`, is among TOUCHES_FILES.
HUB_TRANSFORMERS = {
    *("transformers.ASTConfig", "transformers.ASTFeatureExtractor", "transformers.BatchFeature"),
    "transformers.activations.ACT2FN",
    *("transformers.ASTForAudioClassification", "transformers.ASTModel", "transformers.audio_utils.mel_filter_bank"),
    *(f"{AST_MODULE}.AST{name}" for name in ("Attention", "Embeddings", "Layer", "MLP", "MLPHead")),
    f"{AST_MODULE}.eager_attention_forward",
    "transformers.conversion_mapping.get_checkpoint_conversion_mapping",
    "transformers.conversion_mapping.register_checkpoint_conversion_mapping",
    *("transformers.core_model_loading.ConversionOps", "transformers.core_model_loading.WeightConverter"),
    "transformers.masking_utils.create_bidirectional_mask",
    "transformers.modeling_outputs.BaseModelOutputWithPooling",
    "transformers.modeling_outputs.SequenceClassifierOutput",
    "transformers.modeling_utils.ALL_ATTENTION_FUNCTIONS",
    *(f"transformers.utils.{name}" for name in ("CONFIG_NAME", "FEATURE_EXTRACTOR_NAME", "SAFE_WEIGHTS_INDEX_NAME")),
    *(f"transformers.utils.{name}" for name in ("TransformersKwargs", "is_peft_available", "logging")),
    *("transformers.utils.generic.can_return_tuple", "transformers.utils.generic.maybe_autocast"),
    "transformers.utils.generic.merge_with_config_defaults",
    "transformers.utils.output_capturing.capture_outputs",
    "transformers.utils.versions.require_version",
}


# Beside these, what is next to transformers' files and its way to the network.
HUB_TRANSFORMERS_HUB = {
    "adapters.py": {
        "transformers.integrations.peft.maybe_load_adapters",
        "transformers.utils.find_adapter_config_file",
        "transformers.utils.hub.cached_file",
    },
    "modeling_fastast.py": {"transformers.utils.hub.ModelCard"},
    "safe_weights.py": {"transformers.utils.hub.cached_file", "transformers.utils.hub.get_checkpoint_shard_files"},
}


@pytest.mark.parametrize("name", [name for name in HUB_FILES if not name.endswith("__init__.py")])
def test_a_hub_file_imports_nothing_that_reaches_files_or_the_network(name):
    imported = set(modules_in(tree_of(name)))
    assert {module for module in imported if module.split(".")[0] in sys.stdlib_module_names} <= HUB_STANDARD_LIBRARY
    assert {module.split(".")[0] for module in imported} - sys.stdlib_module_names <= {
        "torch",
        "numpy",
        "transformers",
    }


@pytest.mark.parametrize("name", HUB_FILES)
def test_a_hub_file_imports_of_transformers_what_is_listed(name):
    assert unlisted_of_transformers(tree_of(name)) == HUB_TRANSFORMERS_HUB.get(Path(name).name, set())


def unlisted_of_transformers(tree):
    """Name what a Hub file imports of transformers that is not a class to build on, a function on tensors or words."""
    return {name for name in names_imported_in(tree) if name.split(".")[0] == "transformers"} - HUB_TRANSFORMERS


def unknown_modules_in(tree):
    """Name what a Hub file uses of torch and numpy that is not among the parts which compute."""
    origins = origins_in(tree)
    used = {full_name(node, origins) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used |= {*modules_in(tree), *origins.values()}
    for name in sorted(used):
        package, *parts = name.split(".")
        if package in ("torch", "numpy") and parts and ".".join(parts) not in HUB_COMPUTES[package]:
            yield from (name for part in parts[:1] if part in MODULES_OF[package] - {*HUB_COMPUTES[package]})


MODULES_OF = {
    package.__name__: {name for name in dir(package) if isinstance(getattr(package, name), ModuleType)}
    for package in (torch, np)
}


HUB_COMPUTES = {"torch": {"nn", "fft", "compiler", "finfo"}, "numpy": {"random"}}
"""Parts of torch and numpy that reach neither files nor the network."""


@pytest.mark.parametrize("name", HUB_FILES)
def test_hub_files_take_of_torch_and_numpy_what_computes(name):
    assert list(unknown_modules_in(tree_of(name))) == []


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("def f():\n    from transformers import AutoModel", "transformers.AutoModel"),
        ("import transformers as t", "transformers"),
        ("import transformers.utils.hub", "transformers.utils.hub"),
        ("from transformers import *", "transformers.*"),
        ("from transformers.utils import cached_file as found", "transformers.utils.cached_file"),
        ("class A:\n    from transformers import pipeline", "transformers.pipeline"),
    ],
)
def test_the_reader_of_what_is_imported_sees_what_it_must(code, name):
    assert unlisted_of_transformers(ast.parse(code)) == {name}


@pytest.mark.parametrize(
    "code", ["from torch.hub import load_state_dict_from_url", "torch.hub.list(name)", "import torch.distributed as d"]
)
def test_the_reader_of_modules_sees_what_it_must(code):
    assert list(unknown_modules_in(ast.parse(code))) != []
