"""Work ahead: the same as a plain chain, never further than allowed, never two threads in one iterator."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastast_hf.classification.prefetching import prefetch


@given(
    st.lists(st.lists(st.integers(), max_size=7), max_size=7), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)
)
@settings(deadline=None)
def test_it_is_a_chain(streams, num_workers, num_streams, step):
    with ThreadPoolExecutor(num_workers) as executor:
        found = list(prefetch(map(iter, streams), executor, num_streams=num_streams, step=step))
    assert found == list(chain.from_iterable(streams))


def test_it_goes_no_further_ahead_than_allowed():
    started, produced = [], []

    def stream(number):
        for item in count():
            produced.append((number, item))
            yield number, item

    def streams():
        for number in count():
            started.append(number)
            yield stream(number)

    with ThreadPoolExecutor(4) as executor:
        items = prefetch(streams(), executor, num_streams=3, step=2)
        for item in range(9):
            assert next(items) == (0, item)
    assert started == [0, 1, 2]
    assert max(item for number, item in produced if number == 0) < 9 + 2 * 2
    assert {number: len([1 for n, _ in produced if n == number]) for number in (1, 2)} == {1: 2, 2: 2}


def test_a_long_stream_runs_ahead_of_its_reader():
    second_step = threading.Event()

    def stream():
        yield 0
        second_step.set()
        yield 1

    with ThreadPoolExecutor(1) as executor:
        items = prefetch([stream()], executor, num_streams=1)
        assert next(items) == 0
        assert second_step.wait(timeout=60)


def test_threads_work_at_the_same_time():
    meeting = threading.Barrier(2, timeout=60)

    def stream():
        meeting.wait()
        yield 1

    with ThreadPoolExecutor(2) as executor:
        assert list(prefetch([stream(), stream()], executor, num_streams=2)) == [1, 1]


def test_an_error_comes_in_its_place():
    def broken():
        yield 1
        raise OSError("broken")

    with ThreadPoolExecutor(2) as executor:
        items = prefetch([iter([0]), broken(), iter([2])], executor, num_streams=3)
        assert [next(items), next(items)] == [0, 1]
        with pytest.raises(OSError, match="broken"):
            next(items)
