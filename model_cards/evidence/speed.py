"""How fast the rows of the tables are, model alone and a step of training, side by side with random weights.

What a model has learnt does not change its speed. Nothing else may run on the machine meanwhile.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from fastast_hf.distillation import EfficientATConfig, EfficientATForAudioClassification
from fastast_hf.distillation.losses import SINGLE_LABEL, cmkd_loss
from fastast_hf.evaluation import (
    Row,
    compare_throughput,
    count_call_macs,
    count_macs,
    eager_forward,
    environment,
    training_step,
)
from fastast_hf.hub.results import SCHEMA, provenance
from fastast_hf.model import FastASTConfig, FastASTForAudioClassification
from fastast_hf.speed.variants import as_stock_ast
from model_cards.evidence.plan import Speed
from model_cards.evidence.sets import RATIOS, RECIPE, SETS

LABELS = 10
REPEATS = 10


def measure(run: Speed) -> dict[str, Any]:
    """Measure the rows of one set, in turns.

    Args:
        run: which set, and whether its models train or only answer.

    Returns:
        Results of kind "speed", as `fastast_hf.hub.results` describes them. The first row is AST.
    """
    torch.manual_seed(0)
    num_frames = int(SETS[run.set_name].options["max_length"])
    clips = torch.randn(int(RECIPE["per_device_train_batch_size"]), num_frames, 128)
    merge_ratio = float(SETS[run.set_name].merge_ratio)
    rows = _training_rows(clips, merge_ratio) if run.training else _rows(clips)
    found = compare_throughput(rows, repeats=REPEATS, warmup=1)
    return {
        "schema": SCHEMA,
        "kind": "speed",
        **provenance(environment()),
        "model": "A step of training" if run.training else "Model alone",
        "random_weights": True,
        "benchmark": {"rows": [{"name": name, **result.to_dict()} for name, result in found.items()]},
    }


def _rows(clips: torch.Tensor) -> dict[str, Row]:
    """Give forward passes: AST, FastAST at each ratio, the teacher."""
    models: dict[str, PreTrainedModel] = {
        "AST": as_stock_ast(_student(clips, stride=10)),
        "AST, stride 16": as_stock_ast(_student(clips, stride=16)),
        **{f"FastAST, ratio {ratio:g}": _student(clips, stride=10, merge_ratio=ratio) for ratio in RATIOS if ratio},
        "CNN teacher": _teacher(),
    }
    return {name: Row(eager_forward(model.eval()), clips, count_macs(model, clips)) for name, model in models.items()}


def _training_rows(clips: torch.Tensor, merge_ratio: float) -> dict[str, Row]:
    """Give steps of training: on labels alone, and with a teacher that answers to the same clips."""
    labels = torch.arange(len(clips)) % LABELS
    teacher = _teacher().eval()

    def on_labels(model: PreTrainedModel) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda batch: model(batch, labels=labels).loss

    def taught(model: PreTrainedModel) -> Callable[[torch.Tensor], torch.Tensor]:
        def loss_of(batch: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                answers = teacher(batch).logits
            return cmkd_loss(
                *(model(batch).logits, answers, labels),
                distillation_weight=0.9, temperature=2.0, problem_type=SINGLE_LABEL,
            )  # fmt: skip

        return loss_of

    ast, ratios = {"stride": 10}, sorted({0.15, 0.25, merge_ratio})
    students: Mapping[str, tuple[PreTrainedModel, Callable[..., Any]]] = {
        "AST": (as_stock_ast(_student(clips, **ast)), on_labels),
        "AST, stride 16": (as_stock_ast(_student(clips, stride=16)), on_labels),
        **{f"FastAST, ratio {ratio:g}": (_student(clips, **ast, merge_ratio=ratio), on_labels) for ratio in ratios},
        "AST, CMKD": (as_stock_ast(_student(clips, **ast)), taught),
        f"FastAST, ratio {merge_ratio:g}, CMKD": (_student(clips, **ast, merge_ratio=merge_ratio), taught),
    }
    rows = {}
    for name, (model, loss_for) in students.items():
        step = training_step(loss_for(model.train()), torch.optim.AdamW(model.parameters(), lr=1e-5))
        rows[name] = Row(step, clips, count_call_macs(step, clips))
    return rows


def _student(clips: torch.Tensor, *, stride: int, merge_ratio: float = 0.0) -> FastASTForAudioClassification:
    """Make a model as the trainings do, with random weights."""
    config = FastASTConfig(
        **{"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768, "num_labels": LABELS},
        **{"frequency_stride": stride, "time_stride": stride, "max_length": clips.shape[1]},
        merge_ratio=merge_ratio,
        attn_implementation="sdpa",
    )
    return FastASTForAudioClassification(config)


def _teacher() -> nn.Module:
    """Make the CNN, whose width is mn04's."""
    return EfficientATForAudioClassification(EfficientATConfig(width_multiplier=0.4, num_labels=LABELS))
