"""What the tests of this room share: small models, their feature extractors, and sounds."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from transformers import ASTFeatureExtractor

from fastast_hf import FastASTFeatureExtractor
from tests.conftest import tiny_ast, tiny_model

SETTINGS = {"num_mel_bins": 36, "max_length": 96}


@pytest.fixture(scope="session")
def models():
    """AST, and the same weights merging."""
    return tiny_ast(), tiny_model(merge_ratio=0.4)


@pytest.fixture(scope="session")
def extractors():
    """AST's and FastAST's, with the same settings."""
    return ASTFeatureExtractor(**SETTINGS), FastASTFeatureExtractor(**SETTINGS)


@pytest.fixture(scope="session")
def clips_of_all_lengths(tmp_path_factory) -> list[Path]:
    """Files from less than a patch to more than the model hears."""
    folder = tmp_path_factory.mktemp("sounds")
    for number in range(7):
        generator = np.random.default_rng(number)
        samples = generator.uniform(-0.5, 0.5, 2_000 + 2_500 * number) * generator.uniform(0, 1)
        soundfile.write(folder / f"{number}.wav", samples, 16_000)
    return sorted(folder.iterdir())
