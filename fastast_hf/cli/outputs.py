"""Where a command is to write: a place that takes nothing is refused as the value of its option, before a model is opened."""

from pathlib import Path

from fastast_hf.cli.options import refused_option


def check_output_file(path: Path | None, option: str, *, in_place: bool = False) -> None:
    """Refuse a file that cannot be written. Its folder need not be there: it is made.

    Args:
        path: What was given; None if nothing was.
        option: What its user typed before it, such as --output, or the metavar of an argument.
        in_place: See `check_output_path`.

    Raises:
        typer.BadParameter: If it is a folder, or nothing can be written there; exit code 2.
    """
    from fastast_hf.experiment.files import check_output_path

    if path is not None:
        with refused_option(option) as name:
            check_output_path(path, option=name, in_place=in_place)


def check_output_picture(path: Path | None, option: str) -> None:
    """Refuse a picture whose name is that of none, or that cannot be written.

    Args:
        path: See `check_output_file`.
        option: See there.

    Raises:
        typer.BadParameter: Also if its ending names no format that matplotlib writes.
    """
    if path is not None:
        from fastast_hf.visualization.pictures import check_picture_path

        with refused_option(option):
            check_picture_path(path)
        check_output_file(path, option, in_place=True)


def check_output_folder(path: Path | None, option: str) -> None:
    """Refuse a folder for a model that is not new or empty, or cannot be written.

    Args:
        path: See `check_output_file`.
        option: See there.

    Raises:
        typer.BadParameter: If something is there, or nothing can be written there; exit code 2.
    """
    from fastast_hf.experiment.converting import check_new_folder

    if path is not None:
        with refused_option(option):
            check_new_folder(path)
