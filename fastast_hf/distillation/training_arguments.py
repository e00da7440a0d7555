"""The arguments of a training by cross-model knowledge distillation."""

import copy
from dataclasses import dataclass, field
from typing import Any

from transformers import TrainingArguments

from fastast_hf.distillation.losses import check_distillation_weight, check_temperature


@dataclass
class CMKDTrainingArguments(TrainingArguments):
    """Hold the stock arguments and those of the CMKD loss."""

    distillation_weight: float = field(
        default=0.5, metadata={"help": "The teacher's share of the loss. 0: labels only, 1: teacher only."}
    )
    distillation_temperature: float = field(
        default=1.0, metadata={"help": "Divisor of the teacher's logits; above 1 softens its targets."}
    )

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        check_distillation_weight(self.distillation_weight)
        check_temperature(self.distillation_temperature, name="distillation_temperature")

    def __copy__(self) -> "CMKDTrainingArguments":
        """Copy the token too: only files go without it."""
        clone = object.__new__(type(self))
        clone.__dict__.update(self.__dict__)
        return clone

    def __deepcopy__(self, memo: dict[int, Any]) -> "CMKDTrainingArguments":
        """Copy the token too: only files go without it."""
        clone = object.__new__(type(self))
        clone.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return clone

    def __getstate__(self) -> dict[str, Any]:
        """Leave the Hub token out of files: the Trainer pickles its arguments into `training_args.bin` and pushes it."""
        return {**self.__dict__, "hub_token": None}
