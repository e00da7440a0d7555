"""Two processes learn and judge what one process does: on CPUs, over gloo, started as a user starts them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.distillation import process_worker as worker

ROOT = Path(__file__).parents[2]

# Float32 sums in another order: the processes' means are averaged, where one process sums over all clips at once. Seen: 2e-7,
# on gradients up to 0.6 and weights that move by up to 0.02.
ROUNDING = 1e-6


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """Start two processes once, for all tests; give their folder and what each of them saw."""
    folder = tmp_path_factory.mktemp("processes")
    launch = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0")
    done = subprocess.run(
        [sys.executable, *launch, "--module", worker.__name__, str(folder)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:6000]  # the launcher's own complaints come last
    return folder, [torch.load(folder / f"rank_{rank}.pt", weights_only=False) for rank in (0, 1)]


def largest_difference(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    assert first.keys() == second.keys()
    return max((value - second[name]).abs().max().item() for name, value in first.items())


def test_two_processes_ran(both):
    _, saw = both
    assert [one["num_processes"] for one in saw] == [2, 2]
    assert len({os.getpid(), *(one["pid"] for one in saw)}) == 3
    assert [one["backend"] for one in saw] == ["gloo", "gloo"]
    assert {one["undisturbed"]["student"] for one in saw} == {"DistributedDataParallel"}


@pytest.mark.parametrize("training", worker.TRAININGS)
def test_two_processes_learn_as_one_on_the_same_global_batch(both, tmp_path, training):
    settings = {**worker.TRAININGS[training], "gradient_accumulation_steps": 1}
    alone = worker.train(tmp_path, num_processes=1, **settings)
    assert len(alone["losses"]) == 4
    assert max(gradient.abs().max().item() for gradient in alone["gradients"].values()) > 0.1
    for one in (saw[training] for saw in both[1]):
        assert largest_difference(one["gradients"], alone["gradients"]) < ROUNDING
        assert largest_difference(one["weights"], alone["weights"]) < ROUNDING
        for losses, expected in zip(one["losses"], alone["losses"], strict=True):
            assert losses == pytest.approx(expected, abs=1e-5)
    untrained = dict(worker.tiny_model().state_dict())
    assert largest_difference(alone["weights"], untrained) > 1000 * ROUNDING, "there was something to learn"


def test_a_trained_teacher_is_the_same_in_both_processes(both):
    first, second = (saw["convolutions"]["weights"] for saw in both[1])
    assert largest_difference(first, second) == 0, "its running statistics too"


def test_an_evaluation_in_a_training_judges_the_first_process_s_statistics(both, tmp_path):
    first, second = (saw["convolutions"] for saw in both[1])
    own = [saw["before evaluation"] for saw in (first, second)]
    weights = [name for name, _ in worker.new_teacher().named_parameters()]
    assert largest_difference(*({name: state[name] for name in weights} for state in own)) == 0
    assert largest_difference(*own) > 1000 * ROUNDING, "each has counted its own clips in the last step"
    alone, other = (worker.evaluate_convolutions(tmp_path, state) for state in own)
    assert np.abs(alone["logits"] - other["logits"]).max() > 10 * ROUNDING, "it matters whose they are"
    assert {"loss", "accuracy"} <= alone["metrics"].keys()
    for one in (first, second):
        np.testing.assert_allclose(one["logits"], alone["logits"], rtol=0, atol=ROUNDING)
        assert one["metrics"] == pytest.approx(alone["metrics"], abs=ROUNDING)


@pytest.mark.parametrize("evaluation", worker.EVALUATIONS)
def test_metrics_count_no_clip_twice(both, tmp_path, evaluation):
    number, problem_type = worker.EVALUATIONS[evaluation]
    alone = worker.evaluate(tmp_path, number, problem_type)
    assert alone["logits"].shape == (number, worker.NUM_LABELS)
    assert "test_loss" in alone["metrics"] and len(alone["metrics"]) > 1
    for one in (saw[evaluation] for saw in both[1]):
        # A clip that shares its batch with another one is multiplied in another order.
        np.testing.assert_allclose(one["logits"], alone["logits"], rtol=0, atol=ROUNDING)
        np.testing.assert_array_equal(one["labels"], alone["labels"])
        assert one["metrics"] == pytest.approx(alone["metrics"], abs=ROUNDING)


def test_each_process_has_a_teacher_of_its_own_which_stays_as_it_is(both):
    folder, saw = both
    for one in (saw[rank]["undisturbed"]["teacher"] for rank in (0, 1)):
        assert (one["class"], one["device"]) == ("EfficientATForAudioClassification", "cpu")
        assert not one["training"] and not one["learns"] and not one["changed"]
    assert largest_difference(*(one["undisturbed"]["teacher"]["weights"] for one in saw)) == 0
    worker.tiny_model().save_pretrained(folder / "student")
    student = load_file(folder / "student" / "model.safetensors").keys()
    assert load_file(folder / "undisturbed" / "checkpoint-6" / "model.safetensors").keys() == student


def test_each_process_augments_by_its_own_numbers(both):
    first, second = (saw["undisturbed"]["seen"] for saw in both[1])
    assert len(first) == len(second) == 6
    views = [view for batches in (first, second) for clips, _ in batches for view in clips]
    assert len({view.numpy().tobytes() for view in views}) == len(views) == 48, "all of one clip"
    shares = [
        {round(share.item(), 6) for _, labels in batches for share in labels.max(dim=1).values}
        for batches in (first, second)
    ]
    assert all(len(of_process) > 10 for of_process in shares)
    assert shares[0] & shares[1] <= {1.0}, "1 where a clip meets one of its own label"


def test_an_interrupted_training_goes_on_in_both_processes(both):
    for one in both[1]:
        undisturbed, resumed = one["undisturbed"], one["resumed"]
        assert len(resumed["seen"]) == 2, "steps 5 and 6, in the middle of the second epoch"
        for expected, seen in zip(undisturbed["seen"][4:], resumed["seen"], strict=True):
            assert all(torch.equal(before, after) for before, after in zip(expected, seen, strict=True))
        assert largest_difference(resumed["weights"], undisturbed["weights"]) == 0
    assert largest_difference(*(saw["resumed"]["weights"] for saw in both[1])) == 0
