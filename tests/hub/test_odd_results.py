"""Results of each kind with odd values in each place: refused in words, or shown in every table and in the card."""

import json
import re

import pytest

from fastast_hf.hub.file_to_label_tables import narrow_file_to_label_columns
from fastast_hf.hub.model_card import write_model_card
from fastast_hf.hub.results import check_results, kind_of
from fastast_hf.hub.speed_tables import narrow_speed_columns
from fastast_hf.hub.tables import results_block
from tests.hub.results_example import FRONT_END, comparison_example, example, questions_example, speed_example
from tests.hub.test_command_blocks import results_of as commands_example
from tests.hub.test_file_to_label_tables import EXAMPLE as FILE_TO_LABEL
from tests.hub.test_tuning_tables import BETTER, by_drop

ODD = (
    *(None, True, -1, 0, 1.5, 10**400, float("nan")),
    *("x", " ", "a|b`<script>\n\ud800", [], {}, [1], ["a"], [None], {"a": 1}),
)
MISSING = object()
HERE = {"environment": {"hardware": {"cpu": "A Processor", "cores": 2}, "versions": {"torch": "2.13.0"}}}
CONDITIONS = HERE | {
    "date": "2025-01-31",
    "benchmark": {"rows": [{"batch_size": 1, "num_frames": 512, "dtype": "float32"}]},
}
WHOLE = {  # with each field that a table or the card may read
    "run": example(
        data__id="someone/esc10",
        data__license="cc-by-3.0",
        data__split_column="split",
        data__unreadable={"a.wav": "no sound"},
        training={"distillation_weight": 0.9},
        models__ast=None,
        models__teacher={"base_model": "efficientat_mn04_as"},
        models__fastast__merge_schedule=[64, 48],
        models__fastast__metrics__d_prime=2.5,
    )
    | HERE,
    "speed": speed_example(agreement=0.975, speed_up_low=3.5, speed_up_high=4.0)
    | HERE
    | {"against": "theirs", "random_weights": False, "unreadable": {"a.wav": "no sound"}}
    | {"file_to_label": FILE_TO_LABEL, "front_end": FRONT_END},
    "tuning": by_drop(2.5, judging=0.9, better_constant=BETTER, unreadable={"a.wav": "no sound"}) | HERE,
    "comparison": comparison_example() | HERE | {"machines": ["A Processor"], "speed": CONDITIONS},
    "questions": questions_example() | HERE | {"machines": ["A Processor"]},
    "commands": commands_example({"command": "fastast --version", "output": "0.1.0"}) | HERE,
}


def paths_in(value):
    """List the keys and indices that lead to each value in JSON, outermost first."""
    within = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *path) for key, found in within for path in paths_in(found))]


def changed_at(results, path, value):
    """Copy results with another value in one place, or without it."""
    results = json.loads(json.dumps(results))
    *parents, last = path
    target = results
    for key in parents:
        target = target[key]
    target[last] = value
    if value is MISSING:
        del target[last]
    return results


def render(results, folder):
    """Write everything that results of their kind stand in."""
    results_block(results)
    results_block(results, only_what_pays=True)
    kind = kind_of(results)
    if kind == "run":
        write_model_card(folder, results)
    if kind == "comparison":
        write_model_card(folder, example(), comparison=results)
    if kind == "speed":
        narrow_speed_columns(results["benchmark"]["rows"])
        if "file_to_label" in results:
            narrow_file_to_label_columns(results)


@pytest.mark.parametrize("kind", WHOLE)
def test_odd_results_are_refused_in_words_or_rendered(kind, tmp_path):
    render(WHOLE[kind], tmp_path)
    wrong, rendered = [], 0
    for path in paths_in(WHOLE[kind])[1:]:
        for value in (*ODD, MISSING):
            results = changed_at(WHOLE[kind], path, value)
            what = (path, "missing" if value is MISSING else value)
            try:
                check_results(results)
            except ValueError as error:
                if not re.match(r"`[^`]+` must ", str(error)):
                    wrong.append((*what, error))
                continue
            except Exception as error:
                wrong.append((*what, error))
                continue
            try:
                render(results, tmp_path)
                rendered += 1
            except Exception as error:  # a ValueError too: the check was to find it
                wrong.append((*what, error))
    assert not wrong
    assert rendered
