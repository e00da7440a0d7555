"""Measure what merging saves on this machine: an AST against the same weights at several merge schedules, in one run.

    python examples/benchmark.py MIT/ast-finetuned-audioset-10-10-0.4593 --merge_ratio 0.1 0.25 --tokens_merged_per_layer 40

`ast-base` instead of a checkpoint is AST-base with random weights: speed does not depend on them.
"""

import argparse
from pathlib import Path

import torch
from transformers import ASTConfig, ASTForAudioClassification

from fastast_hf.evaluation import environment
from fastast_hf.experiment.files import write_json
from fastast_hf.experiment.measuring import compare_schedules
from fastast_hf.hub.results import SCHEMA, provenance
from fastast_hf.hub.tables import results_block


def main() -> None:
    """Print the table; with `--output`, also write the results file."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("model", help="AST checkpoint, folder or Hub name, or ast-base for random weights")
    parser.add_argument("--merge_ratio", type=float, nargs="*", default=[], help="ratios to measure, a row each")
    parser.add_argument("--tokens_merged_per_layer", type=int, nargs="*", default=[], help="the papers' r, a row each")
    parser.add_argument("--batch_size", type=int, default=1, help="clips a forward pass")
    parser.add_argument("--repeats", type=int, default=20, help="timed passes of each row")
    parser.add_argument("--output", type=Path, default=None, help="results file to write")
    arguments = parser.parse_args()

    torch.manual_seed(0)
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    if arguments.model == "ast-base":
        model = ASTForAudioClassification(ASTConfig(num_labels=527, attn_implementation="sdpa"))
    else:
        model = ASTForAudioClassification.from_pretrained(arguments.model)
    model = model.to(device).eval()
    schedules = {f"r {count}": {"tokens_merged_per_layer": count} for count in arguments.tokens_merged_per_layer}
    schedules |= {f"ratio {ratio}": {"merge_ratio": ratio} for ratio in arguments.merge_ratio}
    shape = (arguments.batch_size, model.config.max_length, model.config.num_mel_bins)
    rows = compare_schedules(
        model, torch.randn(shape, device=device).to(model.dtype), schedules, repeats=arguments.repeats
    )

    where_and_when = environment(device=device, dtype=model.dtype)
    results = {
        "schema": SCHEMA,
        "kind": "speed",
        **provenance(where_and_when),
        "model": Path(arguments.model).name,
        "benchmark": {
            "batch_size": arguments.batch_size,
            "num_frames": model.config.max_length,
            "dtype": where_and_when["dtype"],
            "rows": {name: row.to_dict() for name, row in rows.items()},
        },
    }
    if arguments.output is not None:
        write_json(arguments.output, results)
    print(results_block(results))


if __name__ == "__main__":
    main()
