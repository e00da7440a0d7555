"""Where a token lies on the patch grid: its connected parts, and the tokens that lie in several places."""

import numpy as np
from scipy.ndimage import label


def parts_of_tokens(tokens: np.ndarray) -> dict[int, list[np.ndarray]]:
    """Split the patches of each token into connected parts. Patches are connected that share a side, as on the map.

    Args:
        tokens: (frequency, time) int64, the token that each patch is in.

    Returns:
        The parts of each token, (patches, 2) int64 each, the row and the column of every patch.

    Example:
        >>> parts = parts_of_tokens(np.array([[2, 3, 2], [2, 3, 3]]))
        >>> [part.tolist() for part in parts[2]]
        [[[0, 0], [1, 0]], [[0, 2]]]
    """
    found = {}
    for token in np.unique(tokens).tolist():
        numbered, count = label(tokens == token)
        found[token] = [np.argwhere(numbered == number) for number in range(1, count + 1)]
    return found


def scattered_tokens(tokens: np.ndarray) -> list[list[np.ndarray]]:
    """Find the tokens that lie in several places.

    Args:
        tokens: See `parts_of_tokens`.

    Returns:
        The parts of each, the token of the most patches first, of as many the one that comes first.
    """
    scattered = [parts for parts in parts_of_tokens(tokens).values() if len(parts) > 1]
    return sorted(scattered, key=lambda parts: -sum(map(len, parts)))


def middle_of(part: np.ndarray) -> tuple[int, int]:
    """Choose the patch of a part that is nearest to its middle, which itself may lie outside of it.

    Args:
        part: (patches, 2) int64.

    Returns:
        Row and column of the patch.
    """
    distances = np.square(part - part.mean(axis=0)).sum(axis=1)
    row, column = part[distances.argmin()].tolist()
    return row, column
