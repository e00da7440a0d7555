"""Work ahead in threads, within bounds and in order."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def prefetch(streams: Iterable[Iterator[T]], executor: Executor, *, num_streams: int, step: int = 1) -> Iterator[T]:
    """Chain iterators as `itertools.chain.from_iterable` does, while threads run the next ones ahead.

    Each iterator is advanced by `step` items and waits until its turn comes; the one whose turn it is always runs one step
    ahead. So however many iterators there are and however long they are, no more than about `num_streams * step` items
    wait. An iterator is never run by two threads at the same time.

    Args:
        streams: Iterators, themselves taken no further ahead than needed.
        executor: Runs the iterators.
        num_streams: Iterators that are ahead, at least 1.
        step: Items that an iterator is advanced by, at least 1.

    Yields:
        The items of the first iterator, those of the second, and so on. An error of an iterator is raised in its turn, in
        place of the items of that step.
    """
    streams = iter(streams)
    ahead: deque[tuple[Iterator[T], Future[list[T]]]] = deque()

    def advance(stream: Iterator[T]) -> Future[list[T]]:
        return executor.submit(lambda: list(islice(stream, step)))

    def fill() -> None:
        for stream in islice(streams, num_streams - len(ahead)):
            ahead.append((stream, advance(stream)))

    fill()
    while ahead:
        stream, future = ahead.popleft()
        items = future.result()
        if len(items) == step:  # there may be more
            ahead.appendleft((stream, advance(stream)))
        fill()
        yield from items
