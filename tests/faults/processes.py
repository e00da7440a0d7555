"""Real processes, one at a time: started, watched through their phases, and killed from outside."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TextIO

ROOT = Path(__file__).parents[2]


@dataclass
class Ended:
    """What a process leaves: its exit code (below 0: the signal that ended it), all it said, and the phase it ended in."""

    code: int
    words: str
    phase: str

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def trouble(self) -> str:
        """What to report of a process that was to end well; nothing if it did."""
        if self.code == 0:
            return ""
        lines = [line for line in self.words.splitlines() if line.strip()]
        return f"it ended with {self.code}: {' / '.join(lines[-2:]) or 'without a word'}"

    def not_said(self, *wanted: str) -> str:
        """What to report of a process that was to refuse in these words; nothing if it did."""
        if self.code <= 0:
            return f"it ended with {self.code} and was to refuse"
        missing = self.left_unsaid(*wanted)
        return missing and f"{missing}: {self.trouble}"

    def left_unsaid(self, *wanted: str) -> str:
        """What to report of a process that was to say these words; nothing if it did."""
        said = " ".join(self.words.split())
        return next((f"it did not say {words!r}" for words in wanted if words not in said), "")


class Watched:
    """A process and the phases that it tells of, as they come."""

    def __init__(self, worker: subprocess.Popen, lines: TextIO, pid: int) -> None:
        self.durations: dict[str, list[float]] = defaultdict(list)  # seconds
        self._worker = worker
        self._lines = lines
        self._pid = pid
        self._open: list[tuple[str, float]] = []

    def wait_for(self, phase: str, occurrence: int) -> bool:
        """Wait until a phase begins for so many times; tell whether it did before the process ended."""
        for line in self._lines:
            if self._note(line) == phase:
                occurrence -= 1
                if occurrence == 0:
                    return True
        return False

    def kill(self) -> None:
        """End it by SIGKILL, which leaves no time for anything. It is nobody's yet: the worker waits for it."""
        if self.is_running():
            os.kill(self._pid, signal.SIGKILL)

    def is_running(self) -> bool:
        """Tell whether it has not ended: until its end is told, its id is no other process's."""
        try:
            return Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except FileNotFoundError:
            return False

    def end(self) -> tuple[int, str]:
        """Read all that is left; give the exit code, and the phase that the process ended in."""
        for line in self._lines:
            self._note(line)
        phase = self._open[-1][0] if self._open else "starting or ending"
        return answer_of(self._worker)["code"], phase

    def _note(self, line: str) -> str | None:
        """Keep what a line tells; give the phase that it begins."""
        word, phase = line.rstrip("\n").split(" ", 1)
        if word == "begin":
            self._open.append((phase, time.monotonic()))
            return phase
        name, started = self._open.pop()
        self.durations[name].append(time.monotonic() - started)
        return None


class Starter:
    """Starts programs of `examples/` in a folder, and remembers how long their phases take."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            **{"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home"), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"},
            **{"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        }
        self.seconds: dict[str, float] = {}
        """How long a phase takes, as the first undisturbed start showed."""
        self._workers: dict[str, subprocess.Popen] = {}  # by the Hub that they know
        os.mkfifo(folder / "phases")

    def close(self) -> None:
        """End the processes that wait for orders."""
        for worker in self._workers.values():
            worker.communicate()

    def run(self, program: str, arguments: Sequence[object], environment: Mapping[str, str] | None = None) -> Ended:
        """Let a program come to its end."""
        with self.started(program, arguments, environment) as watched:
            code, phase = watched.end()
        for name, durations in watched.durations.items():
            self.seconds.setdefault(name, median(durations))
        return Ended(code, self.words(), phase)

    def kill(
        self,
        program: str,
        arguments: Sequence[object],
        phase: str,
        occurrence: int,
        rng: random.Random,
        environment: Mapping[str, str] | None = None,
    ) -> Ended:
        """Kill a program at a random moment from the beginning of a phase on, up to about its end.

        `Ended.phase` tells where that was; a program that ended before is not `was_killed`.
        """
        with self.started(program, arguments, environment) as watched:
            if watched.wait_for(phase, occurrence):
                time.sleep(rng.uniform(0, self.seconds.get(phase, 0.1)))
                watched.kill()
            code, ended_in = watched.end()
        return Ended(code, self.words(), ended_in)

    @contextmanager
    def started(
        self, program: str, arguments: Sequence[object], environment: Mapping[str, str] | None = None
    ) -> Iterator[Watched]:
        """Start a program for the time of a block, which has to wait for its `end`."""
        worker = self._worker(environment or {})
        order = {
            **{"program": program, "arguments": [str(argument) for argument in arguments]},
            **{"words": str(self.folder / "words.txt"), "phases": str(self.folder / "phases")},
        }
        print(json.dumps(order), file=worker.stdin, flush=True)
        pid = answer_of(worker)["pid"]
        with (self.folder / "phases").open() as lines:
            yield Watched(worker, lines, pid)

    def words(self) -> str:
        """Read what the last program said."""
        return (self.folder / "words.txt").read_text(errors="replace")

    def _worker(self, environment: Mapping[str, str]) -> subprocess.Popen:
        """Give the process that forks programs of this environment: the Hub's address is read while all is imported."""
        key = json.dumps(sorted(environment.items()))
        if key not in self._workers:
            self._workers[key] = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.worker"],
                cwd=self.folder,
                env={**self.environment, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self._workers[key]


def answer_of(worker: subprocess.Popen) -> dict[str, Any]:
    """Read the next answer of a worker."""
    assert worker.stdout is not None
    return json.loads(worker.stdout.readline())
