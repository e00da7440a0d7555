"""What a run tells of its student beside the metrics: speed against the unmerged AST, and how the answers agree."""

from typing import Any

import torch
from transformers import PreTrainedModel

from fastast_hf.evaluation import Row, agreement, compare_throughput, count_macs, eager_forward, inference
from fastast_hf.experiment.arguments import ComparisonArguments
from fastast_hf.experiment.start import stock_ast
from fastast_hf.experiment.task import Task
from fastast_hf.model import FastASTForAudioClassification
from fastast_hf.progress import late_bar


def measure_speed(
    student: FastASTForAudioClassification, ast: PreTrainedModel, task: Task, arguments: ComparisonArguments
) -> dict[str, Any]:
    """Measure the throughput of AST and FastAST side by side, on clips of the evaluation part.

    Args:
        student: the FastAST.
        ast: the AST it is compared with.
        task: where the clips come from.
        arguments: batch size and repeats.

    Returns:
        The `benchmark` part of `fastast_hf.hub.results`.
    """
    # repeated if the part is smaller than a batch: the work does not depend on the content
    rows = [index % len(task.eval) for index in range(arguments.benchmark_batch_size)]
    input_values = task.eval[rows]["input_values"].to(student.device, student.dtype)
    models = {"ast": ast, "fastast": student}
    with inference(*models.values()):
        contenders = {
            name: Row(eager_forward(model), input_values, count_macs(model, input_values))
            for name, model in models.items()
        }
        results = compare_throughput(contenders, repeats=arguments.benchmark_repeats)
    return {
        "batch_size": len(rows),
        "num_frames": input_values.shape[1],
        "dtype": str(student.dtype).removeprefix("torch."),
        "rows": {name: result.to_dict() for name, result in results.items()},
    }


def describe_merging(student: FastASTForAudioClassification, task: Task, *, batch_size: int) -> dict[str, Any]:
    """Say how much the student merges, and whether it still answers like itself unmerged.

    Args:
        student: the FastAST.
        task: the evaluation part is what it answers to.
        batch_size: clips a forward pass.

    Returns:
        `merge_schedule`, tokens merged at each layer, and `agreement` with the unmerged model: of the top answer, and
        for one label a clip the mean KL.
    """
    unmerged = stock_ast(student)
    logits: dict[str, list[torch.Tensor]] = {"merged": [], "unmerged": []}
    batches = task.eval.iter(batch_size)
    with inference(student, unmerged):
        for batch in late_bar(batches, desc="Agreement", total=-(-len(task.eval) // batch_size)):
            input_values = batch["input_values"].to(student.device, student.dtype)
            logits["merged"].append(student(input_values).logits)
            logits["unmerged"].append(unmerged(input_values).logits)
    found = agreement(torch.cat(logits["unmerged"]), torch.cat(logits["merged"])).to_dict()
    if task.labels["problem_type"] != "single_label_classification":
        del found["mean_kl"]  # it is that of a softmax
    return {"merge_schedule": list(student.config.merge_schedule().tokens_merged), "agreement": found}
