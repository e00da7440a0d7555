"""Batches of clips that are about equally long, so that little of a batch is padding."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
_END: Any = object()


def batch_by_length(
    items: Iterable[T], length_of: Callable[[T], int | None], *, batch_size: int, lookahead: int
) -> Iterator[list[T]]:
    """Put items of similar length into batches, looking ahead no further than it pays.

    The item that has waited longest goes into the next batch, with those nearest to its length among the next `lookahead`
    items. The look ahead ends early when a batch is full of items of the same length: where all are equally long, nothing
    waits. It grows batch by batch, so that the first ones come soon.

    Args:
        items: In the order of their coming.
        length_of: Gives an item's length, or None for an item that goes at once and alone.
        batch_size: Items of a batch, at most. Only near the end of `items` are there fewer.
        lookahead: Items that wait, at most; at least `batch_size`. No more are taken from one batch to the next.

    Yields:
        Batches. Each has the item that has waited longest, so an item that waits goes after at most `lookahead` batches.

    Example:
        >>> list(batch_by_length("a bbb c ddd ee".split(), len, batch_size=2, lookahead=8))
        [['a', 'c'], ['bbb', 'ddd'], ['ee']]
    """
    items = iter(items)
    waiting: list[tuple[int, T]] = []
    num_of_length: Counter[int] = Counter()
    limit = 0
    at_end = False
    while not at_end or waiting:
        limit = min(lookahead, limit + 2 * batch_size)
        for _ in range(limit - len(waiting)):
            if _is_full(waiting, num_of_length, batch_size):
                break
            item = next(items, _END)
            if item is _END:
                at_end = True
                break
            length = length_of(item)
            if length is None:
                yield [item]
            else:
                waiting.append((length, item))
                num_of_length[length] += 1
        if waiting:
            batch, waiting = _take_nearest(waiting, batch_size)
            num_of_length.subtract(length for length, _ in batch)
            yield [item for _, item in batch]


def _is_full(waiting: list[tuple[int, T]], num_of_length: Counter[int], batch_size: int) -> bool:
    """Tell whether the next batch is full of items of one length: looking further would not save any padding."""
    return bool(waiting) and num_of_length[waiting[0][0]] >= batch_size


def _take_nearest(waiting: list[tuple[int, T]], count: int) -> tuple[list[tuple[int, T]], list[tuple[int, T]]]:
    """Part the first item and those nearest to its length from the others, all in their order."""
    wanted = waiting[0][0]
    by_distance = sorted(range(len(waiting)), key=lambda index: abs(waiting[index][0] - wanted))
    chosen = set(by_distance[:count])
    batch = [entry for index, entry in enumerate(waiting) if index in chosen]
    return batch, [entry for index, entry in enumerate(waiting) if index not in chosen]
