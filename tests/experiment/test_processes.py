"""A run in two processes, and a run whose process is killed: who writes what, and where the next one goes on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from fastast_hf import FastASTConfig
from fastast_hf.distillation import EfficientATConfig
from tests.experiment.conftest import MELS, SIZES

WORKER = Path(__file__).with_name("process_worker.py")
TWO_PROCESSES = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0")


class RunFolder(NamedTuple):
    """A folder in which one command is started again and again, in one process or in two."""

    folder: Path
    sounds: Path
    num_processes: int

    def start(self, run: str, *, kill: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Start the program; give the reports of the processes that came to their end.

        Five steps are an epoch: one epoch for the teacher, two for the student. There are checkpoints after every third
        step, and after the last one; two processes keep only the newest.
        """
        num_kept = {1: 2, 2: 1}[self.num_processes]
        reports = self.folder / "reports" / f"{run} {kill}"
        reports.mkdir(parents=True)
        done = subprocess.run(
            [
                *(sys.executable, *(TWO_PROCESSES if self.num_processes == 2 else ())),
                *(WORKER, reports, json.dumps(kill)),
                *("--data_dir", self.sounds, "--split_column", "split", "--cache_dir", "cache"),
                *("--config_name", "student", "--merge_ratio", "0.25", "--output_dir", run),
                *("--teacher_config_name", "teacher", "--teacher_num_train_epochs", "1"),
                *("--distillation_weight", "0.5", "--distillation_temperature", "2", "--num_train_epochs", "2"),
                *("--per_device_train_batch_size", f"{8 // self.num_processes}", "--per_device_eval_batch_size", "3"),
                *("--learning_rate", "1e-3", "--warmup_steps", "0.2", "--lr_scheduler_type", "cosine"),
                *("--frequency_mask_bins", "8", "--time_mask_frames", "8", "--mixup_probability", "0.5"),
                *("--save_strategy", "steps", "--save_steps", "3", "--save_total_limit", f"{num_kept}"),
                *("--logging_strategy", "epoch", "--disable_tqdm", "True"),
                *("--benchmark_batch_size", "4", "--benchmark_repeats", "2", "--use_cpu", "--push_to_hub"),
            ],
            cwd=self.folder,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(self.folder / "home"), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if kill is None:
            assert done.returncode == 0, done.stderr[:6000]
        else:  # it ended so, and not by an error of its own
            assert done.returncode == -signal.SIGKILL or "Signal 9 (SIGKILL)" in done.stderr, done.stderr[:6000]
        return [json.loads(path.read_text()) for path in sorted(reports.iterdir())]

    def names(self, pattern: str) -> list[str]:
        return sorted(path.name for path in self.folder.glob(pattern))

    def weights(self, model: str) -> dict[str, torch.Tensor]:
        return load_file(self.folder / model / "model.safetensors")


def new_run_folder(folder: Path, sounds: Path, num_processes: int) -> RunFolder:
    dropout = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    FastASTConfig(**SIZES, **dropout, max_length=64, num_mel_bins=MELS).save_pretrained(folder / "student")
    EfficientATConfig(width_multiplier=0.1).save_pretrained(folder / "teacher")
    return RunFolder(folder, sounds, num_processes)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, sounds: Path) -> RunFolder:
    """Where one process has run undisturbed."""
    run_folder = new_run_folder(tmp_path_factory.mktemp("alone"), sounds, num_processes=1)
    run_folder.start("undisturbed")
    return run_folder


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, sounds: Path) -> tuple[RunFolder, list[dict[str, Any]]]:
    """Where two processes have run undisturbed, and what they report."""
    run_folder = new_run_folder(tmp_path_factory.mktemp("together"), sounds, num_processes=2)
    return run_folder, run_folder.start("undisturbed")


def assert_same_weights(run_folder: RunFolder, first: str, second: str) -> None:
    """Compare bit by bit: the same operations on the same numbers in the same order."""
    for model in (".", "_teacher"):
        expected, weights = run_folder.weights(f"{first}/{model}"), run_folder.weights(f"{second}/{model}")
        assert weights.keys() == expected.keys()
        assert not [name for name in expected if not torch.equal(weights[name], expected[name])], model


def trainings(report: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Say which models a process has trained, and from which checkpoint each went on."""
    return [(training["folder"], training["from"]) for training in report["trainings"]]


# --- Two processes --------------------------------------------------------------------------------------------------


def test_two_processes_share_every_training(together):
    run_folder, reports = together
    assert len({os.getpid(), *(report["pid"] for report in reports)}) == 3
    for report in reports:
        assert trainings(report) == [("_teacher", None), ("undisturbed", None)]
        assert [training["num_processes"] for training in report["trainings"]] == [2, 2]
    results = json.loads((run_folder.folder / "undisturbed" / "results.json").read_text())
    assert results["training"]["num_processes"] == 2


def test_both_processes_learn_from_the_same_teacher(together):
    run_folder, reports = together
    (kind, digest), *others = [report["trainings"][1]["teacher"] for report in reports]
    assert kind == "EfficientATForAudioClassification", "and no wrapper of several processes"
    assert others == [[kind, digest]]
    student = run_folder.weights("undisturbed").keys()
    assert run_folder.weights("undisturbed/checkpoint-10").keys() == student
    assert not student & run_folder.weights("undisturbed/_teacher").keys()


def test_the_first_process_alone_computes_features_measures_and_pushes(together):
    first, second = (report["calls"] for report in together[1])
    assert second == []
    assert first.count("load_audio") == 50, "each clip once"
    assert [call for call in first if call != "load_audio"] == [
        *("create_repo", "measure_speed", "describe_merging", "upload_folder")
    ]


def test_the_first_process_alone_writes(together):
    run_folder, reports = together
    first, second = (
        {path for path in report["written"] if path.startswith(str(run_folder.folder)) and not path.endswith(".lock")}
        for report in reports
    )
    assert not first & second
    assert {Path(path).name for path in second} == {"rng_state_1.pth"}
    assert {Path(path).parent.name.rstrip("0123456789") for path in second} == {"checkpoint-"}
    assert not [path for path in reports[1]["removed"] if path.startswith(str(run_folder.folder))]
    # What nobody is seen to write would show that the processes are watched badly; a folder may come by renaming it.
    for path in (path for run in ("undisturbed", "cache") for path in (run_folder.folder / run).rglob("*")):
        if path.is_file() and path.suffix != ".lock":
            assert (first | second) & {str(path), *map(str, path.parents)}, path


def test_two_processes_go_on_after_one_is_killed_while_it_saves(together):
    run_folder, _ = together
    run_folder.start("killed", kill={"rank": 1, "model": "killed", "step": 6, "before": "_save_rng_state"})
    assert run_folder.names("killed/checkpoint-*") == ["checkpoint-3", "checkpoint-6"], "the whole one is still there"
    assert not run_folder.names("killed/checkpoint-6/trainer_state.json")
    for report in run_folder.start("killed"):
        assert trainings(report) == [("killed", "checkpoint-3")], "the teacher has learnt already"
    assert_same_weights(run_folder, "undisturbed", "killed")


# --- One process ----------------------------------------------------------------------------------------------------


def test_a_run_that_is_killed_again_and_again_goes_on_to_the_same_weights(alone):
    alone.start("killed", kill={"rank": 0, "model": "_teacher", "step": 4, "before": "training_step"})
    assert alone.names("killed/_teacher/checkpoint-*") == ["checkpoint-3"]

    alone.start("killed", kill={"rank": 0, "model": "killed", "step": 8, "before": "training_step"})
    record = json.loads((alone.folder / "killed" / "_teacher" / "_record.json").read_text())
    assert "train_seconds" not in record, "it went on: the time of a part is not told as the whole's"
    assert alone.names("killed/checkpoint-*") == ["checkpoint-3", "checkpoint-6"]
    half_written = alone.folder / "killed" / "checkpoint-6" / "optimizer.pt"
    os.truncate(half_written, half_written.stat().st_size // 2)

    (report,) = alone.start("killed")
    assert trainings(report) == [("killed", "checkpoint-3")]
    assert_same_weights(alone, "undisturbed", "killed")
