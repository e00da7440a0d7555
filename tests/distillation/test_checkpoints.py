"""Where a training goes on."""

import os
import shutil
from pathlib import Path

import pytest
from datasets import Dataset

from fastast_hf.distillation import CMKDTrainer, CMKDTrainingArguments
from fastast_hf.distillation.checkpoints import last_checkpoint
from tests.conftest import tiny_input, tiny_model


def trainer_in(folder, max_steps=2):
    arguments = CMKDTrainingArguments(
        str(folder),
        max_steps=max_steps,
        lr_scheduler_type="constant",
        save_strategy="steps",
        save_steps=1,
        distillation_weight=0.0,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cpu=True,
    )
    clips = {"input_values": tiny_input(4).tolist(), "labels": [0, 1, 2, 3]}
    model = tiny_model(problem_type="single_label_classification")
    return CMKDTrainer(model, arguments, train_dataset=Dataset.from_dict(clips).with_format("torch"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with two checkpoints, as the Trainer writes them."""
    folder = tmp_path_factory.mktemp("trained")
    trainer_in(folder).train()
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def test_the_newest_whole_checkpoint_is_the_last(folder, caplog):
    (folder / "checkpoint-best").mkdir()
    assert last_checkpoint(folder) == folder / "checkpoint-2"
    assert last_checkpoint(folder / "nothing") is None
    assert not caplog.records


NEEDED = ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("name", [*NEEDED, "config.json"])
def test_a_checkpoint_that_is_cut_short_is_passed_over(folder, caplog, name, share):
    path = folder / "checkpoint-2" / name
    os.truncate(path, int(share * path.stat().st_size))
    assert last_checkpoint(folder) == folder / "checkpoint-1"
    assert f"checkpoint-2 is passed over: {name} cannot be read" in caplog.text
    shutil.rmtree(folder / "checkpoint-1")
    assert last_checkpoint(folder) is None


@pytest.mark.parametrize("name", NEEDED)
def test_a_checkpoint_that_lacks_a_file_is_passed_over(folder, caplog, name):
    (folder / "checkpoint-2" / name).unlink()
    assert last_checkpoint(folder) == folder / "checkpoint-1"
    assert f"checkpoint-2 is passed over: it lacks {name}" in caplog.text


def test_every_process_needs_its_random_numbers(folder, caplog):
    assert last_checkpoint(folder, num_processes=2) is None
    assert "it lacks rng_state_0.pth, rng_state_1.pth" in caplog.text
    for index in (0, 1):
        shutil.copy(folder / "checkpoint-1" / "rng_state.pth", folder / "checkpoint-1" / f"rng_state_{index}.pth")
    assert last_checkpoint(folder, num_processes=2) == folder / "checkpoint-1"
