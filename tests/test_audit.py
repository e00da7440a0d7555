"""The audit of what is installed: what it says of answers that pip-audit gives. Nobody is asked here."""

import runpy
from pathlib import Path

import pytest

AUDIT = runpy.run_path(str(Path(__file__).resolve().parents[1] / ".ci" / "audit.py"))
FLAW = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.0"]}


@pytest.fixture
def audit(monkeypatch):
    """Give what runs the audit with answers in the place of pip-audit's, the first to its question for one package."""

    def run(*answers, accepted=()):
        left = iter(answers)
        names = AUDIT["main"].__globals__
        monkeypatch.setitem(names, "ask", lambda packages: next(left))
        monkeypatch.setitem(names, "ACCEPTED", dict.fromkeys(accepted, "looked at"))
        return AUDIT["main"]()

    return run


def package(name, *flaws):
    return {"name": name, "version": "1.0", "vulns": list(flaws)}


PROBE = [package("pip")]
SKIPPED = {"name": "torch", "skip_reason": "not found"}


def test_what_has_no_flaw_passes(audit, capsys):
    assert audit(PROBE, [package("numpy"), package("torch")]) == 0
    assert capsys.readouterr().out == "2 of 2 packages audited, 0 known flaws.\n"


def test_a_flaw_is_told_and_fails(audit, capsys):
    assert audit(PROBE, [package("numpy"), package("torch", FLAW)]) == 1
    assert "torch 1.0: PYSEC-1, mended in 2.0" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-1"])
def test_a_flaw_that_was_looked_at_passes(name, audit, capsys):
    assert audit(PROBE, [package("torch", FLAW)], accepted=[name]) == 0
    assert "0 known flaws" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((None,), "no list of known flaws can be reached"),
        (([SKIPPED],), "no list of known flaws can be reached"),
        ((PROBE, None), "was reached, and then no more"),
        ((PROBE, [package("numpy"), SKIPPED]), "of 2 packages, 1 could not be looked up"),
    ],
)
def test_what_was_not_looked_up_is_not_called_audited(answers, words, audit, capsys):
    assert audit(*answers) == 0
    told = capsys.readouterr().out
    assert told.startswith("NOT AUDITED: ")
    assert words in told


def test_a_few_that_are_not_on_the_list_are_named(audit, capsys):
    assert audit(PROBE, [*(package(f"package{number}") for number in range(20)), SKIPPED]) == 0
    assert "Not audited: torch" in capsys.readouterr().out
