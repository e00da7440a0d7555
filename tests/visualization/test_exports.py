"""What the room gives to the outside."""

import re

from fastast_hf import visualization
from fastast_hf.visualization import colors


def test_public_names_are_sorted_and_there():
    assert visualization.__all__ == sorted(visualization.__all__)
    for name in visualization.__all__:
        assert re.fullmatch("(draw|plot)_[a-z_]+", name)
        assert callable(getattr(visualization, name))


def test_whoever_draws_can_also_write():
    kinds = {name.partition("_")[2] for name in visualization.__all__}
    assert visualization.__all__ == sorted(f"{verb}_{kind}" for verb in ("draw", "plot") for kind in kinds)


def test_colors_differ():
    palette = [value for name, value in vars(colors).items() if name.isupper()]
    assert len(set(palette)) == len(palette) == 7
    assert all(re.fullmatch("#[0-9A-F]{6}", color) for color in palette)
