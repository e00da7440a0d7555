"""Connected parts of tokens, beside a plain twin that walks from patch to patch."""

import numpy as np
import pytest

from fastast_hf.visualization.parts import middle_of, parts_of_tokens, scattered_tokens


def walked_parts(tokens):
    """Walk from each patch to those beside, below and above it that are in the same token: all that are reached are a part."""
    height, width = tokens.shape
    parts, seen = {}, set()
    for start in np.ndindex(tokens.shape):
        if start in seen:
            continue
        part, ahead = set(), [start]
        while ahead:
            row, column = ahead.pop()
            inside = 0 <= row < height and 0 <= column < width
            if inside and (row, column) not in part and tokens[row, column] == tokens[start]:
                part.add((row, column))
                ahead += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
        seen |= part
        parts.setdefault(int(tokens[start]), []).append(part)
    return parts


def as_sets(parts):
    return sorted(sorted(map(tuple, part.tolist())) for part in parts)


GRIDS = [
    np.random.default_rng(seed).integers(2, 2 + count, (height, width))
    for seed, count in enumerate((1, 2, 3, 8, 40))
    for height in (1, 2, 5, 12)
    for width in (1, 3, 49)
]


@pytest.mark.parametrize("tokens", GRIDS, ids=lambda tokens: f"{tokens.shape} {tokens.max()}")
def test_parts_are_what_is_walked_through(tokens):
    found, expected = parts_of_tokens(tokens), walked_parts(tokens)
    assert {token: as_sets(parts) for token, parts in found.items()} == {
        token: sorted(sorted(part) for part in parts) for token, parts in expected.items()
    }
    scattered = {token: parts for token, parts in expected.items() if len(parts) > 1}
    sizes = {token: int((tokens == token).sum()) for token in scattered}
    in_order = sorted(scattered, key=lambda token: (-sizes[token], token))
    assert [as_sets(parts) for parts in scattered_tokens(tokens)] == [
        sorted(sorted(part) for part in scattered[token]) for token in in_order
    ]


def test_a_corner_does_not_connect():
    tokens = np.array([[2, 3], [3, 2]])
    assert [len(parts) for parts in parts_of_tokens(tokens).values()] == [2, 2]


def test_the_middle_is_a_patch_of_the_part():
    around = np.array([[0, 0], [0, 1], [0, 2], [1, 2], [2, 2], [2, 1], [2, 0], [1, 0]])  # a ring, around (1, 1)
    assert middle_of(around) in {(0, 1), (1, 2), (2, 1), (1, 0)}
    assert middle_of(np.array([[4, 1], [4, 2], [4, 3]])) == (4, 2)
    assert middle_of(np.array([[7, 9]])) == (7, 9)
