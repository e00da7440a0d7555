"""The training room: the CMKD loss and trainer, what both models see, and the convolutional teacher.

Importing it registers EfficientAT with the `Auto*` factories of transformers.
"""

from transformers import AutoConfig, AutoModelForAudioClassification

from fastast_hf.distillation.augmentation import SpectrogramAugmentation
from fastast_hf.distillation.configuration_efficientat import EfficientATConfig
from fastast_hf.distillation.efficientat import EfficientATForAudioClassification
from fastast_hf.distillation.losses import cmkd_loss, distillation_loss, label_loss
from fastast_hf.distillation.stored_logits import (
    add_teacher_logits,
    compute_teacher_logits,
    load_teacher_logits,
    save_teacher_logits,
)
from fastast_hf.distillation.teacher_labels import match_labels
from fastast_hf.distillation.trainer import CMKDTrainer
from fastast_hf.distillation.training_arguments import CMKDTrainingArguments

AutoConfig.register(EfficientATConfig.model_type, EfficientATConfig)
AutoModelForAudioClassification.register(EfficientATConfig, EfficientATForAudioClassification)

__all__ = [
    "CMKDTrainer",
    "CMKDTrainingArguments",
    "EfficientATConfig",
    "EfficientATForAudioClassification",
    "SpectrogramAugmentation",
    "add_teacher_logits",
    "cmkd_loss",
    "compute_teacher_logits",
    "distillation_loss",
    "label_loss",
    "load_teacher_logits",
    "match_labels",
    "save_teacher_logits",
]
