"""Figures as files."""

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
    figure.savefig(path, dpi=200)
    return path


def check_picture_path(path: str | Path) -> Path:
    """Find out before the measuring whether a picture can be written.

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
            f"`plot` must end in one of {', '.join(f'.{ending}' for ending in sorted(known))}, got {path.name}. Name it "
            "speed.png or speed.pdf."
        )
    return path
