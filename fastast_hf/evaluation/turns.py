"""How rows that are measured side by side take turns: who is first, and what the next one finds."""

import gc
import time
from collections.abc import Sequence

# OpenBLAS's threads spin for 2**26 cycles after their last work, some 30 ms; those of OpenMP and ONNX Runtime for less.
SECONDS_TO_FALL_ASLEEP = 0.1


def rotated(names: Sequence[str], by: int) -> list[str]:
    """Move the first names after the last, so that from turn to turn another row is the first.

    Args:
        names: The rows.
        by: How many to move; the number of the turn, from 0.

    Returns:
        The names in the order of that turn.

    Example:
        >>> [rotated("abc", turn) for turn in range(3)]
        [['a', 'b', 'c'], ['b', 'c', 'a'], ['c', 'a', 'b']]
    """
    by %= len(names)
    return [*names[by:], *names[:by]]


def let_threads_fall_asleep() -> None:
    """Leave the next row an idle machine: no garbage of the row before, and none of its threads."""
    gc.collect()
    time.sleep(SECONDS_TO_FALL_ASLEEP)
