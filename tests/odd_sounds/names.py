"""Whole sounds with odd names, in odd places and behind links: each whole sound must be answered."""

import os
import unicodedata
from collections.abc import Iterator

from tests.odd_sounds.making import OddSound, encode

NAMES = (
    "café.wav",
    unicodedata.normalize("NFD", "café decomposed.wav"),
    "狗叫聲.wav",
    "כלב נובח.wav",
    "كلب.wav",
    "🐕🔊.wav",
    "👩‍👩‍👧.wav",
    "z̸̡̛a̶͝l̵͠g̷o.wav",
    "zero\u200bwidth.wav",
    "right-to-left\u202evaw.wav",
    "byte-order\ufeffmark.wav",
    "line\u2028separator.wav",
    "new\nline.wav",
    "carriage\rreturn.wav",
    "tab\tstop.wav",
    "bell\a.wav",
    "escape\x1b[2J\x1b[31m.wav",
    "delete\x7f.wav",
    os.fsdecode(b"no-utf-8-\xff\xfe.wav"),
    os.fsdecode("latin-1-é.wav".encode("latin-1")),
    os.fsdecode(b"half-a-character-\xe2\x82.wav"),
    " .wav",
    "  two spaces  .wav",
    "ends with a space.wav ",
    "-dash.wav",
    "--help.wav",
    "-",
    "..wav",
    "...",
    ".hidden.wav",
    "no-ending",
    "two.endings.tar.wav",
    "CAPITALS.WAV",
    "wrong-ending.txt",
    "ends-with-a-dot.wav.",
    "quote'.wav",
    'double"quote.wav',
    "back\\slash.wav",
    "semi;colon.wav",
    "$HOME.wav",
    "`whoami`.wav",
    "%s%n%d.wav",
    "{path}.wav",
    "[bold red]markup[/].wav",
    "*.wav",
    "[a-z]?.wav",
    "comma,and;more.wav",
    "=1+1.wav",
    "file:name.wav",
    "http:__example.com.wav",
    "~.wav",
    "CON.wav",
    "#fragment?query=1.wav",
    "x" * 251 + ".wav",
    "字" * 83 + ".wav",
    "/".join(["a-very-deep-folder-of-many-letters"] * 20) + "/deep.wav",
    "folder.wav/sound.wav",
)
NOT_FOUND = "gone.wav"


def odd_names() -> Iterator[OddSound]:
    """Give one sound under many names, and links."""
    data = encode()
    for name in NAMES:
        yield OddSound("names", name, data, "answer")
    yield OddSound("names", "link.wav", "CAPITALS.WAV", "answer")
    yield OddSound("names", "link-to-a-link.wav", "link.wav", "answer")
    yield OddSound("names", "link-to-nothing.wav", NOT_FOUND, "refused")
    yield OddSound("names", "link-to-zeros-without-end.wav", "/dev/zero", "refused")
    yield OddSound("names", "link-to-itself.wav", "link-to-itself.wav", "refused")
    yield OddSound("names", "named-pipe.wav", None, "refused")
    yield OddSound("names", "link-to-a-pipe.wav", "named-pipe.wav", "refused")
    yield OddSound("names", "sound-before-zeros.wav", data, "answer", size=2**29)
    yield OddSound("names", "8-gib-of-zeros.wav", b"", "refused", size=8 * 2**30)
    yield OddSound("names", "8-gib-of-zeros.mp3", b"", "refused", size=8 * 2**30)
