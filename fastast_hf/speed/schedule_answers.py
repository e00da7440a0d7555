"""A model's answers to clips under any merge schedule, beside those without merging: what a search asks and what judges it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from fastast_hf.evaluation import Agreement, agreement, inference
from fastast_hf.model import FastASTForAudioClassification
from fastast_hf.progress import late_bar
from fastast_hf.speed.schedule_savings import merging_of
from fastast_hf.speed.variants import with_schedule

_TEMPERATURE = 2.0
"""The search goes by softer answers. At a temperature of 1 a few undecided clips make most of the mean divergence, and the
schedule that suits them suits no others."""

Tell = Callable[[int], Any]
"""Called with the clips of each batch once they are answered, as bars are."""


def _tell_nobody(clips: int) -> None:
    """Keep it."""


class AnswersOfSchedules:
    """A model's answers to the same clips, without merging, which takes a pass at once and shows a bar, and with any schedule.

    Args:
        model: The model. Its own schedule does not matter.
        clips: (clips, frames, mels) float32 features.
        batch_size: Clips of a forward pass.
    """

    def __init__(self, model: FastASTForAudioClassification, clips: torch.Tensor, batch_size: int) -> None:
        self.num_clips = len(clips)
        self._clips = clips.split(batch_size)
        self._twin = with_schedule(model)
        with late_bar(total=self.num_clips, desc="Without merging", unit="clip") as progress:
            self._unmerged = self._logits(progress.update)

    def agreement(self, schedule: Sequence[float] | int, tell: Tell = _tell_nobody) -> Agreement:
        """Compare the answers of a schedule with those without merging."""
        return agreement(self._unmerged, self._logits_of(schedule, tell))

    def softened(self, schedule: Sequence[float] | int, tell: Tell = _tell_nobody) -> Agreement:
        """Compare softer answers: their divergence is what the search makes small, and the best labels are the same."""
        return agreement(self._unmerged / _TEMPERATURE, self._logits_of(schedule, tell) / _TEMPERATURE)

    def _logits_of(self, schedule: Sequence[float] | int, tell: Tell) -> torch.Tensor:
        self._twin.config.set_merge_schedule(**merging_of(schedule))
        return self._logits(tell)

    def _logits(self, tell: Tell) -> torch.Tensor:
        """Give (clips, labels) float32 on the CPU."""
        parameter = next(self._twin.parameters())
        logits = []
        with inference(self._twin):
            for batch in self._clips:
                logits.append(self._twin(batch.to(parameter.device, parameter.dtype)).logits.float().cpu())
                tell(len(batch))
        return torch.cat(logits)
