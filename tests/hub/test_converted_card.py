"""The card of a converted model, and what becomes of it when its schedule is another one."""

import pytest

from fastast_hf.hub.converted_card import stated_of_a_schedule, with_new_schedule, write_converted_card
from fastast_hf.hub.model_card import write_model_card
from tests.conftest import tiny_config
from tests.hub.results_example import EXAMPLE

SCHEDULES = (
    {"merge_ratio": 0.0},
    {"merge_ratio": 0.3},
    {"merge_ratio": [0.5, 0.0, 0.1]},
    {"tokens_merged_per_layer": 5},
)


def card_of(folder, config):
    options = {"source_grid": config.patch_grid, "repo_id": None, "license": "bsd-3-clause"}
    return write_converted_card(folder, "me/start", config, **options).read_text()


@pytest.mark.parametrize("before", SCHEDULES)
@pytest.mark.parametrize("after", SCHEDULES)
def test_a_card_with_another_schedule_is_the_one_that_would_be_written_for_it(tmp_path, before, after):
    config = tiny_config(**after)
    changed = with_new_schedule(card_of(tmp_path, tiny_config(**before)), config)
    assert changed == card_of(tmp_path, config)
    merged = ", ".join(map(str, config.merge_schedule().tokens_merged))
    assert (f"at 96 frames: {merged}." in changed) == any(config.merge_schedule().tokens_merged)
    assert stated_of_a_schedule(changed) == []


def test_the_words_of_a_user_stay(tmp_path):
    config = tiny_config(merge_ratio=0.3)
    sentence = "Tokens merged away at each layer at 1,024 frames: 1, 2, 3."
    own = f"\r\n## Mine\n{sentence} Before: {sentence}\udcff\n"
    text = card_of(tmp_path, tiny_config(merge_ratio=0.1)) + own
    changed = with_new_schedule(text, config)
    assert changed == card_of(tmp_path, config) + own
    assert stated_of_a_schedule(changed) == ["merge schedule"]


def test_the_card_of_a_training_stays_and_what_it_states_is_listed(tmp_path):
    text = write_model_card(tmp_path, EXAMPLE).read_text()
    assert with_new_schedule(text, tiny_config(merge_ratio=0.3)) == text
    assert set(stated_of_a_schedule(text)) >= {"accuracy", "GMACs", "speed-up", "merge schedule", "merge ratio"}


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("", []),
        ("A model of sounds, in a mapping.", []),
        ("It merges at a `merge_ratio` of 0.2.", ["merge ratio"]),
        ("| merge\\_ratio | 0.2 |", ["merge ratio"]),
        ("Tokens\nmerged away: 5", ["merge schedule"]),
        ("ACCURACY 97 %, mean average precision 0.9", ["accuracy", "mAP"]),
    ],
)
def test_what_a_card_states_of_a_schedule(text, stated):
    assert stated_of_a_schedule(text) == stated
