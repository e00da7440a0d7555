"""What `test_fsdp.py` runs in two processes, and what each process saw of it."""

import sys
from pathlib import Path
from typing import Any

import torch
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from fastast_hf.distillation import CMKDTrainer
from tests.conftest import tiny_input, tiny_model
from tests.distillation.process_worker import arguments, clips, new_teacher

CLIPS = 4


def train(folder: Path) -> dict[str, Any]:
    """Train as a user does: `accelerate launch --use_fsdp` says how."""
    trainer = CMKDTrainer(
        student(),
        arguments(folder, max_steps=1, per_device_train_batch_size=2),
        train_dataset=clips(4),
        teacher=new_teacher(),
    )
    trainer.train()
    return {"is_fsdp_enabled": trainer.is_fsdp_enabled, "wrapped": type(trainer.model_wrapped).__name__}


def student() -> Any:
    return tiny_model(merge_ratio=0.25, hidden_dropout_prob=0.0, problem_type="single_label_classification")


def step(model: Any, batch: slice) -> dict[str, torch.Tensor]:
    """Take one step of plain gradient descent; give the whole weights that it leaves."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    model.train()
    model(tiny_input(CLIPS)[batch], labels=torch.arange(CLIPS)[batch]).loss.backward()
    optimizer.step()
    return {
        name: value.full_tensor() if isinstance(value, DTensor) else value
        for name, value in model.state_dict().items()
    }


def step_sharded() -> dict[str, Any]:
    """Take the step on this process's half of the clips, with each layer's weights shared out over the processes."""
    rank, number = torch.distributed.get_rank(), torch.distributed.get_world_size()
    model = student()
    whole = sum(weight.numel() for weight in model.parameters())
    for layer in model.audio_spectrogram_transformer.layers:
        fully_shard(layer)
    fully_shard(model)
    own = sum(weight.to_local().numel() for weight in model.parameters())
    weights = step(model, slice(rank * CLIPS // number, (rank + 1) * CLIPS // number))
    return {"weights": weights, "share": own / whole}


def main(folder: Path) -> None:
    saw = {"by accelerate": train(folder / "training"), "by torch": step_sharded()}
    torch.save(saw, folder / f"rank_{torch.distributed.get_rank()}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
