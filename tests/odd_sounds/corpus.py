"""The whole corpus: made in memory, written into a folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.odd_sounds.damage import odd_cuts, odd_damage, odd_strangers
from tests.odd_sounds.formats import odd_formats, odd_layouts
from tests.odd_sounds.headers import odd_other_headers, odd_wav_chunks, odd_wav_formats
from tests.odd_sounds.making import Expected, OddSound
from tests.odd_sounds.names import odd_names
from tests.odd_sounds.signals import odd_lengths, odd_signals

THEMES = (
    odd_formats,
    odd_layouts,
    odd_signals,
    odd_lengths,
    odd_cuts,
    odd_damage,
    odd_strangers,
    odd_wav_formats,
    odd_wav_chunks,
    odd_other_headers,
    odd_names,
)


class OddFile(NamedTuple):
    """A file of the corpus that was written."""

    theme: str
    path: str
    expected: Expected


def odd_sounds() -> Iterator[OddSound]:
    """Make all of them, always the same but for the numbers that Ogg streams get."""
    for theme in THEMES:
        yield from theme()


def write_corpus(folder: Path) -> list[OddFile]:
    """Write all of them, each theme into a folder of its own; leave out names that the file system refuses."""
    written = []
    for odd in odd_sounds():
        path = folder / odd.theme / odd.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if odd.data is None:
                os.mkfifo(path)
            elif isinstance(odd.data, str):
                path.symlink_to(odd.data)
            else:
                path.write_bytes(odd.data)
                if odd.size:
                    os.truncate(path, odd.size)
        except OSError:
            continue
        written.append(OddFile(odd.theme, os.fspath(path), odd.expected))
    return written
