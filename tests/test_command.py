"""The command before the package is there: quiet when it is interrupted, and seen to start on a terminal."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TIMEOUT = 60  # seconds that a process may take: far more than any needs

PACKAGE_OF_A_TEST = """
import sys, types

class Package:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "fastast_hf":
            {at_import}

sys.meta_path.insert(0, Package())
import fastast_command
fastast_command.main()
"""


def run(at_import, **environment):
    """Run the command where importing the package does something else."""
    return subprocess.run(
        [sys.executable, "-c", PACKAGE_OF_A_TEST.format(at_import=at_import)],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )


def test_an_interruption_while_packages_load_has_no_traceback():
    done = run("raise KeyboardInterrupt")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_package_that_cannot_be_loaded_keeps_its_traceback():
    done = run("raise ImportError('no torch here')")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ImportError: no torch here"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_shows_that_something_goes_on(is_terminal):
    done = run("import time; time.sleep(0.5); raise KeyboardInterrupt", TTY_COMPATIBLE=str(int(is_terminal)))
    assert ("Loading torch and transformers" in done.stderr) == is_terminal
    assert (done.returncode, done.stdout) == (130, "")


def test_it_hands_over_to_the_command_line(monkeypatch):
    import fastast_command
    import fastast_hf.cli

    handed_over = []
    monkeypatch.setattr(fastast_hf.cli, "main", lambda: handed_over.append(gc.isenabled()))
    monkeypatch.setattr(
        gc, "freeze", lambda: handed_over.append("frozen")
    )  # else it would be so for all tests that follow
    fastast_command.main()
    assert handed_over == ["frozen", True]
