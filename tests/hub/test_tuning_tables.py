"""The tables of a search, and what must be there for them."""

import copy
import math

import pytest

from fastast_hf.hub.results import check_results
from fastast_hf.hub.tables import results_block
from fastast_hf.hub.tuning_tables import (
    better_constant_note,
    check_tuning,
    chosen_row,
    drop_of,
    layers_line,
    tuning_table,
)
from tests.hub.results_example import EXAMPLE

RESULTS = {
    **{name: EXAMPLE[name] for name in ("schema", "date", "environment")},
    "kind": "tuning",
    "command": "fastast tune mine --data-dir sounds --speedup 4",
    "model": "mine",
    "tuning": {
        "speedup": 4.0,
        "max_drop": None,
        "num_clips_searched": 80,
        "num_clips_checked": 40,
        "num_frames": 512,
        "trials": 120,
        "seconds": 90.0,
        "seed": 0,
        "rows": [
            {
                "name": "ratio 0.25",
                "merging": {"merge_ratio": [0.25, 0.25]},
                "mac_ratio": 4.0,
                "mean_kl": 0.004,
                "top_answer": 0.95,
            },
            {
                "name": "tuned 4x",
                "merging": {"merge_ratio": [0.4, 0.05]},
                "mac_ratio": 4.0012,
                "mean_kl": 0.002,
                "top_answer": 0.975,
            },
            {
                "name": "r 20",
                "merging": {"tokens_merged_per_layer": 20},
                "mac_ratio": 1.5,
                "mean_kl": 0.0001,
                "top_answer": 1.0,
            },
        ],
        "chosen": "tuned 4x",
    },
}


ROW = RESULTS["tuning"]["rows"][1]


def changed(**fields):
    results = copy.deepcopy(RESULTS)
    results["tuning"].update(fields)
    return results


def test_schedules_stand_in_the_order_of_what_they_save():
    table, line = tuning_table(RESULTS).split("\n\n")
    assert table.splitlines() == [
        "| mine | MAC ratio | Mean KL | Same answer | Chosen |",
        "|---|---:|---:|---:|---:|",
        "| r 20 | 1.50x | 0.00010 | 100.0% |  |",
        "| ratio 0.25 | 4.00x | 0.00400 | 95.0% |  |",
        "| tuned 4x | 4.00x | 0.00200 | 97.5% | yes |",
    ]
    assert line == (
        "Answers: of 40 clips that the search did not see, beside those without merging; 120 schedules were tried on 80 "
        "others, in 1.5 minutes."
    )


def test_the_chosen_schedule_is_spelt_out():
    assert chosen_row(RESULTS)["mean_kl"] == 0.002
    assert layers_line(RESULTS) == "Merge ratio of each layer: 0.4, 0.05."


BETTER = {
    "name": "ratio 0.25",
    "mean_kl": 0.004,
    "command": "fastast convert /srv/mine mine-ratio-0.25 --merge-ratio 0.25",
}


def test_a_constant_that_is_better_is_noted_with_what_takes_it():
    rows = copy.deepcopy(RESULTS["tuning"]["rows"])
    rows[1]["mean_kl"] = 0.005
    results = changed(better_constant=BETTER, rows=rows)
    line, command = better_constant_note(results)
    assert line == (
        "Note: on the clips that judge, ratio 0.25 moves the answers less than tuned 4x, which was chosen: mean KL 0.00400 "
        "at 4.00x, not 0.00500 at 4.00x. These clips only judge: a schedule that they chose, they could not judge. This takes "
        "ratio 0.25:"
    )
    assert command == "```bash\nfastast convert mine mine-ratio-0.25 --merge-ratio 0.25\n```"
    assert f"\n\n{line}\n\n{command}\n\nMerge ratio of" in results_block(results)


def test_where_no_constant_is_better_nothing_is_noted():
    for results in (RESULTS, changed(better_constant=None)):
        check_results(results)
        assert better_constant_note(results) == []


def test_sounds_that_were_left_out_are_counted():
    results = changed(unreadable={"a.wav": "empty", "b.wav": "cut short"})
    check_results(results)
    assert tuning_table(results).endswith("in 1.5 minutes. Left out because they cannot be read: 2.")
    assert tuning_table(changed(unreadable={})).endswith("in 1.5 minutes.")


def by_drop(max_drop, *, searched=0.9875, judging=0.975, **fields):
    """Results of a search by `max_drop`: what of the clips keeps its best label under the chosen schedule."""
    rows = copy.deepcopy(RESULTS["tuning"]["rows"])
    rows[1].update(top_answer=judging, top_answer_searched=searched)
    results = changed(speedup=None, max_drop=max_drop, rows=rows, **fields)
    check_results(results)
    return results


def test_what_chose_by_a_drop_is_a_column_of_its_own_and_said():
    table, answers, chosen = tuning_table(by_drop(2.5)).split("\n\n")
    assert table.splitlines() == [
        "| mine | MAC ratio | Mean KL | Same answer | Same, searched on | Chosen |",
        "|---|---:|---:|---:|---:|---:|",
        "| r 20 | 1.50x | 0.00010 | 100.0% |  |  |",
        "| ratio 0.25 | 4.00x | 0.00400 | 95.0% |  |  |",
        "| tuned 4x | 4.00x | 0.00200 | 97.5% | 98.8% | yes |",
    ]
    assert answers.startswith("Answers: of 40 clips that the search did not see")
    assert chosen == (
        "Chosen by the clips that were searched on: the fastest that changes the best label of at most 2.5 of 100 of them, "
        "up to the first speed-up where none did. The clips that judge had no say in it."
    )


def test_clips_that_judge_a_drop_to_be_more_are_told():
    *_, note = tuning_table(by_drop(2.5, judging=0.9)).split("\n\n")
    assert note == (
        "Note: on the clips that judge, tuned 4x changes the best label of 10.0 of 100, more than the 2.5 that were allowed. "
        "Allow fewer, or ask for a lower speed-up."
    )


@pytest.mark.parametrize(
    ("max_drop", "counts", "note"),
    [
        (2.4, (80, 40), "one clip is 2.5 of 100 of those that judge, more than the 2.4 that were allowed"),
        (1.2, (80, 90), "one clip is 1.25 of 100 of those that were searched on, more than the 1.2 that were allowed"),
        (
            0.3,
            (80, 40),
            "one clip is 1.25 of 100 of those that were searched on and 2.5 of 100 of those that judge, more",
        ),
        (2.5, (80, 40), None),
        (0.0, (80, 40), None),
    ],
)
def test_clips_too_few_for_a_drop_are_told(max_drop, counts, note):
    fields = dict(zip(("num_clips_searched", "num_clips_checked"), counts, strict=True))
    text = tuning_table(by_drop(max_drop, searched=1.0, judging=1.0, **fields))
    assert ("Note: " in text) == (note is not None)
    if note is not None:
        assert f"Note: {note}" in text
        least = math.ceil(100 / max_drop)
        assert text.endswith(f"so few clips cannot tell. It takes at least {least} of each.")
        assert 100 / least <= max_drop < 100 / (least - 1)


def test_nothing_is_said_of_what_chose_where_a_saving_was_asked_for():
    rows = by_drop(2.5)["tuning"]["rows"]
    assert tuning_table(changed(rows=rows)) == tuning_table(RESULTS)


def test_a_drop_is_a_decimal_fraction():
    assert [drop_of(share) for share in (1.0, 0.98, 0.9875, 0.0)] == [0.0, 2.0, 1.25, 100.0]
    assert 100 * (1 - 0.98) > 2


def test_a_block_holds_table_layers_conditions_and_command():
    check_results(RESULTS)
    *_, layers, search, command = results_block(RESULTS).split("\n\n")
    assert layers.startswith("Merge ratio of each layer")
    assert search == (
        "Search: 512 frames; seed 0; A Processor; 2 cores, 2 threads; python 3.11.2, torch 2.13.0, transformers 5.24.0, "
        r"fastast\_hf 0.1.0; 2025-01-31."
    )
    assert "fastast tune mine" in command


def test_a_name_from_outside_is_escaped():
    assert r"| a\|b |" in tuning_table({**RESULTS, "model": "a|b"})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trials": None}, r"`tuning\.trials` must be a finite number, got None"),
        ({"trials": -1}, r"`tuning\.trials` must be at least 0, got -1"),
        ({"seconds": float("inf")}, r"`tuning\.seconds` must be a finite number"),
        ({"seconds": 10**400}, r"`tuning\.seconds` must be a finite number, got 1000"),
        ({"num_frames": None}, r"`tuning\.num_frames` must be a finite number, got None"),
        ({"seed": None}, r"`tuning\.seed` must be of type int, got None"),
        ({"rows": {}}, r"`tuning\.rows` must be of type list, got \{\}"),
        ({"rows": [1]}, r"`tuning\.rows\[0\]\.merging` must be given, got nothing"),
        ({"rows": [{**ROW, "mean_kl": -1}]}, r"`tuning\.rows\[0\]\.mean_kl` must be at least 0, got -1"),
        ({"rows": [{**ROW, "mac_ratio": 10**400}]}, r"`tuning\.rows\[0\]\.mac_ratio` must be a finite number, got 10"),
        ({"rows": [{**ROW, "top_answer": 95}]}, r"`tuning\.rows\[0\]\.top_answer` must lie in \[0, 1\], got 95"),
        ({"rows": [{**ROW, "merging": 4}]}, r"`tuning\.rows\[0\]\.merging` must be of type dict, got 4"),
        ({"rows": [{**ROW, "name": " "}]}, r"`tuning\.rows\[0\]\.name` must be text that is not blank, got ' '"),
        (
            {"rows": [{**ROW, "merging": {"tokens_merged_per_layer": 20}}]},
            r"`tuning\.rows\[0\]\.merging\.merge_ratio` must be a list, got None",
        ),
        (
            {"rows": [{**ROW, "merging": {"merge_ratio": [0.25, "0.5"]}}]},
            r"`tuning\.rows\[0\]\.merging\.merge_ratio\[1\]` must be a finite number, got '0\.5'",
        ),
        (
            {"better_constant": {**BETTER, "name": "r 9"}},
            r"`tuning\.better_constant` must be null, or have the name of one",
        ),
        (
            {"better_constant": {**BETTER, "command": 5}},
            r"`tuning\.better_constant` must be null, or have the name of one",
        ),
        (
            {"better_constant": {**BETTER, "mean_kl": -1}},
            r"`tuning\.better_constant\.mean_kl` must be at least 0, got -1",
        ),
        (
            {"better_constant": "r 20"},
            r"`tuning\.better_constant` must be null, .* got 'r 20'\. Run `fastast tune` again",
        ),
        ({"max_drop": "few"}, r"`tuning\.max_drop` must be a finite number, got 'few'"),
        (
            {"rows": [{**ROW, "top_answer_searched": None}]},
            r"`tuning\.rows\[0\]\.top_answer_searched` must lie in \[0, 1\], got None",
        ),
        ({"unreadable": 2}, r"`tuning\.unreadable` must be of type dict, got 2"),
        ({"chosen": "another"}, r"`tuning\.chosen` must name one of the rows, got 'another'"),
    ],
)
def test_what_is_missing_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        check_results(changed(**fields))


def test_no_search_at_all_is_told():
    with pytest.raises(ValueError, match=r"`tuning` must be a dictionary, got 5\. Run `fastast tune` again"):
        check_tuning(5)
