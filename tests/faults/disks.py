"""File systems of our own that fill up or turn read-only while a run writes: small tmpfs mounts, which need root."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.archives import Archives
from tests.faults.outcomes import Outcome
from tests.faults.processes import Ended
from tests.faults.runs import DISTILL, Runs

ROOMY = "64m"
FULL, READ_ONLY = "Disk full", "File system gone read-only"


def fill_disks(runs: Runs) -> Iterator[Outcome]:
    """Give a run that goes on too little room: for the next checkpoint, for what comes later, for the features."""
    if (reason := why_no_mounts(runs.folder)) is not None:
        yield Outcome(FULL, "a small tmpfs", None, reason)
        return
    rest = size_of(runs.reference) - size_of(runs.in_the_middle("middle"))
    for name, share in (
        ("the next checkpoint", 0.05),
        ("a later checkpoint", 0.5),
        ("the model or its results", 0.85),
    ):
        with mounted(runs.folder / "disk", ROOMY) as disk:
            run = runs.in_the_middle(disk / "run")
            share += runs.rng.uniform(0, 0.1)
            remount(disk, f"size={size_of(disk) + int(share * rest)}")
            ended = runs.start(run)
            remount(disk, f"size={ROOMY}")
            yield _outcome(FULL, name, ended, "No space left on device", runs, run)
    with mounted(runs.folder / "disk", "200k") as disk:
        ended = runs.start("full-cache", cache=disk / "cache")
        remount(disk, f"size={ROOMY}")
        yield _outcome(
            FULL, "the cache of the features", ended, "No space left on device", runs, "full-cache", disk / "cache"
        )


def make_read_only(runs: Runs, archives: Archives) -> Iterator[Outcome]:
    """Remount a run's file system read-only before it starts, and while it trains; an archive's too."""
    if (reason := why_no_mounts(runs.folder)) is not None:
        yield Outcome(READ_ONLY, "a tmpfs that is remounted", None, reason)
        return
    words = "Read-only file system"
    with mounted(runs.folder / "disk", ROOMY) as disk:
        run = runs.in_the_middle(disk / "run")
        remount(disk, "ro")
        ended = runs.start(run)
        remount(disk, "rw")
        yield _outcome(READ_ONLY, "before the start", ended, words, runs, run)
    with mounted(runs.folder / "disk", ROOMY) as disk:
        run = runs.in_the_middle(disk / "run")
        ended = _read_only_while(runs, run, disk, "training")
        remount(disk, "rw")
        yield _outcome(READ_ONLY, "while it trains", ended, words, runs, run)
    assert archives.reference.is_dir()
    with mounted(runs.folder / "disk", ROOMY) as disk:
        remount(disk, "ro")
        ended = archives.start(disk / "labels")
        remount(disk, "rw")
        said = ended.not_said(words)
        trouble = said or archives.start(disk / "labels").trouble or archives.what_differs(disk / "labels")
        yield Outcome(READ_ONLY, "of an archive", not trouble, trouble)


def _read_only_while(runs: Runs, run: Path, disk: Path, phase: str) -> Ended:
    """Remount as soon as nothing is being written, from the beginning of a phase on."""
    with runs.starter.started(DISTILL, runs.arguments(run)) as watched:
        assert watched.wait_for(phase, 1)
        while watched.is_running() and not try_remount(disk, "ro"):
            time.sleep(0.001)
        code, ended_in = watched.end()
    return Ended(code, runs.starter.words(), ended_in)


def _outcome(
    kind: str, fault: str, ended: Ended, words: str, runs: Runs, run: str | Path, cache: str | Path = "cache"
) -> Outcome:
    """The run must have ended in words, and the same command must come to the same weights once the fault is lifted."""
    said = ended.not_said(words, "what was saved before is still there")
    trouble = said or runs.start(run, cache=cache).trouble or runs.what_differs(run)
    return Outcome(kind, fault, not trouble, trouble)


@contextmanager
def mounted(place: Path, size: str) -> Iterator[Path]:
    """Mount a tmpfs for the time of a block."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def remount(place: Path, options: str) -> None:
    """Change a mount, such as its size."""
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


def try_remount(place: Path, options: str) -> bool:
    """Change a mount unless it is busy."""
    return (
        subprocess.run(["mount", "-o", f"remount,{options}", place], check=False, capture_output=True).returncode == 0
    )


def why_no_mounts(folder: Path) -> str | None:
    """Say why nothing can be mounted here; None if it can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "mounting needs root"
    try:
        with mounted(folder / "tried", "64k"):
            return None
    except (OSError, subprocess.CalledProcessError) as error:
        return f"nothing can be mounted: {error}"


def size_of(folder: Path) -> int:
    """Count the bytes of a folder's files, in pages as a tmpfs does."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())
