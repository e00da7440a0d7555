"""What becomes of a file on a bad day."""

import os
import random
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path, random.Random], None]


def truncate(path: Path, rng: random.Random) -> None:
    """Lose the end, at any place."""
    size = path.stat().st_size
    os.truncate(path, rng.randrange(size))


def flip(path: Path, rng: random.Random) -> None:
    """Change one bit in the second half, where a file of weights has numbers."""
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data) // 2, len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def empty_end(path: Path, rng: random.Random) -> None:
    """Keep the length and lose the end to zeros, as when a machine loses its power before the disk has all."""
    data = path.read_bytes()
    kept = rng.randrange(len(data) // 4, 3 * len(data) // 4)
    path.write_bytes(data[:kept] + bytes(len(data) - kept))
