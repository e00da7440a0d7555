"""A Trainer whose checkpoints can be gone on from, and whose pushes can be loaded, with models that bring their own code."""

import logging
import shutil
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, cast

from torch import nn
from transformers import PreTrainedModel, Trainer
from transformers.trainer_utils import TrainOutput

from fastast_hf.distillation.checkpoints import find_flaw, last_checkpoint
from fastast_hf.distillation.digests import write_digests

logger = logging.getLogger(__name__)


class CheckpointingTrainer(Trainer):
    """Save, load and push as the stock Trainer does, and mend where a model of this kind would be lost.

    - Weights of a checkpoint are read as the model wrote them.
    - `resume_from_checkpoint=True` passes over a checkpoint that is not whole.
    - Of several processes none calls a checkpoint whole before all have written their part.
    - A push of a checkpoint has the code that its config.json names, and one that fails is told.
    """

    model: Any  # a PreTrainedModel, or what a backend put around it

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> TrainOutput:
        """Train as `Trainer.train` does.

        Args:
            resume_from_checkpoint: A checkpoint's folder, which must be whole, or True for the newest one in `output_dir` that
                is. Under FSDP and DeepSpeed, which write files of their own, what the stock Trainer takes.
            *args: What `Trainer.train` takes.
            **kwargs: What `Trainer.train` takes.

        Returns:
            What `Trainer.train` returns.

        Raises:
            ValueError: If there is no checkpoint that is whole, or another number of processes wrote it.
        """
        if self._saves_itself() and resume_from_checkpoint:
            resume_from_checkpoint = str(self._whole_checkpoint(resume_from_checkpoint))
        return super().train(resume_from_checkpoint, *args, **kwargs)

    def _whole_checkpoint(self, wanted: str | bool) -> Path:
        if wanted is True:
            folder = Path(str(self.args.output_dir))
            checkpoint = last_checkpoint(folder, num_processes=self.args.world_size)
            if checkpoint is None:
                raise ValueError(
                    "`resume_from_checkpoint` must be False without a whole checkpoint in `output_dir`, got True for "
                    f"{folder}. Start the training anew."
                )
            return checkpoint
        checkpoint = Path(str(wanted))
        flaw: str | None = "it is no folder"
        if checkpoint.is_dir():
            flaw = find_flaw(checkpoint, num_processes=self.args.world_size)
        if flaw is not None:
            raise ValueError(
                f"`resume_from_checkpoint` must be the folder of a whole checkpoint, got {wanted}: {flaw}. Name another one, or "
                "start the training anew."
            )
        return checkpoint

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        if not self.is_world_process_zero():
            return
        if self.args.hub_always_push:
            wait(self._pushes())  # the stock Trainer would copy these weights over those that it is still sending
        known = self._pushes()
        if all(push.done() for push in known):  # else the stock Trainer leaves this push out
            # It pushes the checkpoint's config.json and weights, and leaves the code that config.json names.
            for code in Path(checkpoint_folder).glob("*.py"):
                shutil.copy(code, str(self.args.output_dir))
        super()._push_from_checkpoint(checkpoint_folder)
        for push in self._pushes():
            if push not in known:
                push.add_done_callback(_tell_failed_push)

    def _pushes(self) -> list[Future[Any]]:
        """List what is sent in the background, or was sent last."""
        in_progress = getattr(self, "push_in_progress", None)
        return [] if in_progress is None else list(in_progress.jobs)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        # The first process goes on to write the state that calls the checkpoint whole, and to delete an older one.
        self.accelerator.wait_for_everyone()
        if self.args.should_save and self._saves_itself():
            write_digests(Path(output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        if self._saves_itself():
            self._load_weights(resume_from_checkpoint)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        if self._saves_itself():
            self._load_weights(cast(str, self.state.best_model_checkpoint))
        else:
            super()._load_best_model()

    def _saves_itself(self) -> bool:
        """Whether checkpoints are written by the student's `save_pretrained`, not by a backend."""
        return isinstance(self.model, PreTrainedModel) and not (self.is_fsdp_enabled or self.is_deepspeed_enabled)

    def _load_weights(self, folder: str) -> None:
        # `save_pretrained` writes AST's published tensor names, and the stock Trainer reads them without renaming: the
        # encoder would keep its weights, with no more than a warning (transformers issues 43701 and 48805).
        saved = type(self.model).from_pretrained(folder, config=self.model.config, use_safetensors=True)
        self.model.load_state_dict(saved.state_dict())


def _tell_failed_push(push: Future[Any]) -> None:
    """Say that a push in the background failed, which the stock Trainer keeps to itself."""
    if not push.cancelled() and (error := push.exception()) is not None:
        logger.warning(
            "A push to the Hub failed, the training is not touched by it: %s. What the Hub has is the last push that "
            "succeeded; the next save pushes again, and so does `trainer.push_to_hub()`.",
            error,
        )
