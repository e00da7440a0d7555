"""What the tests beside other libraries share: generated sounds, and a student that can learn them in seconds."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from fastast_hf import FastASTConfig, FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.data import extract_features, load_audio_dataset, make_synthetic_dataset
from fastast_hf.data.synthetic import EVENTS
from fastast_hf.distillation import CMKDTrainingArguments

NAMES = dict(enumerate(sorted(EVENTS)))
LABELS = {
    "id2label": NAMES,
    "label2id": {name: index for index, name in NAMES.items()},
    "problem_type": "single_label_classification",
}
EXTRACTOR = FastASTFeatureExtractor(max_length=64, num_mel_bins=32)


def write_sounds(folder: Path, clips_per_class: int = 5) -> Path:
    return make_synthetic_dataset(folder, clips_per_class=clips_per_class, seconds=0.64)


def features(folder: Path) -> Any:
    """Give the train and the eval part of the sounds as features."""
    parts = load_audio_dataset(folder, split_column="split", cache_dir=folder.with_name("cache"))
    return {name: extract_features(part, EXTRACTOR) for name, part in parts.items()}


def new_student(seed: int = 0, **fields: Any) -> FastASTForAudioClassification:
    """Make a student that merges a quarter, with embeddings drawn as the AST authors do."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    shape = {"max_length": EXTRACTOR.max_length, "num_mel_bins": EXTRACTOR.num_mel_bins, "merge_ratio": 0.25}
    model = FastASTForAudioClassification(FastASTConfig(**{**sizes, **shape, **LABELS, **fields}))
    embeddings = model.audio_spectrogram_transformer.embeddings
    for parameter in (embeddings.cls_token, embeddings.distillation_token, embeddings.position_embeddings):
        nn.init.trunc_normal_(parameter, std=0.2)
    return model


def arguments(folder: Path, **changes: Any) -> CMKDTrainingArguments:
    settings = {
        "per_device_train_batch_size": 8,
        "learning_rate": 3e-3,
        "lr_scheduler_type": "constant",
        "logging_steps": 1,
        "save_strategy": "no",
        "distillation_weight": 0.0,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "use_cpu": True,
    }
    return CMKDTrainingArguments(str(folder), **{**settings, **changes})


def losses(trainer: Any) -> list[float]:
    """Give the training losses, a step each."""
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
