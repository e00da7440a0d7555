"""A run in miniature: generated sounds, a student and a teacher that train in seconds."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fastast_hf import FastASTConfig
from fastast_hf.data import make_synthetic_dataset
from fastast_hf.distillation import CMKDTrainingArguments, EfficientATConfig, SpectrogramAugmentation
from fastast_hf.experiment import ComparisonArguments, DataArguments, ModelArguments, Outcome, TeacherArguments
from fastast_hf.experiment import run_experiment as run
from tests.loopback_hub import LoopbackHub

MELS = 48
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


@dataclass
class Miniature:
    """Everything that a small run is told; `run` runs it."""

    folder: Path
    data: dict[str, Any]
    model: dict[str, Any]
    teacher: dict[str, Any]
    comparison: dict[str, Any] = field(default_factory=lambda: {"benchmark_batch_size": 4, "benchmark_repeats": 2})
    augmentation: dict[str, Any] = field(default_factory=lambda: {"frequency_mask_bins": 8, "time_mask_frames": 8})

    def training_arguments(self, name: str = "run", **overrides: Any) -> CMKDTrainingArguments:
        fields = {
            "output_dir": str(self.folder / name),
            "num_train_epochs": 2,
            "per_device_train_batch_size": 8,
            "learning_rate": 1e-3,
            "distillation_weight": 0.5,
            "logging_strategy": "epoch",
            "save_strategy": "epoch",
            "dataloader_pin_memory": False,
            "use_cpu": True,
        }
        return CMKDTrainingArguments(**{**fields, **overrides})

    def run(self, name: str = "run", *, comparison: dict[str, Any] | None = None, **overrides: Any) -> Outcome:
        return run(
            ModelArguments(**self.model),
            DataArguments(**self.data),
            TeacherArguments(**self.teacher),
            ComparisonArguments(**{**self.comparison, **(comparison or {})}),
            SpectrogramAugmentation(**self.augmentation),
            self.training_arguments(name, **overrides),
        )


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synthetic_dataset(tmp_path_factory.mktemp("sounds"), clips_per_class=5, seconds=0.64)


@pytest.fixture
def miniature(tmp_path: Path, sounds: Path) -> Miniature:
    config = FastASTConfig(**SIZES, max_length=64, num_mel_bins=MELS)
    config.save_pretrained(tmp_path / "student")
    EfficientATConfig(width_multiplier=0.1).save_pretrained(tmp_path / "teacher")
    return Miniature(
        tmp_path,
        data={"data_dir": str(sounds), "split_column": "split"},
        model={"config_name": str(tmp_path / "student"), "merge_ratio": "0.25", "cache_dir": str(tmp_path / "cache")},
        teacher={"teacher_config_name": str(tmp_path / "teacher"), "teacher_num_train_epochs": 1},
    )


@pytest.fixture
def hub(monkeypatch):
    """The Hub of this process; see tests/hub/test_pushing.py for the whole program against it."""
    with LoopbackHub(large_files=()) as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        yield hub
    assert hub.not_spoken == []
