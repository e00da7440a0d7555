"""Work in processes of their own, so that a crash, a hang or a lack of memory is seen and named, and ends nothing else."""

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.odd_sounds.judging import Outcome

SECONDS = 20.0
"""For one file: far more than any needs, on a machine that does much else."""

GROWTH_MIB = 384
"""For one file: a block of the most channels at the highest rate, its mean, and what resampling takes."""

_ADDRESS_GIB = 8
_START_SECONDS, _END_SECONDS = 300.0, 30.0
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")

Work = Callable[[str], str | None]


def run_all(
    make_work: Callable[[str], Work],
    argument: str,
    paths: Iterable[str],
    *,
    warm_up: str,
    seconds: float = SECONDS,
    growth_mib: float = GROWTH_MIB,
) -> Iterator[Outcome]:
    """Do a work on each path, in one process as long as it lives.

    Args:
        make_work: A function of a module, called with `argument` in the process.
        argument: Of it.
        paths: What to work on.
        warm_up: A path that is worked on before, so that what is only loaded once does not count.
        seconds: Time for a path.
        growth_mib: Memory for a path.

    Yields:
        What became of each path.
    """
    worker: _Worker | None = None
    try:
        for path in paths:
            worker = worker or _Worker(make_work, argument, warm_up)
            outcome = worker.outcome_of(path, seconds, growth_mib)
            if not worker.is_alive():
                worker = None
            yield outcome
    finally:
        if worker is not None:
            worker.stop()


class _Worker:
    """A process that works on one path at a time."""

    def __init__(self, make_work: Callable[[str], Work], argument: str, warm_up: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make_work, argument, warm_up), daemon=True)
        self._process.start()
        theirs.close()
        if not self._connection.poll(_START_SECONDS) or self._connection.recv() != "ready":
            raise RuntimeError(f"the process of {make_work.__name__} did not start")

    def outcome_of(self, path: str, seconds: float, growth_mib: float) -> Outcome:
        self._connection.send(path)
        if not self._connection.poll(seconds):
            self._process.kill()
            self._process.join()
            return Outcome("hung", f"no word after {seconds:g} s")
        try:
            outcome = self._connection.recv()
        except EOFError:
            self._process.join()
            return Outcome("crashed", _name_of(self._process.exitcode or 0))
        if outcome.grown_mib > growth_mib:
            return Outcome("too much memory", f"{outcome.grown_mib:.0f} MiB", outcome.grown_mib)
        return outcome

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def stop(self) -> None:
        """Let it end by itself, which gives back what it holds of the system, or end it."""
        self._connection.close()
        self._process.join(_END_SECONDS)
        self._process.kill()
        self._process.join()


def _name_of(exit_code: int) -> str:
    return signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"


def _serve(connection: Connection, make_work: Callable[[str], Work], argument: str, warm_up: str) -> None:
    """Work until nobody asks any more."""
    logging.disable(logging.WARNING)
    work = make_work(argument)
    work(warm_up)
    limit_memory()
    with Path(os.devnull).open("w") as nothing:  # libmpg123 tells stderr of all that it meets
        os.dup2(nothing.fileno(), 2)
    connection.send("ready")
    with suppress(EOFError):
        while True:
            connection.send(_outcome_of(work, connection.recv()))


def _outcome_of(work: Work, path: str) -> Outcome:
    before = _reset_peak()
    try:
        words = work(path)
    except MemoryError as error:
        return Outcome("too much memory", str(error))
    except Exception as error:
        return Outcome("crashed", f"{type(error).__name__}: {error}")
    grown = _peak_mib() - before
    return Outcome("answered", "", grown) if words is None else Outcome("refused", words, grown)


def limit_memory(process_id: int = 0) -> None:
    """Give a process, this one if none is named, so many addresses that one without bounds fails before the machine does."""
    import resource

    if hasattr(resource, "prlimit"):  # on Linux; elsewhere the limit of time alone holds
        _, hard = resource.prlimit(process_id, resource.RLIMIT_AS)
        resource.prlimit(process_id, resource.RLIMIT_AS, (_ADDRESS_GIB * 2**30, hard))


def _reset_peak() -> float:
    """Forget the most memory that this process held; give what it holds now."""
    if _CLEAR.exists():
        _CLEAR.write_text("5")
    return _status("VmRSS")


def _peak_mib() -> float:
    return _status("VmHWM")


def _status(name: str) -> float:
    """Read MiB of this process; 0 where the system does not tell."""
    if not _STATUS.exists():
        return 0.0
    fields: dict[str, Any] = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return int(fields[name].split()[0]) / 1024
