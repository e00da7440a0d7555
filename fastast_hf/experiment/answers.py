"""What a trained model answers to each clip, at several merge ratios: what paired comparisons are made of."""

from collections.abc import Sequence
from typing import Any

import torch
from tqdm.auto import tqdm
from transformers import EvalPrediction

from fastast_hf.evaluation import agreement, inference
from fastast_hf.experiment.task import Task
from fastast_hf.experiment.training import metrics_in_order_of
from fastast_hf.model import FastASTForAudioClassification


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
    metrics = metrics_in_order_of(model, task)
    references = torch.as_tensor(task.eval["labels"][:])
    rows: list[dict[str, Any]] = []
    first: torch.Tensor | None = None
    try:
        for ratio in tqdm(ratios, desc="Answers at each ratio"):
            model.set_merge_ratio(ratio)
            logits = compute_logits(model, task, batch_size=batch_size)
            first = logits if first is None else first
            rows.append(
                {
                    "merge_ratio": ratio,
                    "predictions": logits.argmax(dim=-1).tolist(),
                    "metrics": metrics(EvalPrediction(logits.numpy(), references.numpy())),
                    "agreement": agreement(first, logits).to_dict(),
                }
            )
    finally:
        model.config.set_merge_schedule(
            **({"merge_ratio": own[0]} if own[1] is None else {"tokens_merged_per_layer": own[1]})
        )
    return {"clips": task.eval["file_name"][:], "references": references.tolist(), "rows": rows}


def compute_logits(model: FastASTForAudioClassification, task: Task, *, batch_size: int) -> torch.Tensor:
    """Let a model answer the evaluation part.

    Args:
        model: a FastAST.
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
