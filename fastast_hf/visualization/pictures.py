"""Figures as files."""

from pathlib import Path

from matplotlib.figure import Figure

from fastast_hf.visualization.fonts import make_legible
from fastast_hf.writing import naming


def save_picture(figure: Figure, path: str | Path) -> Path:
    """Write a figure into a file.

    Args:
        figure: What is drawn; its words become legible, see `make_legible`.
        path: The file; its ending (.png, .pdf, .svg) says the format, and its folder is made if it is not there.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written; the error names it.
        ValueError: See `check_picture_path`.
    """
    path = check_picture_path(path)
    make_legible(figure)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
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
