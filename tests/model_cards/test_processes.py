"""Time and memory of a program, whoever starts it."""

import sys

import numpy as np

from model_cards.processes import run_measured

MIB = 2**20


def test_a_program_is_measured():
    done = run_measured([sys.executable, "-c", "print('said'); held = b'x' * (200 * 2**20)"])
    assert (done.code, done.stdout) == (0, "said\n")
    assert done.seconds > 0
    assert 200 < done.mib < 300


def test_what_the_one_who_starts_it_holds_does_not_count():
    held = np.ones(300 * MIB // 8)
    done = run_measured([sys.executable, "-S", "-c", ""])
    assert done.mib < 100, f"beside {held.nbytes / MIB:.0f} MiB here"


def test_how_a_program_ends_is_told():
    assert run_measured([sys.executable, "-c", "import sys; sys.exit(3)"]).code == 3
    assert run_measured([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]).code == -9
