"""Windows of a stream, held to plain twins on all small sizes, on a clock that the tests turn."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastast_hf.classification import streaming
from fastast_hf.classification.streaming import (
    StreamStatistics,
    StreamWindow,
    WindowQueue,
    arriving_windows,
    is_thread_left_behind,
    put_in_background,
)


class FakeClock:
    """Stands still until it is turned."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def naive_arrivals(num_samples, chunk, window, hop, min_samples):
    """The rule, word by word, on the whole stream: start, samples, and the chunk with the last sample."""
    heard = 0
    for start in range(0, num_samples, hop):
        end = min(start + window, num_samples)
        if end > heard and end - start >= min_samples:
            yield start, list(range(start, end)), (end - 1) // chunk
        heard = end


@pytest.mark.parametrize("chunk", range(1, 6))
def test_windows_and_their_arrival_are_those_of_the_rule(chunk):
    for num_samples, window, hop, least in itertools.product(range(14), range(2, 6), range(1, 8), (1, 2)):
        clock = FakeClock()

        def chunks(num_samples=num_samples, clock=clock):
            for number, start in enumerate(range(0, num_samples, chunk)):
                clock.now = number
                yield np.arange(start, min(start + chunk, num_samples), dtype=np.float32)

        found = arriving_windows(chunks(), window, hop, min_samples=least, clock=clock)
        expected = list(naive_arrivals(num_samples, chunk, window, hop, least))
        assert [(start, part.tolist(), arrived) for start, part, arrived in found] == expected


def test_a_window_comes_as_soon_as_its_last_sample():
    windows = arriving_windows(iter([np.zeros(3), np.zeros(1), None]), 4, 2, min_samples=1)
    assert len(next(windows).waveform) == 4  # the third chunk, which is none, is not asked for


def at(time):
    return StreamWindow(start=int(time), waveform=np.zeros(1), arrived_at=float(time))


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 4))
def test_the_queue_is_that_of_the_rule(is_put, max_waiting):
    """Window k arrives at time k; the twin keeps a plain list."""
    clock = FakeClock()
    queue = WindowQueue(max_waiting, clock=clock)
    waiting, at_work, dropped = [], None, 0
    for puts in is_put:
        clock.now += 1
        if puts:
            queue.put(at(clock.now))
            waiting.append(clock.now)
            if len(waiting) > max_waiting:
                dropped += len(waiting) - 1
                waiting = waiting[-1:]
        elif waiting:
            at_work = waiting.pop(0)
            assert queue.take().arrived_at == at_work
        unfinished = [time for time in (at_work, *waiting) if time is not None]
        assert queue.num_dropped == dropped
        assert queue.behind == (clock.now - unfinished[0] if unfinished else 0)
    queue.close()
    assert [window.arrived_at for window in iter(queue.take, None)] == waiting
    assert queue.behind == 0


def test_what_waits_does_not_grow():
    queue = WindowQueue(3)
    for time in range(10_000):
        queue.put(at(time))
    queue.close()
    left = [window.start for window in iter(queue.take, None)]
    assert left[-1] == 9_999
    assert 1 <= len(left) <= 3
    assert queue.num_dropped == 10_000 - len(left)


def test_a_thread_fills_the_queue_to_the_end():
    queue = WindowQueue(100)
    with put_in_background(map(at, range(50)), queue):
        assert [window.start for window in iter(queue.take, None)] == list(range(50))


def test_the_thread_of_an_endless_stream_ends_with_the_block():
    queue, before = WindowQueue(1), set(threading.enumerate())
    chunks = itertools.repeat(np.zeros(1, dtype=np.float32))
    windows = arriving_windows(queue.until_left(chunks), 1, 1, min_samples=1)
    with pytest.raises(KeyboardInterrupt), put_in_background(windows, queue):
        queue.take()
        (thread,) = set(threading.enumerate()) - before
        raise KeyboardInterrupt
    assert not thread.is_alive()


def test_the_thread_of_a_silent_stream_is_left_behind_and_told(monkeypatch):
    monkeypatch.setattr(streaming, "_SECONDS_TO_STOP", 0)
    speak = threading.Event()

    def silent():
        speak.wait()
        yield np.zeros(1, dtype=np.float32)

    queue, before = WindowQueue(1), set(threading.enumerate())
    assert not is_thread_left_behind()
    with put_in_background(arriving_windows(queue.until_left(silent()), 1, 1, min_samples=1), queue):
        (thread,) = set(threading.enumerate()) - before
    assert is_thread_left_behind()
    speak.set()
    thread.join()
    assert not is_thread_left_behind()
    assert queue.take() is None, "what came when nobody took it is thrown away"


def test_no_chunk_is_passed_on_when_nobody_takes_windows_any_more():
    queue = WindowQueue(1)
    chunks = queue.until_left(iter([np.zeros(1), np.ones(1), None]))
    assert next(chunks) == 0
    queue.leave()
    assert list(chunks) == []


def test_an_error_of_the_stream_comes_after_the_windows_before_it():
    def broken():
        yield at(0)
        raise OSError("unplugged")

    queue = WindowQueue(1)
    with put_in_background(broken(), queue):
        assert queue.take().start == 0
        with pytest.raises(OSError, match="unplugged"):
            queue.take()


def test_no_waiting_at_all_is_refused():
    with pytest.raises(ValueError, match=r"`max_waiting` must be at least 1, got 0\. The newest window has to wait"):
        WindowQueue(0)


def test_statistics_are_those_of_all_windows():
    statistics = StreamStatistics(hop_seconds=0.5)
    assert np.isnan([statistics.real_time_factor, statistics.latency(50)]).all()
    latencies = np.random.default_rng(0).uniform(0, 1, 101)
    for latency in latencies:
        statistics.add(compute_seconds=latency / 2, latency=latency)
    assert statistics.num_windows == 101
    assert statistics.real_time_factor == pytest.approx(latencies.sum() / 2 / (101 * 0.5))
    assert statistics.latency(50) == sorted(latencies)[50]
    assert statistics.latency(95) == sorted(latencies)[95]


def test_latencies_of_a_long_stream_are_the_last_ones():
    statistics = StreamStatistics(hop_seconds=1.0)
    for latency in itertools.chain(itertools.repeat(9.0, 5_000), itertools.repeat(1.0, 10_000)):
        statistics.add(compute_seconds=0.5, latency=latency)
    assert statistics.num_windows == 15_000
    assert statistics.latency(100) == 1.0
