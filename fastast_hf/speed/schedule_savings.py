"""How much less work a merge schedule is: counted from a configuration and a length, so that it is known before any sound."""

import math
from collections.abc import Sequence
from typing import Any

from transformers import ASTConfig

from fastast_hf.evaluation import count_schedule_macs
from fastast_hf.hub.checkpoints import checkpoint_config
from fastast_hf.model import FastASTConfig, FastASTFeatureExtractor
from fastast_hf.model.merge_schedule import NUM_SPECIAL_TOKENS, MergeSchedule, plan_merges


class SavingsOfSchedules:
    """What merge schedules save a model, for clips of one length.

    Args:
        config: The model's. Its own schedule does not matter.
        num_frames: Frames of a clip.
    """

    def __init__(self, config: FastASTConfig, num_frames: int) -> None:
        self._config = config
        self.num_patches: int = math.prod(config.patch_grid_of(num_frames, config.num_mel_bins))
        self.num_layers: int = config.num_hidden_layers
        self._unmerged_macs = self._macs_of(0)

    def saving(self, schedule: Sequence[float] | int) -> float:
        """Give how many times less work a schedule is: merge ratios, one a layer, or one count for all layers."""
        return self._unmerged_macs / self._macs_of(schedule)

    def most(self) -> float:
        """Give the saving where each layer merges half of its tokens: no schedule saves more."""
        return self.saving((0.5,) * self.num_layers)

    def ratios_of(self, count: int) -> tuple[float, ...]:
        """Give the merge ratios, one a layer, that merge as many tokens as one count for all layers does."""
        planned = self._planned(count)
        entering = (self.num_patches, *(left - NUM_SPECIAL_TOKENS for left in planned.tokens_left))
        return tuple(merged / tokens for merged, tokens in zip(planned.tokens_merged, entering, strict=False))

    def _macs_of(self, schedule: Sequence[float] | int) -> int:
        return count_schedule_macs(self._config, self.num_patches, self._planned(schedule).tokens_merged)

    def _planned(self, schedule: Sequence[float] | int) -> MergeSchedule:
        return plan_merges(
            self.num_patches,
            self.num_layers,
            **{"merge_ratio": 0.0, "tokens_merged_per_layer": None, **merging_of(schedule)},
        )


def savings_of_checkpoint(name: str) -> SavingsOfSchedules | None:
    """Find out what schedules save a checkpoint, without its weights.

    Args:
        name: Folder, or name on the Hub.

    Returns:
        Its savings, for clips as long as its feature extractor makes them; None if it is no AST or FastAST, or the feature
        extractor is that of another model, which whoever loads it is told.

    Raises:
        OSError: If there is no such checkpoint, or the Hub does not answer.
        ValueError: If its configuration is impossible.
    """
    if checkpoint_config(name).get("model_type") not in (ASTConfig.model_type, FastASTConfig.model_type):
        return None
    config = FastASTConfig.from_pretrained(name)
    num_frames = FastASTFeatureExtractor.from_pretrained(name).max_length
    return SavingsOfSchedules(config, num_frames) if config.patch_size <= num_frames <= config.max_length else None


def merging_of(schedule: Sequence[float] | int) -> dict[str, Any]:
    """Write a schedule as a field of a FastASTConfig."""
    if isinstance(schedule, int):
        return {"tokens_merged_per_layer": schedule}
    return {"merge_ratio": list(schedule)}
