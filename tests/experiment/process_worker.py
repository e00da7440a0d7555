"""Run `examples/distill.py` in this process as it is, and tell what it did: `process_worker.py REPORTS KILL arguments...`.

REPORTS is a folder, which gets `rank_<number>.json` at the end of the program. KILL says in JSON where the process ends
itself by SIGKILL, which leaves no time for anything: `{"rank": 0, "model": "_teacher", "step": 4, "before": "training_step"}`
is before that method of the trainer of that model, when so many steps are done; `null` is nowhere.
"""

import atexit
import hashlib
import json
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from huggingface_hub import HfApi, RepoUrl

import fastast_hf.data.features
import fastast_hf.experiment.run
from fastast_hf.distillation import CMKDTrainer

DISTILL = Path(__file__).parents[2] / "examples" / "distill.py"

written: list[str] = []
removed: list[str] = []
calls: list[str] = []
trainings: list[dict[str, Any]] = []


def note(paths: list[str], path: Any) -> None:
    if isinstance(path, str | os.PathLike):  # and not a number or a buffer
        paths.append(str(Path(path).absolute()))


def record_files(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what Python writes, renames and removes; an audit hook."""
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        note(written, arguments[0])
    elif event == "os.rename":
        note(removed, arguments[0])
        note(written, arguments[1])
    elif event in ("os.remove", "os.rmdir", "shutil.rmtree"):
        note(removed, arguments[0])


def record_calls(owner: Any, name: str, log: Any) -> None:
    """Call `log` with a function's arguments before the function itself."""
    original = getattr(owner, name)

    def recorded(*args: Any, **kwargs: Any) -> Any:
        log(*args, **kwargs)
        return original(*args, **kwargs)

    setattr(owner, name, recorded)


def record_training(trainer: CMKDTrainer, resume_from_checkpoint: str | None = None) -> None:
    teacher = trainer.teacher
    trainings.append(
        {
            "folder": Path(str(trainer.args.output_dir)).name,
            "num_processes": trainer.args.world_size,
            "from": resume_from_checkpoint and Path(resume_from_checkpoint).name,
            "teacher": teacher and [type(teacher).__name__, digest(teacher)],
        }
    )


def digest(model: torch.nn.Module) -> str:
    parts = [tensor.numpy().tobytes() for tensor in model.state_dict().values()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def kill_where(rank: int, model: str, step: int, before: str) -> None:
    def kill(trainer: CMKDTrainer, *args: Any, **kwargs: Any) -> None:
        place = (trainer.args.process_index, Path(str(trainer.args.output_dir)).name, trainer.state.global_step)
        if place == (rank, model, step):
            os.kill(os.getpid(), signal.SIGKILL)

    record_calls(CMKDTrainer, before, kill)


def report(folder: Path) -> None:
    rank = int(os.environ.get("RANK", "0"))
    told = {"pid": os.getpid(), "written": written, "removed": removed, "calls": calls, "trainings": trainings}
    (folder / f"rank_{rank}.json").write_text(json.dumps(told))


def main(reports: Path, kill: dict[str, Any] | None, arguments: list[str]) -> None:
    sys.addaudithook(record_files)
    # these two write without Python's help
    record_calls(torch._C, "PyTorchFileWriter", lambda path, *_, **__: note(written, path))
    record_calls(safetensors.torch, "serialize_file", lambda _, path, *__, **___: note(written, path))
    record_calls(fastast_hf.data.features, "load_audio", lambda *_, **__: calls.append("load_audio"))
    for name in ("measure_speed", "describe_merging"):
        record_calls(fastast_hf.experiment.run, name, lambda *_, name=name, **__: calls.append(name))
    record_calls(CMKDTrainer, "train", record_training)
    HfApi.create_repo = lambda _, name, **__: (
        calls.append("create_repo") or RepoUrl(f"https://huggingface.co/you/{name}")
    )
    HfApi.upload_folder = lambda *_, **__: calls.append("upload_folder")
    if kill is not None:
        kill_where(**kill)
    atexit.register(report, reports)
    sys.argv = [str(DISTILL), *arguments]
    runpy.run_path(str(DISTILL), run_name="__main__")


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:])
