"""Teacher, student, evaluation, benchmark and card as one resumable run."""

from fastast_hf.experiment.arguments import ComparisonArguments, DataArguments, ModelArguments, TeacherArguments
from fastast_hf.experiment.run import Outcome, run_experiment

__all__ = ["ComparisonArguments", "DataArguments", "ModelArguments", "Outcome", "TeacherArguments", "run_experiment"]
