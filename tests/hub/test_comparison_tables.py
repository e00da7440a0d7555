"""Tables of several models over folds: what is written, and what a file must hold."""

import copy
from statistics import mean, stdev

import pytest

from fastast_hf.hub.comparison_tables import comparison_table, pairs_table
from fastast_hf.hub.results import check_results
from fastast_hf.hub.tables import results_block
from tests.hub.results_example import comparison_example, speed_example


def test_means_deviations_and_ratios_are_written():
    results = comparison_example()
    check_results(results)
    table = comparison_table(results)
    accuracy = results["comparison"]["rows"][0]["accuracy"]
    assert f"| AST | labels | {100 * mean(accuracy):.2f} ± {100 * stdev(accuracy):.2f} % |" in table
    assert "| 1.00x | 1.00x | 1,393 |" in table
    assert "| FastAST \\| CMKD | labels and teacher |" in table
    assert "mean and standard deviation over 2 folds, 160 clips" in table
    assert "ratios to AST" in table


def test_one_part_has_no_deviation_and_what_was_not_measured_no_column():
    results = comparison_example()
    comparison = results["comparison"]
    comparison |= {"num_parts": 1, "pairs": []}
    for row in comparison["rows"]:
        row |= {"accuracy": [0.5], "map": [0.25], "speed_up": None, "training_speed_up": None}
        row.pop("training_peak_mib", None)
    check_results(results)
    table = comparison_table(results)
    assert "| AST | labels | 50.00 % | 0.250 |" in table
    assert "±" not in table and "Clips/s" not in table and "one fold" in table
    assert pairs_table(results) == ""


def test_differences_are_written_with_their_sign_and_what_chance_makes_of_them():
    table = pairs_table(comparison_example())
    assert "| FastAST \\| CMKD against AST | +3.12 | -0.50 to +6.75 | 9 and 4 | 0.27 |" in table
    assert "| FastAST \\| CMKD against CNN teacher | -1.00 | -2.00 to +0.00 | - | - |" in table


def test_the_block_says_how_speed_was_measured():
    results = comparison_example() | {"speed": speed_example()}
    block = results_block(results)
    assert "Speed: all models in one run" in block
    assert block.endswith("```bash\npython -m model_cards.evidence --only esc10\n```")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: part.pop("baseline"), r"`comparison\.baseline` must be given, got nothing"),
        (
            lambda part: part.update(num_clips="many"),
            r"`comparison\.num_clips` must be an integer of at least 1, got 'many'",
        ),
        (lambda part: part.update(part="<b>"), r"`comparison\.part` must be \"fold\" or \"seed\", got '<b>'"),
        (lambda part: part.update(num_parts=0), r"`comparison\.num_parts` must be an integer of at least 1, got 0"),
        (
            lambda part: part["rows"][0]["accuracy"].pop(),
            r"`comparison\.rows\[0\]\.accuracy` must hold one number a fold, 2 in all, got 1\. Leave a row out",
        ),
        (
            lambda part: part["rows"][1].update(map=[0.5, 50.0]),
            r"`comparison\.rows\[1\]\.map` must lie in \[0, 1\], got 50",
        ),
        (
            lambda part: part["rows"][0].update(accuracy=[0.5, None]),
            r"`comparison\.rows\[0\]\.accuracy` must lie in \[0, 1\], got None",
        ),
        (
            lambda part: part["rows"][0].update(speed_up="fast"),
            r"`comparison\.rows\[0\]\.speed_up` must be a finite number, got 'fast'",
        ),
        (
            lambda part: part["pairs"][0].update(second="nobody"),
            r"`comparison\.pairs\[0\]\.second` must name one of the rows, got 'nobody'\. Compare what is there",
        ),
        (lambda part: part.update(pairs=[1]), r"`comparison\.pairs\[0\]\.first` must be given, got nothing"),
        (
            lambda part: part["pairs"][0].update(p_value=2),
            r"`comparison\.pairs\[0\]\.p_value` must lie in \[0, 1\], got 2",
        ),
        (
            lambda part: part["pairs"][0].update(p_value=None),
            r"`comparison\.pairs\[0\]\.p_value` must be a finite number, got None",
        ),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    results = copy.deepcopy(comparison_example())
    change(results["comparison"])
    with pytest.raises(ValueError, match=message):
        check_results(results)
