"""Windows of a sound that goes on: which one is next, which are dropped, how far behind. It knows no model.

- The latency of a window is the time from the moment its last sample arrived to the moment its labels were shown. A sample
  arrives with the chunk that it is in.
- The real-time factor is the seconds of computing a second of sound, that is, a hop: above 1, computing is slower than the
  sound. It is the mean over the windows that were computed.
- A stream is behind by the time since the oldest window arrived that is being computed or waits; by nothing if there is none.
- Whoever computes takes the window that has waited longest. When more than so many wait, all but the newest are dropped and
  counted: what is shown is then as new as it can be, and nothing grows.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from fastast_hf.classification.recordings import sliding_windows

Clock = Callable[[], float]
"""Gives seconds that never run backwards."""

_THREAD = "fastast_hf stream"
_LATENCIES_KEPT = 10_000
_SECONDS_TO_STOP = 2.0  # a hundred chunks; longer takes only a source that is silent, and it may be so for ever


class StreamWindow(NamedTuple):
    """A window of a stream.

    Attributes:
        start: Sample at which it begins.
        waveform: (samples,) float32.
        arrived_at: When its last sample arrived, on the clock.
    """

    start: int
    waveform: np.ndarray
    arrived_at: float


def arriving_windows(
    chunks: Iterable[np.ndarray], window: int, hop: int, *, min_samples: int, clock: Clock = time.perf_counter
) -> Iterator[StreamWindow]:
    """Cut a stream into windows as it arrives: the rule of `sliding_windows`, which the last window follows, too.

    Args:
        chunks: The sound, (samples,) each, of any sizes.
        window: Samples of a window.
        hop: Samples from the start of a window to that of the next, at least 1.
        min_samples: Samples that the last window must have.
        clock: Tells when a chunk arrived.

    Yields:
        The windows, each as soon as its last sample is there.
    """
    arrived_at = clock()

    def noted() -> Iterator[np.ndarray]:
        nonlocal arrived_at
        for chunk in chunks:
            arrived_at = clock()
            yield chunk

    for start, waveform in sliding_windows(noted(), window, hop, min_samples=min_samples):
        yield StreamWindow(start, waveform, arrived_at)


class WindowQueue:
    """Windows that wait. One thread puts, another takes; neither it nor the sound ever waits for the other's work."""

    def __init__(self, max_waiting: int, *, clock: Clock = time.perf_counter) -> None:
        """Start empty.

        Args:
            max_waiting: Windows that may wait, at least 1. One more, and all but that one are dropped.
            clock: That of the windows.

        Raises:
            ValueError: If none may wait.
        """
        if max_waiting < 1:
            raise ValueError(f"`max_waiting` must be at least 1, got {max_waiting}. The newest window has to wait.")
        self.max_waiting = max_waiting
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[StreamWindow] = deque()
        self._at_work: StreamWindow | None = None
        self._num_dropped = 0
        self._is_closed = self._is_left = False
        self._error: BaseException | None = None

    def put(self, window: StreamWindow) -> None:
        """Let a window wait, and drop those before it if that is one too many."""
        with self._changed:
            if len(self._waiting) == self.max_waiting:
                self._num_dropped += len(self._waiting)
                self._waiting.clear()
            self._waiting.append(window)
            self._changed.notify()

    def close(self, error: BaseException | None = None) -> None:
        """Say that no other window comes, and why, if that is an error."""
        with self._changed:
            self._is_closed, self._error = True, error
            self._changed.notify()

    def take(self) -> StreamWindow | None:
        """Wait for a window, and take the one that has waited longest. The one that was taken before is done.

        Returns:
            The window, or None at the end.

        Raises:
            BaseException: What `close` was given, after the last window.
        """
        with self._changed:
            self._at_work = None
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            if self._waiting:
                self._at_work = self._waiting.popleft()
            elif self._error is not None:
                raise self._error
            return self._at_work

    def leave(self) -> None:
        """Say that nobody takes windows any more: the sound that `until_left` passes on ends."""
        self._is_left = True

    def until_left(self, chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Pass a stream on as long as somebody takes its windows.

        Args:
            chunks: The stream. The chunk that it is asked for last is thrown away.

        Yields:
            Its chunks.
        """
        for chunk in chunks:
            if self._is_left:
                return
            yield chunk

    @property
    def num_dropped(self) -> int:
        """Windows dropped so far."""
        return self._num_dropped

    @property
    def behind(self) -> float:
        """Seconds that the stream is behind now."""
        with self._changed:
            oldest = self._at_work or (self._waiting[0] if self._waiting else None)
            return 0.0 if oldest is None else self._clock() - oldest.arrived_at


@contextmanager
def put_in_background(windows: Iterable[StreamWindow], queue: WindowQueue) -> Iterator[None]:
    """Fill a queue from a thread of its own while a block runs, or until the windows end.

    The thread ends with the block: one that runs at the end of the program holds what Python then takes apart. Only where
    no chunk comes for two seconds, as from a silent pipe, it is left behind, until the next one comes.

    Args:
        windows: A stream's, as they arrive, cut from what the queue's `until_left` gives.
        queue: Gets them; an error of theirs comes out of its `take`. The end of the block leaves it.
    """

    def run() -> None:
        try:
            for window in windows:
                queue.put(window)
        except Exception as error:
            queue.close(error)
        else:
            queue.close()

    thread = threading.Thread(target=run, name=_THREAD, daemon=True)
    thread.start()
    try:
        yield
    finally:
        queue.leave()
        thread.join(_SECONDS_TO_STOP)


def is_thread_left_behind() -> bool:
    """Tell whether a thread of `put_in_background` still waits for a chunk.

    It may hold the lock of stdin meanwhile, for which Python's own end aborts the process: `os._exit` does not.

    Returns:
        Whether there is one.
    """
    return any(thread.name == _THREAD for thread in threading.enumerate())


class StreamStatistics:
    """What became of the windows of a stream, at one setting of a model.

    Attributes:
        num_windows: Windows that were computed.
        num_dropped: Windows that were dropped while, or since, this setting was computed.
        compute_seconds: What computing took, in all.
    """

    def __init__(self, hop_seconds: float) -> None:
        """Start with no window.

        Args:
            hop_seconds: From the start of a window to that of the next.
        """
        self.num_windows = 0
        self.num_dropped = 0
        self.compute_seconds = 0.0
        self._hop_seconds = hop_seconds
        self._latencies: deque[float] = deque(maxlen=_LATENCIES_KEPT)

    def add(self, *, compute_seconds: float, latency: float) -> None:
        """Count a window that was shown."""
        self.num_windows += 1
        self.compute_seconds += compute_seconds
        self._latencies.append(latency)

    @property
    def real_time_factor(self) -> float:
        """Seconds of computing a second of sound; NaN without a window."""
        return self.compute_seconds / (self.num_windows * self._hop_seconds) if self.num_windows else float("nan")

    def latency(self, percentile: float) -> float:
        """Give a percentile of the latencies of the last 10,000 windows.

        Args:
            percentile: From 0 to 100; 50 is the median.

        Returns:
            Seconds; NaN without a window.

        Example:
            >>> statistics = StreamStatistics(1.0)
            >>> for latency in (0.1, 0.2, 0.9):
            ...     statistics.add(compute_seconds=0.1, latency=latency)
            >>> statistics.latency(50)
            0.2
        """
        return float(np.percentile(self._latencies, percentile)) if self._latencies else float("nan")
