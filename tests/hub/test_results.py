import json

import pytest

from fastast_hf.hub.results import check_results, load_results
from tests.hub.results_example import FRONT_END, comparison_example, example, speed_example


def test_example_is_valid_and_survives_json(tmp_path):
    path = tmp_path / "esc10.json"
    path.write_text(json.dumps(example()))
    assert load_results(path) == example()


def test_ast_and_teacher_may_be_absent():
    check_results(example(models__ast=None, models__teacher=None, benchmark__rows__ast=None))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, r"`schema` must be 1, got 2\."),
        ({"command": None}, r"`command` must be given, got nothing\."),
        ({"data__num_eval": None}, r"`data\.num_eval` must be given, got nothing\."),
        ({"data__num_eval": "80"}, r"`data\.num_eval` must be of type int, got '80'\."),
        ({"data__num_eval": True}, r"`data\.num_eval` must be of type int, got True\."),
        ({"data__num_train": -3}, r"`data\.num_train` must be at least 0, got -3\. Give what was counted"),
        ({"data__labels": ["dog", {"a": 1}]}, r"`data\.labels\[1\]` must be text, got \{'a': 1\}\. See fastast"),
        (
            {"models__fastast__num_parameters": 10**400},
            r"`models\.fastast\.num_parameters` must be a finite number, got 1",
        ),
        ({"environment": "here"}, r"`environment\.hardware` must be given, got nothing\."),
        ({"date": "yesterday"}, r"`date` must be an ISO 8601 date, got 'yesterday'\."),
        ({"models__student": {}}, r"`models` must hold dictionaries named teacher, ast, fastast, got 'student'\."),
        ({"models__fastast": None}, r"`models\.fastast` must be given, got nothing\."),
        ({"benchmark__rows__onnx": {}}, r"`benchmark\.rows` must hold dictionaries named .*, got 'onnx'\."),
        (
            {"models__fastast__metrics__accuracy": 96.25},
            r"`models\.fastast\.metrics\.accuracy` must lie in \[0, 1\], got",
        ),
        (
            {"models__fastast__metrics__map": float("nan")},
            r"`models\.fastast\.metrics\.map` must be a finite number, got",
        ),
        ({"models__fastast__metrics": True}, r"`models\.fastast\.metrics` must be of type dict, got True\."),
        ({"models__fastast__merge_schedule": 64}, r"`models\.fastast\.merge_schedule` must be a list, got 64\."),
        ({"data__unreadable": 1}, r"`data\.unreadable` must be of type dict, got 1\."),
        ({"kind": []}, r"`kind` must be one of run, speed, .*, got \[\]\. Leave it out for a run\."),
        ({"machines": "A Processor"}, r"`machines` must be a list, got 'A Processor'\."),
        ({"machines": ["A Processor", 2]}, r"`machines\[1\]` must be text, got 2\."),
        (
            {"models__ast__train_seconds": "long"},
            r"`models\.ast\.train_seconds` must be a finite number, got 'long'\.",
        ),
        (
            {"benchmark__rows__ast__latency_ms": None},
            r"`benchmark\.rows\.ast\.latency_ms` must be a finite number, got None",
        ),
        (
            {"benchmark__rows__ast__mac_ratio": "4x"},
            r"`benchmark\.rows\.ast\.mac_ratio` must be a finite number, got '4x'",
        ),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        check_results(example(**changes))


def test_results_of_speed_need_no_training():
    check_results(speed_example())
    check_results(speed_example(agreement=0.975))
    check_results(speed_example() | {"against": "another"})
    check_results(speed_example(speed_up_low=3.5, speed_up_high=4.0) | {"random_weights": True})
    check_results(speed_example() | {"front_end": FRONT_END})
    check_results(speed_example() | {"unreadable": {"a.wav": "no sound"}})


@pytest.mark.parametrize(
    ("of_each_row", "message"),
    [
        ({"name": 1}, r"`benchmark\.rows\[0\]\.name` must be of type str, got 1\."),
        ({"runtime": None}, r"`benchmark\.rows\[0\]\.runtime` must be of type str, got None\."),
        ({"batch_size": "8"}, r"`benchmark\.rows\[0\]\.batch_size` must be a finite number, got '8'\."),
        ({"latency_iqr_ms": None}, r"`benchmark\.rows\[0\]\.latency_iqr_ms` must be a finite number, got None\."),
        ({"speed_up_low": "3.5"}, r"`benchmark\.rows\[0\]\.speed_up_low` must be a finite number, got '3\.5'\."),
        ({"mac_ratio": float("inf")}, r"`benchmark\.rows\[0\]\.mac_ratio` must be a finite number, got inf\."),
        (
            {"peak_memory_mib": "much"},
            r"`benchmark\.rows\[0\]\.peak_memory_mib` must be a finite number, got 'much'\.",
        ),
        ({"agreement": "all"}, r"`benchmark\.rows\[0\]\.agreement` must be a finite number, got 'all'\."),
        ({"agreement": 97.5}, r"`benchmark\.rows\[0\]\.agreement` must lie in \[0, 1\], got 97\.5\."),
    ],
)
def test_what_does_not_fit_in_a_row_of_speed_is_named(of_each_row, message):
    with pytest.raises(ValueError, match=message):
        check_results(speed_example(**of_each_row))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": None}, r"`model` must be of type str, got None\."),
        ({"benchmark": {"rows": {}}}, r"`benchmark\.rows` must be of type list, got \{\}\."),
        ({"benchmark": {"rows": []}}, r"`benchmark\.rows` must hold at least one row, got none\."),
        ({"benchmark": {"rows": ["AST"]}}, r"`benchmark\.rows\[0\]` must be a dictionary, got 'AST'\."),
        (
            {"benchmark": speed_example()["benchmark"] | {"num_clips": "all"}},
            r"`benchmark\.num_clips` must be a finite number, got 'all'\.",
        ),
        ({"random_weights": "no"}, r"`random_weights` must be true or false, got 'no'\. Leave it out"),
        ({"unreadable": ["a.wav"]}, r"`unreadable` must be of type dict, got \['a\.wav'\]\."),
        ({"front_end": []}, r"`front_end` must be of type dict, got \[\]\."),
        (
            {"front_end": FRONT_END | {"speed_up": None}},
            r"`front_end\.speed_up` must be a finite number, got None\.",
        ),
        (
            {"front_end": FRONT_END | {"stock_features": "c"}},
            r"`front_end\.stock_features` must be \"numpy\" or \"torchaudio\", got 'c'\. Run `fastast benchmark` again\.",
        ),
        ({"file_to_label": {}}, r"`file_to_label\.num_clips` must be an integer of at least 1, got None\."),
    ],
)
def test_what_does_not_fit_in_results_of_speed_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        check_results(speed_example() | change)


@pytest.mark.parametrize(
    ("speed", "message"),
    [
        (None, r"`speed\.date` must be given, got nothing\."),
        (speed_example() | {"date": 2025}, r"`speed\.date` must be of type str, got 2025\."),
        (speed_example() | {"benchmark": {}}, r"`speed\.benchmark\.rows` must be given, got nothing\."),
        (
            speed_example() | {"benchmark": {"rows": [1]}},
            r"`speed\.benchmark\.rows\[0\]\.dtype` must be given, got nothing",
        ),
        (speed_example(num_frames="x"), r"`speed\.benchmark\.rows\[0\]\.num_frames` must be a finite number, got 'x'"),
    ],
)
def test_a_comparison_tells_how_its_speed_was_measured(speed, message):
    with pytest.raises(ValueError, match=message):
        check_results(comparison_example() | {"speed": speed})


def test_results_must_be_a_dictionary():
    with pytest.raises(ValueError, match=r"`schema` must be 1, got 'list'\."):
        check_results([])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "Expecting property name"),
        ('{"schema": 1}'.encode("utf-16"), "'utf-8' codec can't decode"),
        (b"[" * 100_000, "maximum recursion depth exceeded"),
        (b'{"schema":' + b"9" * 5_000 + b"}", "Exceeds the limit"),
    ],
)
def test_file_must_be_json(content, reason, tmp_path):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"`broken\.json` must be JSON, got: {reason}.*\. Write it with"):
        load_results(path)
