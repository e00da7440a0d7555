"""Run `examples/classify_archive.py` in this process as it is: `archive_worker.py KILL arguments...`.

KILL says in JSON before which shard the process sends itself a signal: SIGKILL, which leaves no time for anything, or another
by its name. `{"shard": 3, "is_aside": true, "signal": "SIGINT"}` is when the shard is written aside and not renamed yet.
"""

import json
import os
import runpy
import signal as signals
import sys
from pathlib import Path
from typing import Any

from fastast_hf.classification import shards

PROGRAM = Path(__file__).parents[2] / "examples" / "classify_archive.py"


def kill_where(shard: int, is_aside: bool, signal: str = "SIGKILL") -> None:
    """Send a signal at a shard, before it is written or before it is renamed."""
    write = shards.pq.write_table

    def write_or_die(table: Any, path: Path, **options: Any) -> None:
        is_here = path.name.startswith(f"_shard-{shard:05}-")
        if not is_here or is_aside:
            write(table, path, **options)
        if is_here:
            os.kill(os.getpid(), signals.Signals[signal])

    shards.pq.write_table = write_or_die


if __name__ == "__main__":
    signals.signal(signals.SIGINT, signals.default_int_handler)  # a shell's background job inherits that it is ignored
    kill_where(**json.loads(sys.argv[1]))
    sys.argv = [str(PROGRAM), *sys.argv[2:]]
    runpy.run_path(str(PROGRAM), run_name="__main__")
