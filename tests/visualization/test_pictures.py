"""Figures as files."""

import pytest
from matplotlib.figure import Figure

from fastast_hf.visualization.pictures import check_picture_path, save_picture


@pytest.mark.parametrize("ending", ["png", "PNG", "pdf"])
def test_the_ending_says_the_format_and_a_new_folder_is_made(ending, tmp_path):
    path = save_picture(Figure(), tmp_path / "new" / f"picture.{ending}")
    assert path.read_bytes()[:4] == (b"%PDF" if ending == "pdf" else b"\x89PNG")


def test_letters_that_the_font_lacks_are_no_warning(tmp_path):
    figure = Figure()
    figure.suptitle("日本")
    assert save_picture(figure, tmp_path / "picture.png").exists()


@pytest.mark.parametrize("name", ["speed", "speed.txt"])
def test_an_ending_that_is_no_picture_is_refused_before_anything_runs(name, tmp_path):
    with pytest.raises(
        ValueError,
        match=rf"A picture's name must end in \.png, \.pdf or \.svg, or .*, got {name}\. Name it speed\.png",
    ):
        check_picture_path(tmp_path / name)
