"""Which checkpoint a training can go on from."""

import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME
from transformers.trainer_utils import sort_checkpoints
from transformers.utils import SAFE_WEIGHTS_NAME

logger = logging.getLogger(__name__)

_FORMATS: dict[str, Callable[[Path], Any]] = {
    ".json": lambda path: json.loads(path.read_text()),
    ".safetensors": lambda path: safe_open(path, "pt"),  # its header knows the length of the file
    ".pt": zipfile.ZipFile,  # as `torch.save` writes; the table of contents comes last
    ".pth": zipfile.ZipFile,
}
"""What opens a file of a checkpoint, by its ending, and fails where the file does not reach its end."""


def last_checkpoint(folder: Path, *, num_processes: int = 1) -> Path | None:
    """Find the checkpoint to go on from as if nothing had happened.

    A process that ends while it saves leaves a checkpoint half written. It is passed over, which the log tells.

    Args:
        folder: a model's folder.
        num_processes: how many processes train; each of them has random numbers of its own in a checkpoint.

    Returns:
        The newest checkpoint that is whole; None if there is none.
    """
    for checkpoint in map(Path, reversed(sort_checkpoints(str(folder)))):
        flaw = _flaw(checkpoint, num_processes)
        if flaw is None:
            return checkpoint
        logger.warning("%s is passed over: %s", checkpoint, flaw)
    return None


def _flaw(checkpoint: Path, num_processes: int) -> str | None:
    """Say what is wrong with a checkpoint: without one of these files the Trainer would go on, but somewhere else."""
    is_alone = num_processes == 1
    random_states = {"rng_state.pth"} if is_alone else {f"rng_state_{index}.pth" for index in range(num_processes)}
    needed = {SAFE_WEIGHTS_NAME, OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME, *random_states}
    found = {path.name for path in checkpoint.iterdir()}
    if needed - found:
        return f"it lacks {', '.join(sorted(needed - found))}"
    for path in sorted(checkpoint.iterdir()):
        try:
            _FORMATS.get(path.suffix, Path.stat)(path)
        except (json.JSONDecodeError, UnicodeDecodeError, SafetensorError, zipfile.BadZipFile):
            return f"{path.name} cannot be read"
    return None
