import pytest

from fastast_hf.evaluation import turns
from fastast_hf.evaluation.turns import let_threads_fall_asleep, rotated


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_everyone_is_in_every_place_once_in_as_many_turns_as_there_are(count):
    names = list("abcde"[:count])
    orders = [rotated(names, turn) for turn in range(count)]
    assert orders[0] == names == rotated(names, count)
    for place in zip(*orders, strict=True):
        assert sorted(place) == names


def test_garbage_is_collected_before_threads_get_time(monkeypatch):
    events = []
    monkeypatch.setattr(turns.gc, "collect", lambda: events.append("collected"))
    monkeypatch.setattr(turns.time, "sleep", events.append)
    let_threads_fall_asleep()
    assert events == ["collected", 0.1]
