"""Processes that cannot import the package, as on a machine that has transformers alone."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import fastast_hf.model
from tests.conftest import tiny_input

MODEL_ROOM = Path(fastast_hf.model.__file__).parent
CODE = sorted(path.name for path in MODEL_ROOM.glob("*.py") if path.name != "__init__.py")

BLOCK_THE_PACKAGE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "fastast_hf":
            raise ImportError("fastast_hf is not here")

sys.meta_path.insert(0, Blocked())
"""

PRELUDE = """
import logging

class Complain(logging.Handler):
    def emit(self, record):
        message = record.getMessage()
        # a base model leaves the head of a classifier's folder aside, as stock AST does, and says so
        if not ("FastASTModel" in message and "LOAD REPORT" in message and "MISSING" not in message):
            print("LOGGED", record.levelname, message)

import numpy as np, torch
import transformers
logging.getLogger("transformers").addHandler(Complain(logging.WARNING))
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoModelForAudioClassification, pipeline

folder, out = sys.argv[1:3]
x = torch.from_numpy(np.load(out + "/x.npy"))
waveform = np.load(out + "/waveform.npy")
"""


TIMEOUT = 300  # seconds that a process may take: far more than any needs


def waveform() -> np.ndarray:
    return np.random.default_rng(0).normal(size=8000).astype(np.float32) * 0.1


def run_without_the_package(
    code: str, folder: Path | str, work: Path, environment: Mapping[str, str] | None = None
) -> str:
    """Run code where `fastast_hf` cannot be imported; give what it printed.

    The code finds `folder`, or a name on the Hub, and `out`, the path of `work`; there it may leave arrays.
    Without an environment the cache is empty and the Hub is out of reach.
    """
    work.mkdir(exist_ok=True)
    np.save(work / "x.npy", tiny_input().numpy())
    np.save(work / "waveform.npy", waveform())
    if environment is None:
        environment = {**os.environ, "HF_HOME": str(work / "hf"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", BLOCK_THE_PACKAGE + PRELUDE + code, str(folder), str(work)],
        env={name: value for name, value in environment.items() if name != "HF_MODULES_CACHE"},
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert result.returncode == 0, result.stderr
    assert "LOGGED" not in result.stdout, result.stdout
    assert "not supported" not in result.stderr
    return result.stdout


def code_behind(*names: str) -> set[str]:
    """Name files of the model room and all that they import of it."""
    found, left = set(), set(names)
    while left:
        found.add(name := left.pop())
        imported = re.findall(r"^from \.(\w+) import", (MODEL_ROOM / name).read_text(), flags=re.MULTILINE)
        left |= {f"{module}.py" for module in imported} - found
    return found


def auto_map(folder: Path, name: str) -> dict[str, str]:
    return json.loads((folder / name).read_text())["auto_map"]


def assert_complete(folder: Path) -> None:
    """Hold a folder of model and feature extractor to what such a machine needs of them."""
    code = code_behind("modeling_fastast.py", "feature_extraction_fastast.py")
    assert {path.name for path in folder.glob("*.py")} == code
    assert auto_map(folder, "config.json") == {
        "AutoConfig": "configuration_fastast.FastASTConfig",
        "AutoModel": "modeling_fastast.FastASTModel",
        "AutoModelForAudioClassification": "modeling_fastast.FastASTForAudioClassification",
    }
    assert auto_map(folder, "preprocessor_config.json") == {
        "AutoFeatureExtractor": "feature_extraction_fastast.FastASTFeatureExtractor"
    }
    for name in code:
        assert (folder / name).read_text() == (MODEL_ROOM / name).read_text()
