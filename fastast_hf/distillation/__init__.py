"""The training room: the CMKD loss and trainer, what both models see, and the convolutional teacher."""

from fastast_hf.distillation.augmentation import SpectrogramAugmentation
from fastast_hf.distillation.efficientat import EfficientATConfig, EfficientATForAudioClassification
from fastast_hf.distillation.losses import cmkd_loss, distillation_loss, label_loss
from fastast_hf.distillation.trainer import CMKDTrainer, CMKDTrainingArguments

__all__ = [
    "CMKDTrainer",
    "CMKDTrainingArguments",
    "EfficientATConfig",
    "EfficientATForAudioClassification",
    "SpectrogramAugmentation",
    "cmkd_loss",
    "distillation_loss",
    "label_loss",
]
