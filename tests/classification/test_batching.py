"""Batches of similar length: all items, each once, little padding, and nothing read further ahead than allowed."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastast_hf.classification.batching import batch_by_length

lengths = st.lists(st.none() | st.integers(1, 6), max_size=60)


def batches_of(items, **kwargs):
    return list(batch_by_length(enumerate(items), lambda item: item[1], **{"batch_size": 4, "lookahead": 12} | kwargs))


@given(lengths, st.integers(1, 5), st.integers(0, 9))
def test_every_item_comes_once_and_no_batch_is_too_large(items, batch_size, more):
    batches = batches_of(items, batch_size=batch_size, lookahead=batch_size + more)
    assert sorted(number for batch in batches for number, _ in batch) == list(range(len(items)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)


@given(lengths)
def test_an_item_without_length_goes_alone(items):
    for batch in batches_of(items):
        assert len(batch) == 1 or all(length is not None for _, length in batch)


@given(st.lists(st.integers(1, 6), max_size=60))
def test_batches_are_full_but_for_the_last(items):
    assert [len(batch) for batch in batches_of(items)] == [4] * (len(items) // 4) + [len(items) % 4] * (
        len(items) % 4 > 0
    )


@given(st.lists(st.integers(1, 6), max_size=60))
def test_the_oldest_never_waits(items):
    waiting = set(range(len(items)))
    for batch in batches_of(items):
        assert min(waiting) in {number for number, _ in batch}
        waiting -= {number for number, _ in batch}


def test_items_of_one_length_do_not_wait():
    taken = []
    batches = batch_by_length((taken.append(n) or n for n in count()), lambda item: 7, batch_size=4, lookahead=1000)
    assert next(batches) == [0, 1, 2, 3]
    assert taken == [0, 1, 2, 3]


def test_the_look_ahead_has_an_end_and_grows():
    taken = []
    batches = batch_by_length((taken.append(n) or n for n in count(1)), lambda item: item, batch_size=4, lookahead=20)
    looked = []
    for number in range(1, 8):
        next(batches)
        looked.append(len(taken) - 4 * (number - 1))
    assert looked == [8, 16, 20, 20, 20, 20, 20]


def test_little_is_padding_where_lengths_differ():
    items = [1 + (7 * number) % 10 for number in range(400)]

    def padded(batches):
        return sum(max(batch) * len(batch) for batch in batches)

    by_length = [[length for _, length in batch] for batch in batches_of(items, batch_size=8, lookahead=128)]
    as_they_come = [items[start : start + 8] for start in range(0, 400, 8)]
    assert padded(by_length) < 1.05 * sum(items)
    assert padded(as_they_come) > 1.5 * sum(items)


@pytest.mark.parametrize("items", [[], [None], [None] * 50])
def test_nothing_but_errors(items):
    assert batches_of(items) == [[(number, None)] for number in range(len(items))]


def test_errors_do_not_hold_up_what_waits():
    items = [1, *[None] * 100, 2]
    batches = batches_of(items, batch_size=2, lookahead=10)
    assert batches.index([(0, 1)]) <= 10
