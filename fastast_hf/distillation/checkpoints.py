"""Which checkpoint a training can go on from."""

import json
import logging
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME
from transformers.trainer_utils import sort_checkpoints
from transformers.utils import CONFIG_NAME, SAFE_WEIGHTS_NAME

from fastast_hf.distillation.digests import find_altered

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

    What is judged are checkpoints that the Trainer writes for one process or several by DDP; FSDP and DeepSpeed have their
    own files.

    Args:
        folder: a model's folder.
        num_processes: how many processes train; each of them has random numbers of its own in a checkpoint.

    Returns:
        The newest checkpoint that is whole; None if there is none.

    Raises:
        ValueError: if it was written by another number of processes.
    """
    for checkpoint in map(Path, reversed(sort_checkpoints(str(folder)))):
        flaw = find_flaw(checkpoint, num_processes=num_processes)
        if flaw is None:
            return checkpoint
        logger.warning("%s is passed over: %s", checkpoint, flaw)
    return None


def find_flaw(checkpoint: Path, *, num_processes: int = 1) -> str | None:
    """Say what a checkpoint lacks, without which the Trainer would go on, but somewhere else.

    Args:
        checkpoint: its folder.
        num_processes: how many processes train.

    Returns:
        What is wrong, to stand after "is passed over: "; None if it is whole.

    Raises:
        ValueError: if it was written by another number of processes: their clips, so their steps, were others.
    """
    found = {path.name for path in checkpoint.iterdir()}
    needed = {SAFE_WEIGHTS_NAME, OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME}
    if needed - found:
        hint = "" if found & {OPTIMIZER_NAME, SCHEDULER_NAME} else ", as `save_only_model` leaves it"
        return f"it lacks {', '.join(sorted(needed - found))}{hint}"
    random_states = {"rng_state.pth"} if num_processes == 1 else {f"rng_state_{i}.pth" for i in range(num_processes)}
    saved_states = {name for name in found if name.startswith("rng_state")}
    if saved_states - random_states:
        written_by = 1 if "rng_state.pth" in saved_states else len(saved_states)
        raise ValueError(
            f"`num_processes` must be that of {checkpoint}, {written_by}, got {num_processes}. Launch as many processes to go "
            "on, or use another `output_dir`."
        )
    if random_states - found:
        return f"it lacks {', '.join(sorted(random_states - found))}"
    return _find_broken(checkpoint, checkpoint.iterdir())


def find_flaw_of_model(folder: Path) -> str | None:
    """Say what keeps a saved model from being loaded as it was saved.

    Args:
        folder: Of a model that `save_pretrained` wrote, and `write_digests` after it.

    Returns:
        What is wrong; None if it is whole.
    """
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        return f"it lacks {SAFE_WEIGHTS_NAME}"
    return _find_broken(folder, [folder / CONFIG_NAME, *weights])


def _find_broken(folder: Path, paths: Iterable[Path]) -> str | None:
    """Find a file that does not reach its end, or is not what was written."""
    for path in sorted(paths):
        try:
            _FORMATS.get(path.suffix, Path.stat)(path)
        except (json.JSONDecodeError, UnicodeDecodeError, SafetensorError, zipfile.BadZipFile, FileNotFoundError):
            return f"{path.name} cannot be read"
    altered = find_altered(folder)
    return None if altered is None else f"{altered} is not what was written"
