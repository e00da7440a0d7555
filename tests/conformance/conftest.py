"""Make transformers' own test modules importable, and remember how each of their tests ended."""

import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest
import transformers
from transformers import testing_utils

from tests.conformance.fetch import folder_of

STUBS = Path(__file__).parent / "stubs"
collect_ignore = [str(STUBS)]


@dataclass
class Outcomes:
    """How the tests of one class ended."""

    count: Counter[str] = field(default_factory=Counter)  # passed, skipped, failed
    ran: set[str] = field(default_factory=set)
    skips: set[str] = field(default_factory=set)  # test, part of it, reason


_outcomes: dict[str, Outcomes] = {}


def pytest_configure(config: pytest.Config) -> None:
    theirs = folder_of()
    if not theirs.is_dir():
        raise pytest.UsageError(
            f"{theirs} must hold transformers' own tests, and is not there. Run `make conformance`."
        )
    # One package out of two places: what the source distribution has, and stand-ins for what it leaves out.
    package = ModuleType("transformers_tests")
    package.__path__ = [str(theirs), str(STUBS)]
    sys.modules[package.__name__] = package

    # Their code may warn, ours may not.
    config.addinivalue_line("filterwarnings", f"default:::{package.__name__}")
    for source in (theirs / "test_modeling_common.py", Path(testing_utils.__file__)):
        for marker in sorted(set(re.findall(r"\bmark\.(\w+)", source.read_text()))):
            config.addinivalue_line("markers", f"{marker}: transformers' own")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the end of a test, and the skip of a whole test or of one of its subtests."""
    file, *group, test = report.nodeid.split("::")
    if not (file.endswith("test_modeling.py") and group):
        return
    outcomes = _outcomes.setdefault(group[0], Outcomes())
    outcomes.ran.add(test)
    subtest = getattr(report, "context", None)
    if report.skipped:
        _, _, reason = report.longrepr
        part = f" [{subtest.msg}]" if subtest else ""
        # What a skip says of a class of ours has to be what it says of AST's.
        text = re.sub(r"<class '[\w.]*\.(\w+)'>", r"\1", f"{test}{part}: {reason.removeprefix('Skipped: ')}")
        outcomes.skips.add(text.replace("FastAST", "AST"))
    if subtest is None and (report.when == "call" or not report.passed):
        outcomes.count[report.outcome] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _outcomes:
        return
    terminalreporter.section(f"transformers {transformers.__version__}'s own model tests")
    for name, outcomes in _outcomes.items():
        counts = ", ".join(f"{outcomes.count[outcome]} {outcome}" for outcome in ("passed", "skipped", "failed"))
        terminalreporter.write_line(f"{name}: {counts}")
    terminalreporter.write_line("Not run: its export and pipeline tests, which its source distribution does not have.")


@pytest.fixture
def outcomes() -> dict[str, Outcomes]:
    """How the tests that ran so far ended, by class."""
    return _outcomes
