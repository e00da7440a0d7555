"""Small trainings: students, a teacher, clips and arguments for them."""

import torch
from datasets import Dataset
from torch import nn
from transformers import ASTConfig, ASTForAudioClassification

from fastast_hf.distillation.configuration_efficientat import EfficientATConfig
from fastast_hf.distillation.efficientat import EfficientATForAudioClassification
from fastast_hf.distillation.trainer import CMKDTrainer
from fastast_hf.distillation.training_arguments import CMKDTrainingArguments

SINGLE = "single_label_classification"
MULTI = "multi_label_classification"
NAMES = ["cat", "dog", "owl"]
NUM_CLIPS, NUM_FRAMES, NUM_MEL_BINS = 16, 64, 32
AUGMENTATION = {"frequency_mask_bins": 8, "time_mask_frames": 16}


def label_fields(names):
    return {"id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}


def student(seed=0, names=NAMES, **fields):
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    fields = {"max_length": NUM_FRAMES, "num_mel_bins": NUM_MEL_BINS, "problem_type": SINGLE} | sizes | fields
    model = ASTForAudioClassification(ASTConfig(**fields, **label_fields(names)))
    embeddings = model.audio_spectrogram_transformer.embeddings
    for parameter in (embeddings.cls_token, embeddings.distillation_token, embeddings.position_embeddings):
        nn.init.normal_(parameter)  # a new AST has zeros there, which LayerNorm turns into gradients of 1e4
    return model


def convolutional_teacher(names=NAMES):
    torch.manual_seed(1)
    model = EfficientATForAudioClassification(EfficientATConfig(width_multiplier=0.1, **label_fields(names)))
    nn.init.normal_(model.classifier[-1].bias)  # a teacher with an opinion
    return model


def clips(problem_type=SINGLE):
    generator = torch.Generator().manual_seed(0)
    input_values = torch.randn(NUM_CLIPS, NUM_FRAMES, NUM_MEL_BINS, generator=generator)
    labels = torch.arange(NUM_CLIPS) % 3
    if problem_type == MULTI:
        labels = (torch.rand(NUM_CLIPS, 3, generator=generator) < 0.4).float()
    columns = {"input_values": input_values.tolist(), "labels": labels.tolist()}
    return Dataset.from_dict(columns).with_format("torch")


def with_teacher_logits(dataset, teacher):
    teacher.eval()
    with torch.no_grad():
        logits = teacher(dataset[:]["input_values"]).logits
    columns = {name: dataset[:][name].tolist() for name in dataset.column_names}
    return Dataset.from_dict(columns | {"teacher_logits": logits.tolist()}).with_format("torch")


def arguments(folder, **changes):
    settings = {
        "max_steps": 3,
        "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 8,
        "learning_rate": 0.05,
        "optim": "sgd",
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.0,
        "logging_steps": 1,
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
        "dataloader_pin_memory": False,
    }
    return CMKDTrainingArguments(folder, **settings | changes)


def train(folder, model, dataset=None, *, teacher=None, augmentation=None, callbacks=None, resume=None, **changes):
    trainer = CMKDTrainer(
        model,
        arguments(folder, **changes),
        train_dataset=clips() if dataset is None else dataset,
        teacher=teacher,
        augmentation=augmentation,
        callbacks=callbacks,
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def assert_same_weights(first, second, **tolerance):
    second = second.state_dict()
    for name, weight in first.state_dict().items():
        torch.testing.assert_close(weight, second[name], **{"rtol": 0, "atol": 0} | tolerance, msg=name)


def largest_difference(first, second):
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return max((one - other).abs().max().item() for one, other in pairs)


class Recorder(nn.Module):
    """Pass a model's calls through and keep what it saw."""

    def __init__(self, model):
        super().__init__()
        self.inner = model
        self.config = model.config
        self.views = []
        self.modes = []

    def forward(self, input_values):
        self.views.append(input_values.clone())
        self.modes.append((self.training, self.inner.training, torch.is_grad_enabled()))
        return self.inner(input_values)
