"""Figures as files."""

import warnings
from pathlib import Path

from matplotlib.figure import Figure


def save_picture(figure: Figure, path: str | Path) -> Path:
    """Write a figure into a file.

    Args:
        figure: What is drawn.
        path: The file; its ending (.png, .pdf, .svg) says the format, and its folder is made if it is not there.

    Returns:
        The file.

    Raises:
        ValueError: See `check_picture_path`.
    """
    path = check_picture_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        warnings.catch_warnings()
    ):  # a name in letters that the font lacks is drawn as boxes: no fault of the caller's
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(path, dpi=200)
    return path


def check_picture_path(path: str | Path) -> Path:
    """Find out before the measuring whether a name is that of a picture. Whether its folder can be written is not looked at.

    Args:
        path: The file.

    Returns:
        The same.

    Raises:
        ValueError: If its ending names no format that matplotlib writes.
    """
    path = Path(path)
    known = Figure().canvas.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in known:
        raise ValueError(
            "A picture's name must end in .png, .pdf or .svg, or as another format that matplotlib writes, got "
            f"{path.name}. Name it {path.stem}.png."
        )
    return path
