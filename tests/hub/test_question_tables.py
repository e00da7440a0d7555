"""Small tables, each with its question: what is written, and what a file must hold."""

import copy

import pytest

from fastast_hf.hub.results import check_results
from fastast_hf.hub.tables import results_block
from tests.hub.results_example import questions_example


def test_numbers_are_written_as_what_they_are():
    results = questions_example()
    check_results(results)
    block = results_block(results)
    assert "| Accuracy at merge ratio | 0 | 0.25 |" in block
    assert "| AST | 93.75 % | - |" in block
    assert "| tuned | 0.0010 | 0.0200 |" in block
    assert "| fold 1 | 55% | 30% |" in block
    assert "Eighty clips \\| of one fold." in block


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda first: first.pop("title"), r"`questions\[0\]\.title` must be given, got nothing"),
        (
            lambda first: first.update(format="points"),
            r"`questions\[0\]\.format` must be one of accuracy, kl, share, seconds, times, whole, exponent, p, got 'points'\. Say what",
        ),
        (
            lambda first: first["rows"][0].update(values=[0.5]),
            r"`questions\[0\]\.rows\[0\]\.values` must hold a number or null for each of 2 columns, got \[0\.5\]\. Fill",
        ),
        (
            lambda first: first["rows"][0].update(values=["much", 0.5]),
            r"`questions\[0\]\.rows\[0\]\.values` must hold a number or null",
        ),
        (lambda first: first["rows"][0].pop("name"), r"`questions\[0\]\.rows\[0\]\.name` must be given"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    results = copy.deepcopy(questions_example())
    change(results["questions"][0])
    with pytest.raises(ValueError, match=message):
        check_results(results)
