"""What a trained model answers to each clip, at several merge ratios: what paired comparisons are made of."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import EvalPrediction

from fastast_hf.evaluation import agreement, inference
from fastast_hf.experiment.task import Task
from fastast_hf.experiment.training import metrics_in_order_of
from fastast_hf.model import FastASTForAudioClassification
from fastast_hf.progress import late_bar


def answers(model: Any, task: Task, *, batch_size: int = 16) -> dict[str, Any]:
    """Let a model answer the evaluation part as it is, such as the teacher.

    Args:
        model: a PreTrainedModel for one label a clip, whose labels are the task's in the task's order.
        task: whose evaluation part it answers.
        batch_size: clips a forward pass.

    Returns:
        Plain data: `clips`, their names; `references`, their labels; `predictions`, label ids, one a clip; `metrics`.
    """
    logits = compute_logits(model, task, batch_size=batch_size)
    return {**_asked(task), **_answered(model, task, logits)}


def answers_at_ratios(
    model: FastASTForAudioClassification, task: Task, ratios: Sequence[float], *, batch_size: int = 16
) -> dict[str, Any]:
    """Let a model answer the evaluation part at each merge ratio.

    Args:
        model: a FastAST for one label a clip, trained at whatever ratio.
        task: whose evaluation part it answers.
        ratios: merge ratios from 0 to 0.5. The first is what the others are compared with, mostly 0.
        batch_size: clips a forward pass.

    Returns:
        Plain data: `clips`, their names; `references`, their labels; `rows`, one a ratio: `merge_ratio`, `predictions`
        (label ids, one a clip), `metrics`, and `agreement` with the first row.
    """
    own = (model.config.merge_ratio, model.config.tokens_merged_per_layer)
    rows: list[dict[str, Any]] = []
    first: torch.Tensor | None = None
    try:
        for ratio in late_bar(ratios, desc="Answers at each ratio"):
            model.set_merge_ratio(ratio)
            logits = compute_logits(model, task, batch_size=batch_size)
            first = logits if first is None else first
            rows.append(
                {
                    "merge_ratio": ratio,
                    **_answered(model, task, logits),
                    "agreement": agreement(first, logits).to_dict(),
                }
            )
    finally:
        model.config.set_merge_schedule(
            **({"merge_ratio": own[0]} if own[1] is None else {"tokens_merged_per_layer": own[1]})
        )
    return {**_asked(task), "rows": rows}


def _asked(task: Task) -> dict[str, Any]:
    """Give the clips and their labels."""
    return {"clips": task.eval["file_name"][:], "references": torch.as_tensor(task.eval["labels"][:]).tolist()}


def _answered(model: Any, task: Task, logits: torch.Tensor) -> dict[str, Any]:
    """Give the best label of each clip, and judge all."""
    asked = EvalPrediction(logits.numpy(), torch.as_tensor(task.eval["labels"][:]).numpy())
    return {"predictions": logits.argmax(dim=-1).tolist(), "metrics": metrics_in_order_of(model, task)(asked)}


def compute_logits(model: Any, task: Task, *, batch_size: int) -> torch.Tensor:
    """Let a model answer the evaluation part.

    Args:
        model: a PreTrainedModel.
        task: whose evaluation part it answers.
        batch_size: clips a forward pass.

    Returns:
        (clips, labels) float32 logits on the CPU.
    """
    with inference(model):
        logits = [
            model(batch["input_values"].to(model.device, model.dtype)).logits.float().cpu()
            for batch in task.eval.with_format("torch").iter(batch_size)
        ]
    return torch.cat(logits)
