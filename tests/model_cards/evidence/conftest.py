"""Places of their own for the numbers and models of the evidence."""

import pytest

from model_cards.evidence import places


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    """No results yet, and nothing written into the project."""
    monkeypatch.setattr(places, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(places, "RUNS", tmp_path / "runs")
    return tmp_path / "results"
