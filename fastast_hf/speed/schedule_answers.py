"""A model's answers to clips under any merge schedule, beside those without merging: what a search asks and what judges it."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from fastast_hf.evaluation import agreement, count_schedule_macs, inference
from fastast_hf.model import FastASTForAudioClassification
from fastast_hf.model.merge_schedule import NUM_SPECIAL_TOKENS, MergeSchedule, plan_merges
from fastast_hf.speed.variants import with_schedule

_TEMPERATURE = 2.0
"""The search goes by softer answers. At a temperature of 1 a few undecided clips make most of the mean divergence, and the
schedule that suits them suits no others."""


class AnswersOfSchedules:
    """A model's answers to the same clips, without merging and with any schedule."""

    def __init__(self, model: FastASTForAudioClassification, clips: torch.Tensor, batch_size: int) -> None:
        self._clips = clips.split(batch_size)
        self._twin = with_schedule(model)
        self.num_patches: int = math.prod(model.config.patch_grid_of(*clips.shape[1:]))
        self.num_layers: int = model.config.num_hidden_layers
        self._macs = self._macs_of((0.0,) * self.num_layers)
        self._unmerged = self._logits()

    def saving(self, schedule: Sequence[float] | int) -> float:
        """Give how many times less work a schedule is: merge ratios, one a layer, or one count for all layers."""
        return self._macs / self._macs_of(schedule)

    def ratios_of(self, count: int) -> tuple[float, ...]:
        """Give the merge ratios, one a layer, that merge as many tokens as one count for all layers does."""
        planned = self._planned(count)
        entering = (self.num_patches, *(left - NUM_SPECIAL_TOKENS for left in planned.tokens_left))
        return tuple(merged / tokens for merged, tokens in zip(planned.tokens_merged, entering, strict=False))

    def agreement(self, schedule: Sequence[float] | int) -> Any:
        """Compare the answers of a schedule with those without merging."""
        return agreement(self._unmerged, self._logits_of(schedule))

    def divergence(self, schedule: Sequence[float] | int) -> float:
        """Give how far a schedule moves the answers, softened: what the search makes small."""
        return agreement(self._unmerged / _TEMPERATURE, self._logits_of(schedule) / _TEMPERATURE).mean_kl

    def _logits_of(self, schedule: Sequence[float] | int) -> torch.Tensor:
        self._twin.config.set_merge_schedule(**merging_of(schedule))
        return self._logits()

    def _macs_of(self, schedule: Sequence[float] | int) -> int:
        return count_schedule_macs(self._twin.config, self.num_patches, self._planned(schedule).tokens_merged)

    def _planned(self, schedule: Sequence[float] | int) -> MergeSchedule:
        return plan_merges(
            self.num_patches,
            self.num_layers,
            **{"merge_ratio": 0.0, "tokens_merged_per_layer": None, **merging_of(schedule)},
        )

    def _logits(self) -> torch.Tensor:
        """Give (clips, labels) float32 on the CPU."""
        parameter = next(self._twin.parameters())
        with inference(self._twin):
            return torch.cat(
                [self._twin(batch.to(parameter.device, parameter.dtype)).logits.float().cpu() for batch in self._clips]
            )


def merging_of(schedule: Sequence[float] | int) -> dict[str, Any]:
    """Write a schedule as a field of a FastASTConfig."""
    if isinstance(schedule, int):
        return {"tokens_merged_per_layer": schedule}
    return {"merge_ratio": list(schedule)}
