"""Where a number was measured: hardware, versions, date and command."""

import os
import platform
import re
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import torch

from fastast_hf.model.version import __version__

_SECRET = re.compile(r"--(\w+[-_])?token")


def environment(
    *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, argv: Sequence[str] | None = None
) -> dict[str, Any]:
    """Describe this process, so that somebody else can repeat what it measures.

    Args:
        device: Where the models run. A GPU is named only if it is used.
        dtype: The dtype the models run in.
        argv: The command, `sys.argv` if not given.

    Returns:
        A dictionary for JSON: `hardware` (`cpu` and `gpu` by name, `cores`: logical cores that this process may use,
        `threads`: torch's, `cpu_capability`: the vector instructions that torch uses, `system`), `versions` (python,
        torch, transformers, fastast_hf), `dtype`, `date` (UTC, ISO 8601) and `command` (see `command_line`).
    """
    device = torch.device(device)
    return {
        "hardware": {
            "cpu": _cpu_name(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "cores": _usable_cores(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": version("transformers"),
            "fastast_hf": __version__,
        },
        "dtype": str(dtype).removeprefix("torch."),
        "date": datetime.now(UTC).date().isoformat(),
        "command": command_line(argv),
    }


def command_line(argv: Sequence[str] | None = None) -> str:
    """Write a command as others can repeat it: the program's name and its arguments, quoted for a shell.

    A path of this machine would tell the reader nothing and the world too much: an absolute path becomes relative if
    it lies below the working directory, else only its last part stays.

    Args:
        argv: The program and its arguments, `sys.argv` if not given.

    Returns:
        One line of text.

    Example:
        >>> command_line(["/opt/tools/distill.py", "--data_dir=/srv/sounds/esc 10", "--seed", "0"])
        "distill.py '--data_dir=esc 10' --seed 0"
    """
    program, *arguments = sys.argv if argv is None else argv
    path = _pure_path(program)
    start = [path.name]
    if path.name == "__main__.py":
        spec = sys.modules["__main__"].__spec__ if argv is None else None
        start = ["python", "-m", path.parent.name if spec is None else spec.parent or path.parent.name]
    return shlex.join([*start, *map(without_machine_path, _without_secrets(arguments))])


def _without_secrets(arguments: Sequence[str]) -> list[str]:
    """Leave out `--token x` and `--hub_token=x`: the line is published."""
    kept: list[str] = []
    secret_follows = False
    for argument in arguments:
        if not secret_follows and _SECRET.fullmatch(argument.split("=", 1)[0]):
            secret_follows = "=" not in argument
        elif secret_follows:
            secret_follows = False
        else:
            kept.append(argument)
    return kept


def without_machine_path(argument: str) -> str:
    """Shorten an absolute path, alone or in `--name=path`, to what others can use.

    Args:
        argument: Any text.

    Returns:
        A path below the working directory relative to it, the last part of any other absolute path, and all other text
        as it is.
    """
    if argument.startswith("-") and "=" in argument:
        name, value = argument.split("=", 1)
        return f"{name}={without_machine_path(value)}"
    path = _pure_path(argument)
    if not path.is_absolute():
        return argument
    if path.is_relative_to(Path.cwd()):
        return path.relative_to(Path.cwd()).as_posix()
    return path.name


def _pure_path(text: str) -> PurePath:
    """Read a path as Windows writes it if only Windows would call it absolute."""
    windows = PureWindowsPath(text)
    return windows if windows.drive else PurePosixPath(text)


def _usable_cores() -> int:
    """Count the logical cores that this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    """Name the processor: `platform.processor()` is empty on most Linux systems, so read what the kernel says."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
