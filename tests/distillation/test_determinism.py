"""The same seed on the same machine gives the same weights, to the last bit, in whatever process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.distillation import process_worker as worker

ROOT = Path(__file__).parents[2]
TRAIN_ONCE = """
import sys
from pathlib import Path
from tests.distillation.test_determinism import train
train(Path(sys.argv[1]))
"""


def train(folder):
    """Distil with all that draws random numbers: new order, dropout, masks, mixup; leave what came of it."""
    torch.set_num_threads(1)  # sums over other parts of a matrix are rounded otherwise
    saw = worker.train_with_everything(folder / "training")
    views = {f"view {step}": view for step, (view, _) in enumerate(saw["seen"])}
    save_file(
        {name: value.contiguous() for name, value in (saw["weights"] | views).items()}, folder / "saw.safetensors"
    )


@pytest.fixture
def one_thread():
    number = torch.get_num_threads()
    yield
    torch.set_num_threads(number)


def test_two_trainings_with_one_seed_in_two_processes_are_equal(tmp_path, one_thread):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    torch.manual_seed(1234)  # whatever was drawn before
    train(here)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", TRAIN_ONCE, str(there)], cwd=ROOT, env=environment, check=True)
    first, second = (load_file(folder / "saw.safetensors") for folder in (here, there))
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    untrained = worker.tiny_model().state_dict()
    assert all(not torch.equal(first[name], value) for name, value in untrained.items() if name.endswith("fc1.weight"))
    assert len({value.numpy().tobytes() for name, value in first.items() if name.startswith("view")}) == 6
