"""A run in miniature as a real process, its undisturbed twin, and what is left of it in the middle."""

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file

from fastast_hf import FastASTConfig
from fastast_hf.data import make_synthetic_dataset
from fastast_hf.distillation import EfficientATConfig
from tests.experiment.conftest import MELS, SIZES
from tests.faults.processes import Ended, Starter

DISTILL = "distill.py"
LAST_STEP = 10
GONE_ON_FROM = 6  # the step of the newest checkpoint in the middle of a run

_FINISHED = ("_record.json", "_sha256.json", "model.safetensors", "results.json", "README.md")


@dataclass
class Runs:
    """A folder with everything that a small run needs. Five steps are an epoch; there are checkpoints after every second."""

    folder: Path
    rng: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self.starter = Starter(self.folder)
        make_synthetic_dataset(self.folder / "sounds", clips_per_class=5, seconds=0.64)
        dropout = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
        FastASTConfig(**SIZES, **dropout, max_length=64, num_mel_bins=MELS).save_pretrained(self.folder / "student")
        EfficientATConfig(width_multiplier=0.1).save_pretrained(self.folder / "teacher")

    def arguments(
        self,
        run: str | Path,
        *more: object,
        sounds: str = "sounds",
        cache: str | Path = "cache",
        teacher: Sequence[object] = ("--teacher_config_name", "teacher", "--teacher_num_train_epochs", "1"),
    ) -> list[object]:
        return [
            *("--data_dir", sounds, "--split_column", "split", "--cache_dir", cache),
            *("--config_name", "student", "--merge_ratio", "0.25", "--output_dir", run, *teacher),
            *("--distillation_weight", "0.5", "--distillation_temperature", "2", "--num_train_epochs", "2"),
            *("--per_device_train_batch_size", "8", "--per_device_eval_batch_size", "5", "--learning_rate", "1e-3"),
            *("--frequency_mask_bins", "8", "--time_mask_frames", "8", "--mixup_probability", "0.5"),
            *("--save_strategy", "steps", "--save_steps", "2", "--eval_strategy", "epoch"),
            *("--logging_strategy", "epoch", "--disable_tqdm", "True", "--use_cpu"),
            *("--benchmark_batch_size", "4", "--benchmark_repeats", "1", *more),
        ]

    def start(self, run: str | Path, *more: object, environment: Mapping[str, str] | None = None, **options) -> Ended:
        """Start the same command, and let it come to its end."""
        return self.starter.run(DISTILL, self.arguments(run, *more, **options), environment)

    @cached_property
    def reference(self) -> Path:
        """Where it ran undisturbed."""
        ended = self.start("reference")
        assert ended.code == 0, ended.words
        return self.folder / "reference"

    def finished(self, name: str) -> Path:
        """Copy the whole run."""
        return Path(shutil.copytree(self.reference, self.folder / name))

    def in_the_middle(self, name: str | Path) -> Path:
        """Copy the run as it was after its sixth step: the teacher has learnt, and nothing of the student is final."""
        copy = Path(shutil.copytree(self.reference, self.folder / name, dirs_exist_ok=True))
        for file in _FINISHED:
            (copy / file).unlink()
        for step in range(GONE_ON_FROM + 2, LAST_STEP + 1, 2):
            shutil.rmtree(copy / f"checkpoint-{step}")
        return copy

    def copied_cache(self, name: str) -> Path:
        """Copy the cache that the undisturbed run has filled."""
        assert self.reference.is_dir()
        return Path(shutil.copytree(self.folder / "cache", self.folder / name))

    def what_differs(self, run: str | Path, reference: Path | None = None) -> str:
        """Say in which model a run differs from the undisturbed one, to the last bit; nothing if it does not."""
        for model in ("_teacher", "."):
            expected, found = ((folder / model) for folder in (reference or self.reference, self.folder / run))
            if not is_same(expected / "model.safetensors", found / "model.safetensors"):
                return f"other weights in {found}"
        return ""


def is_same(expected: Path, found: Path) -> bool:
    """Compare weights bit by bit."""
    if not found.is_file():
        return False
    first, second = load_file(expected), load_file(found)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
