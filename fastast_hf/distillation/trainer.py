"""Cross-model knowledge distillation (CMKD) with the transformers Trainer."""

from pathlib import Path
from typing import Any, cast

import torch
from accelerate.utils import broadcast
from torch import Tensor, nn
from transformers.trainer_utils import TrainOutput

from fastast_hf.distillation.augmentation import SpectrogramAugmentation, process_generator
from fastast_hf.distillation.checkpointing_trainer import CheckpointingTrainer
from fastast_hf.distillation.losses import MULTI_LABEL, SINGLE_LABEL, distillation_loss, label_loss
from fastast_hf.distillation.model_card import draft_model_card
from fastast_hf.distillation.stored_logits import TEACHER_LOGITS, check_teacher_logits
from fastast_hf.distillation.teacher_labels import label_names, match_labels
from fastast_hf.distillation.training_arguments import CMKDTrainingArguments


class CMKDTrainer(CheckpointingTrainer):
    """Train a student on labels and on a teacher.

    The teacher is a live model, or a `teacher_logits` column (floats, one a label, in the student's order) in the
    training data. A live teacher sees the very view that the student sees: augmentation happens once a batch, before
    both. It stays frozen, in eval mode and out of every checkpoint.

    The training loss is `cmkd_loss`; its two parts are logged as `label_loss` and `distillation_loss`. The evaluation
    loss is the label loss alone, without augmentation, and does not run the teacher.

    Source: Gong et al. 2022, "CMKD" (arXiv 2203.06760); "consistent teaching" after Beyer et al. 2022
    (arXiv 2106.05237).

    Args:
        model: The student; its config holds `id2label` and `problem_type`. A missing `problem_type` is inferred from
            the first labels as transformers does: integers are one label a clip, floats are many.
        args: The arguments.
        teacher: A model that takes `input_values` and returns `.logits`. Its labels are the student's by name; in
            another order its logits are reordered.
        augmentation: What changes the batches in training.
        **kwargs: What `Trainer` takes.

    Raises:
        ValueError: If an argument does not fit; `train` raises it where `distillation_weight` is above 0 and there is
            no teacher.
    """

    # Both losses are means over their batch, so the Trainer has to divide by the accumulation steps. Left to itself it
    # takes the student's `**kwargs` as a promise that the loss is divided already.
    loss_is_scaled_for_ga = False

    args: CMKDTrainingArguments
    model: Any  # a PreTrainedModel, or what a backend put around it
    _signature_columns: Any

    def __init__(
        self,
        model: nn.Module | None = None,
        args: CMKDTrainingArguments | None = None,
        *,
        teacher: nn.Module | None = None,
        augmentation: SpectrogramAugmentation | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(args, CMKDTrainingArguments):
            raise ValueError(
                f"`args` must be CMKDTrainingArguments, got {type(args).__name__}. They hold `distillation_weight`."
            )
        if args.label_smoothing_factor != 0:
            raise ValueError(
                f"`label_smoothing_factor` must be 0, got {args.label_smoothing_factor}. A teacher smooths the labels."
            )
        if kwargs.get("compute_loss_func") is not None:
            raise ValueError(
                "`compute_loss_func` must be None, got a function. Use the stock Trainer for a loss of your own."
            )
        super().__init__(model, args, **kwargs)
        self.augmentation = augmentation
        self.teacher = teacher
        self._teacher_order: list[int] | None = None
        if teacher is not None:
            if teacher is self.model:
                raise ValueError("`teacher` must be another model than the student, got the student. Load it twice.")
            self._teacher_order = match_labels(label_names(self.model, "model"), label_names(teacher, "teacher"))
            teacher.requires_grad_(False).eval().to(args.device)
        self._loss_sums = torch.zeros(3, device=args.device)  # batches, label losses, distillation losses

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """Train as `Trainer.train` does, once it is sure where the teaching comes from.

        Args:
            *args: What `Trainer.train` takes.
            **kwargs: What `Trainer.train` takes.

        Returns:
            What `Trainer.train` returns.

        Raises:
            ValueError: If `distillation_weight` is above 0 and there is no teacher, or there are two; if stored logits
                meet an augmentation or are not one finite number a label.
        """
        if self.args.distillation_weight > 0 and self.train_dataset is not None:
            stored = TEACHER_LOGITS in next(iter(self.train_dataset), {})
            self._check_teaching(stored=stored)
            if stored:
                check_teacher_logits(self.train_dataset, self.model.config.num_labels)
        self._loss_sums.zero_()
        output = super().train(*args, **kwargs)
        self._share_buffers()
        return output

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Compute the CMKD loss in training, the label loss in evaluation.

        Args:
            model: The student, possibly wrapped for several processes; its mode tells training from evaluation.
            inputs: `input_values`, `labels` and whatever else the student takes; `teacher_logits` where they are
                stored. Not changed.
            return_outputs: Whether to return the student's output too.
            num_items_in_batch: Not used: the loss is a mean over the batch, see `loss_is_scaled_for_ga`.

        Returns:
            The loss, a scalar, or the loss and the output.
        """
        batch = dict(inputs)
        if "labels" not in batch:
            raise ValueError(f"`labels` must be in every batch, got {sorted(batch)}. Name the label column `labels`.")
        labels = batch.pop("labels")
        stored_logits = batch.pop(TEACHER_LOGITS, None)
        problem_type = self._problem_type(labels)  # before mixup turns indices into probabilities
        if model.training and self.augmentation is not None and not self.augmentation.is_identity:
            batch["input_values"], labels = self.augmentation(
                batch["input_values"],
                labels,
                num_labels=self.model.config.num_labels,
                generator=process_generator(self.args.process_index, self.args.world_size),
            )
        outputs = model(**batch)
        own = slice(None) if model.training else slice(self._num_own_clips(len(labels)))
        loss = label_loss(outputs.logits[own], labels[own], problem_type=problem_type)
        if model.training:
            from_teacher = torch.zeros_like(loss)
            if self.args.distillation_weight > 0:
                from_teacher = distillation_loss(
                    outputs.logits,
                    self._teacher_logits(batch["input_values"], stored_logits),
                    temperature=self.args.distillation_temperature,
                    problem_type=problem_type,
                )
            self._loss_sums += torch.stack([torch.ones_like(loss), loss, from_teacher]).detach()
            loss = torch.lerp(loss, from_teacher, self.args.distillation_weight)  # `cmkd_loss`, its parts kept
        return (loss, outputs) if return_outputs else loss

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate as the stock Trainer does, with one and the same model in all processes.

        Args:
            *args: What `Trainer.evaluation_loop` takes.
            **kwargs: What `Trainer.evaluation_loop` takes.

        Returns:
            Predictions, labels and metrics.
        """
        self._share_buffers()
        return super().evaluation_loop(*args, **kwargs)

    def prediction_step(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Evaluate one batch as the stock Trainer does; stored teacher logits are no input of the student.

        Args:
            model: The student.
            inputs: The batch.
            *args: What `Trainer.prediction_step` takes.
            **kwargs: What `Trainer.prediction_step` takes.

        Returns:
            Loss, logits and labels.
        """
        batch = {name: value for name, value in inputs.items() if name != TEACHER_LOGITS}
        return super().prediction_step(model, batch, *args, **kwargs)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add both parts of the training loss, means since the last log over all processes.

        Args:
            logs: What is logged; with the training loss (`loss`) come `label_loss` and `distillation_loss`.
            start_time: Start of the training.
        """
        if "loss" in logs:  # every process is here: the Trainer has just gathered this loss too
            batches, *sums = self.accelerator.reduce(self._loss_sums, reduction="sum").tolist()
            self._loss_sums.zero_()
            if batches > 0:  # none where a user logs a `loss` before the first step
                logs["label_loss"] = sums[0] / batches
                if self.args.distillation_weight > 0:
                    logs["distillation_loss"] = sums[1] / batches
        super().log(logs, start_time)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Draft a README.md where there is none; the stock method would replace a better card at every push.

        Args:
            *args: What `Trainer.create_model_card` takes.
            **kwargs: What `Trainer.create_model_card` takes.
        """
        path = Path(str(self.args.output_dir), "README.md").resolve()
        if self.is_world_process_zero() and not path.exists():
            is_distilled = self.args.distillation_weight > 0
            draft_model_card(*args, **kwargs, default_name=path.parent.name, is_distilled=is_distilled).save(path)

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        if TEACHER_LOGITS not in self._signature_columns:  # else `remove_unused_columns` drops them
            self._signature_columns.append(TEACHER_LOGITS)

    def _share_buffers(self) -> None:
        """Give all processes the first one's running statistics: each has counted its own clips in the last step."""
        for buffer in self.model.buffers():
            buffer.copy_(broadcast(buffer))

    def _num_own_clips(self, batch_size: int) -> int:
        """Count the clips of an evaluation batch without those that accelerate repeats, to fill up the last one."""
        state = self.accelerator.gradient_state
        if not state.end_of_dataloader or state.remainder <= 0:
            return batch_size
        # a process without a clip of its own keeps one: a mean needs it, and the Trainer cuts it off with the logits
        return min(max(state.remainder - self.args.process_index * batch_size, 1), batch_size)

    def _check_teaching(self, *, stored: bool) -> None:
        if stored and self.teacher is not None:
            raise ValueError(
                f"`teacher` must be None with a `{TEACHER_LOGITS}` column, got {type(self.teacher).__name__}. Remove "
                "one of them."
            )
        if stored and self.augmentation is not None and not self.augmentation.is_identity:
            raise ValueError(
                f"`augmentation` must be None with a `{TEACHER_LOGITS}` column, got {self.augmentation}. The stored "
                "teacher has not seen the new view: pass a live `teacher`."
            )
        if not stored and self.teacher is None:
            raise ValueError(
                f"`teacher` must be given for `distillation_weight` {self.args.distillation_weight}, got None. Pass a "
                f"model or a data set with a `{TEACHER_LOGITS}` column, or use `distillation_weight=0`."
            )

    def _teacher_logits(self, input_values: Tensor, stored_logits: Tensor | None) -> Tensor:
        self._check_teaching(stored=stored_logits is not None)  # a collator can add or lose the column
        if self.teacher is None:
            return cast(Tensor, stored_logits)
        with torch.no_grad(), self.accelerator.autocast():
            logits = self.teacher(input_values=input_values).logits  # (B, C)
        return logits if self._teacher_order is None else logits[:, self._teacher_order]

    def _problem_type(self, labels: Tensor) -> str:
        config = self.model.config
        if config.problem_type is None and config.num_labels > 1:
            config.problem_type = MULTI_LABEL if labels.is_floating_point() else SINGLE_LABEL
        return config.problem_type
