"""What several rooms' tests share: small models with weights that matter, some of them saved, real data, the log of transformers."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification, PreTrainedModel

from fastast_hf import FastASTConfig, FastASTFeatureExtractor, FastASTForAudioClassification

SHARED = Path(__file__).resolve().parents[2] / "shared"
ESC10 = SHARED / "data" / "esc10" / "audio"

FULL = Path("/dev/full")
"""A file on a disk that is always full. Code that renames would replace it: give that code a link, see `full_file`."""

requires_full = pytest.mark.skipif(not FULL.exists(), reason=f"{FULL} is not there")
requires_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"real data and weights are not at {SHARED}")

# 3 rows of 9 patches: an odd number, so that the two sides of a matching differ in length.
TINY: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "num_mel_bins": 36,
    "max_length": 96,
    "id2label": {index: f"sound {index}" for index in range(5)},
    "label2id": {f"sound {index}": index for index in range(5)},
}

SIZES = {name: TINY[name] for name in ("num_mel_bins", "max_length")}
"""Of the spectrograms that these models take."""


def randomize(model: PreTrainedModel, seed: int = 0) -> PreTrainedModel:
    """Give every parameter a value that matters; a fresh AST has zero position embeddings and special tokens."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(std=0.3, generator=generator)
            if "layernorm" in name and name.endswith("weight"):
                parameter.add_(1.0)
    return model.eval()


def tiny_config(**overrides: Any) -> FastASTConfig:
    return FastASTConfig(**{**TINY, **overrides})


def tiny_model(
    model_class: type = FastASTForAudioClassification, *, attention: str = "sdpa", seed: int = 0, **overrides: Any
) -> Any:
    config = tiny_config(**overrides)
    return randomize(model_class._from_config(config, attn_implementation=attention), seed)


def tiny_ast(
    model_class: type = ASTForAudioClassification, *, attention: str = "sdpa", seed: int = 0, **overrides: Any
) -> Any:
    """Build the stock model; the same seed gives the same weights as `tiny_model`."""
    config = ASTConfig(**{**TINY, **overrides})
    return randomize(model_class._from_config(config, attn_implementation=attention), seed)


def tiny_input(batch_size: int = 2, *, num_frames: int = 96, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch_size, num_frames, TINY["num_mel_bins"], generator=generator)


@pytest.fixture(scope="session")
def fastast_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FastAST that merges a quarter, as a user saves it."""
    folder = tmp_path_factory.mktemp("models") / "fastast"
    tiny_model(num_hidden_layers=2, merge_ratio=0.25).save_pretrained(folder)
    FastASTFeatureExtractor(**SIZES).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def ast_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights as an AST with AST's feature extractor, as published ones are."""
    folder = tmp_path_factory.mktemp("models") / "ast"
    tiny_ast(num_hidden_layers=2).save_pretrained(folder)
    ASTFeatureExtractor(**SIZES).save_pretrained(folder)
    return folder


def full_file(path: Path) -> Path:
    """Make a file that no byte can be written into."""
    path.symlink_to(FULL)
    return path


@pytest.fixture
def transformers_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Catch warnings and worse of transformers, whose logger does not propagate: caplog alone sees nothing."""
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING, logger="transformers"):
        yield caplog
    logger.removeHandler(caplog.handler)
