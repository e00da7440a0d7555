"""Where a training goes on."""

import os
import shutil
from pathlib import Path

import pytest
from datasets import Dataset

from fastast_hf.distillation import CMKDTrainer, CMKDTrainingArguments
from fastast_hf.distillation.checkpoints import find_flaw, find_flaw_of_model, last_checkpoint
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
    written_by(folder / "checkpoint-2", 1)
    written_by(folder / "checkpoint-1", 2)
    assert last_checkpoint(folder, num_processes=2) == folder / "checkpoint-1"
    assert "checkpoint-2 is passed over: it lacks rng_state_1.pth" in caplog.text


@pytest.mark.parametrize(("written", "launched"), [(0, 2), (2, 1), (4, 2), (2, 4)])
def test_another_number_of_processes_does_not_go_on(folder, written, launched):
    checkpoint = folder / "checkpoint-2"
    if written:
        written_by(checkpoint, written)
    if written and written < launched:  # as if killed between two of them
        assert find_flaw(checkpoint, num_processes=launched) == "it lacks rng_state_2.pth, rng_state_3.pth"
        return
    message = (
        rf"`num_processes` must be that of .*checkpoint-2, {written or 1}, got {launched}\. Launch as many processes"
    )
    with pytest.raises(ValueError, match=message):
        last_checkpoint(folder, num_processes=launched)


def test_weights_alone_are_no_checkpoint(folder):
    for name in NEEDED[1:4]:
        (folder / "checkpoint-2" / name).unlink()
    assert find_flaw(folder / "checkpoint-2").endswith("scheduler.pt, as `save_only_model` leaves it")


def written_by(checkpoint, num_processes):
    state = (checkpoint / "rng_state.pth").rename(checkpoint / "rng_state_0.pth")
    for index in range(1, num_processes):
        shutil.copy(state, checkpoint / f"rng_state_{index}.pth")


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt"])
def test_a_checkpoint_that_is_not_what_was_written_is_passed_over(folder, caplog, name):
    alter(folder / "checkpoint-2" / name)
    assert last_checkpoint(folder) == folder / "checkpoint-1"
    assert f"checkpoint-2 is passed over: {name} is not what was written" in caplog.text


def alter(path):
    """Change one bit, and keep the length."""
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


def test_a_model_is_whole_or_tells_what_is_wrong(folder):
    model = folder / "checkpoint-2"
    assert find_flaw_of_model(model) is None
    alter(model / "model.safetensors")
    assert find_flaw_of_model(model) == "model.safetensors is not what was written"
    os.truncate(model / "model.safetensors", 1000)
    assert find_flaw_of_model(model) == "model.safetensors cannot be read"
    (model / "model.safetensors").unlink()
    assert find_flaw_of_model(model) == "it lacks model.safetensors"
    (folder / "checkpoint-1" / "config.json").unlink()
    assert find_flaw_of_model(folder / "checkpoint-1") == "config.json cannot be read"
