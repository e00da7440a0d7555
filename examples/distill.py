r"""Distil a CNN into an Audio Spectrogram Transformer that merges tokens.

    accelerate launch examples/distill.py --data_dir sounds --eval_fold 1 --model_name_or_path MIT/ast-finetuned-audioset-10-10-0.4593 \
        --teacher_name_or_path teacher --merge_ratio 0.25 --output_dir runs/mine

See the README for a whole command, and `--help` for all arguments.
"""

import logging

from transformers import HfArgumentParser

from fastast_hf.distillation import CMKDTrainingArguments, SpectrogramAugmentation
from fastast_hf.experiment import ComparisonArguments, DataArguments, ModelArguments, TeacherArguments, run_experiment
from fastast_hf.hub.tables import models_table


def main() -> None:
    """Read the arguments, run, and print the table."""
    parts = (
        ModelArguments,
        DataArguments,
        TeacherArguments,
        ComparisonArguments,
        SpectrogramAugmentation,
        CMKDTrainingArguments,
    )
    arguments = HfArgumentParser(parts, description=__doc__.splitlines()[0]).parse_args_into_dataclasses()
    training_arguments = arguments[-1]
    if training_arguments.process_index == 0:
        logging.basicConfig(format="%(message)s")
        logging.getLogger("fastast_hf").setLevel(logging.INFO)
    outcome = run_experiment(*arguments)
    if training_arguments.process_index == 0:
        print(models_table(outcome.results))
        print(f"\nThe model, its code, card and results.json are in {outcome.folder}")


if __name__ == "__main__":
    main()
