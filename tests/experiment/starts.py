"""A small AST to start from, and what is asked of students and teachers."""

import json

import pytest
import torch
from transformers import ASTConfig, ASTForAudioClassification

from fastast_hf import FastASTConfig, FastASTForAudioClassification

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
LABELS = {
    "id2label": {0: "cat", 1: "dog", 2: "rain"},
    "label2id": {"cat": 0, "dog": 1, "rain": 2},
    "problem_type": "single_label_classification",
}
STUDENT = FastASTConfig(**SIZES, max_length=96)


def save_ast(folder):
    """Save an AST for five labels, none of which is asked for; give its folder."""
    torch.manual_seed(0)
    ASTForAudioClassification(ASTConfig(**SIZES, max_length=64, num_labels=5)).save_pretrained(folder)
    return folder


def change_config(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def adapter_of(base, folder):
    """Save an adapter that was put on a model by PEFT; give its folder."""
    peft = pytest.importorskip("peft", reason="peft is not installed")
    model = FastASTForAudioClassification.from_pretrained(base)
    peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(folder)
    return folder
