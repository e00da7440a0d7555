"""Run a program, and tell how long it took and the most memory that it ever held.

The system counts for a process what its parent held when it was started: a program that a large process starts is never small.
So a small process stands between the two, which imports nothing but what it takes to start and wait.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_BETWEEN = """
import json, os, sys, time
report, *command = sys.argv[1:]
start = time.perf_counter()
process = os.posix_spawn(command[0], command, os.environ)
_, status, usage = os.wait4(process, 0)
seconds = time.perf_counter() - start
mib = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
with open(report, "w") as file:
    json.dump({"code": os.waitstatus_to_exitcode(status), "seconds": seconds, "mib": mib}, file)
"""


class Finished(NamedTuple):
    """What a program did.

    Attributes:
        code: it ended with, negative for a signal.
        stdout: what it printed.
        seconds: from its start to its end.
        mib: the most memory that it held.
    """

    code: int
    stdout: str
    seconds: float
    mib: float


def run_measured(command: Sequence[str]) -> Finished:
    """Run a program in a process of its own; what it says on stderr goes where ours goes.

    Args:
        command: the program by its path, and its arguments.

    Returns:
        What it did.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        between = [sys.executable, "-I", "-S", "-c", _BETWEEN, str(report), *command]
        stdout = subprocess.run(between, stdout=subprocess.PIPE, text=True, check=True).stdout
        told = json.loads(report.read_text())
    return Finished(told["code"], stdout, told["seconds"], told["mib"])
