"""What crashes, hangs or takes memory in its process is named, and the next path gets a process that works."""

import os
import signal
import threading
from pathlib import Path

import pytest

from tests.odd_sounds.processes import run_all

HOLD = []


def misbehave(argument):
    """Make a work that does what its path says."""
    deeds = {
        "answer": lambda: None,
        "refuse": lambda: f"{argument} must not",
        "raise": lambda: 1 / 0,
        "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
        "exit": lambda: os._exit(7),
        "hang": lambda: threading.Event().wait(),
        "ask for all memory": lambda: bytearray(2**60) and None,
        "hold memory": lambda: HOLD.append(b"x" * 100 * 2**20),
    }
    return lambda path: deeds[path]()


def test_each_end_is_named_and_none_ends_the_others():
    paths = ["answer", "refuse", "raise", "ask for all memory", "crash", "answer", "exit", "answer"]
    outcomes = list(run_all(misbehave, "it", paths, warm_up="answer", seconds=300))
    assert [(outcome.kind, outcome.words) for outcome in outcomes] == [
        ("answered", ""),
        ("refused", "it must not"),
        ("crashed", "ZeroDivisionError: division by zero"),
        ("too much memory", ""),
        ("crashed", "SIGSEGV"),
        ("answered", ""),
        ("crashed", "exit code 7"),
        ("answered", ""),
    ]


def test_what_never_ends_is_ended():
    [outcome] = run_all(misbehave, "it", ["hang"], warm_up="answer", seconds=0.5)
    assert (outcome.kind, outcome.words) == ("hung", "no word after 0.5 s")


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not tell a process's peak")
def test_memory_is_counted_for_each_path():
    outcomes = list(run_all(misbehave, "it", ["answer", "hold memory", "answer"], warm_up="answer", growth_mib=50))
    assert [outcome.kind for outcome in outcomes] == ["answered", "too much memory", "answered"]
    assert 100 <= outcomes[1].grown_mib < 150
    assert outcomes[2].grown_mib < 10


def test_a_work_that_cannot_be_made_is_told():
    with pytest.raises((RuntimeError, EOFError)):
        next(run_all(misbehave, "it", ["answer"], warm_up="no such deed"))
