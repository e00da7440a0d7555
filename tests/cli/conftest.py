"""What the tests of the commands share: small saved checkpoints, and a way to run `fastast` in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import ASTFeatureExtractor
from typer.testing import CliRunner, Result

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.cli.app import app
from tests.conftest import TINY, tiny_ast, tiny_model

SIZES = {name: TINY[name] for name in ("num_mel_bins", "max_length")}


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


@pytest.fixture
def fastast() -> Callable[..., Result]:
    """Run `fastast` with arguments of any type."""

    def run(*arguments: Any) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="fastast")

    return run
