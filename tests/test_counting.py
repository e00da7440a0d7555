"""Counting the tests of a real run of pytest."""

import subprocess
import sys

from fastast_hf.hub.results import load_results
from tests.counting import question

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_that_passes(number):
    pass

def test_that_fails():
    assert False

@pytest.mark.skip(reason="not here")
def test_that_is_skipped():
    pass
"""


def test_what_pytest_wrote_becomes_a_results_file(tmp_path):
    (tmp_path / "test_it.py").write_text(TESTS)
    report, output = tmp_path / "tests.xml", tmp_path / "tests.json"
    options = ("-q", "-p", "no:cacheprovider", f"--junitxml={report}", "-c", "/dev/null", "--rootdir", str(tmp_path))
    run = subprocess.run([sys.executable, "-m", "pytest", *options, str(tmp_path)], capture_output=True, check=False)
    assert run.returncode == 1
    assert question(report)["rows"] == [{"name": "make test", "values": [4, 3, 1, 1]}]
    command = [sys.executable, "-m", "tests.counting", str(report), "--output", str(output)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout == f"{output}: 4 tests\n"
    assert load_results(output)["questions"] == [question(report)]
