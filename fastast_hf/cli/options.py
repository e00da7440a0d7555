"""Options and arguments that several commands have, said once."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from fastast_hf.cli.console import printable
from fastast_hf.model.merge_schedule import check_merging

Model = Annotated[str, typer.Argument(metavar="MODEL", show_default=False, help="FastAST or AST: folder or Hub name.")]

ModelOrEmbedded = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        show_default="in a checkout of the project, its small model for ten kinds of sound",
        help="FastAST or AST: folder or Hub name.",
    ),
]


def merge_ratio_option(
    more_help: str = ".", *, show_default: str = "the model's own; 0 for an AST", panel: str | None = None
) -> Any:
    """Say what `--merge-ratio` takes, so that a value that no model takes is refused before one is loaded.

    Args:
        more_help: The end of its help.
        show_default: What it is if it is not given.
        panel: Where the help shows it.

    Returns:
        What typer takes in an Annotated.
    """
    return typer.Option(
        min=0,
        max=0.5,
        metavar="N",
        show_default=show_default,
        help=f"Share of its tokens that each layer merges away, 0 to 0.5{more_help}",
        rich_help_panel=panel,
    )


def seconds_option(*, show_default: str | bool, help: str) -> Any:
    """Say what an option in seconds takes: any number above 0.

    Args:
        show_default: What it is if it is not given.
        help: What it is for.

    Returns:
        What typer takes in an Annotated.
    """
    return typer.Option(callback=_check_seconds, metavar="SECONDS", show_default=show_default, help=help)


def _check_seconds(seconds: float | None) -> float | None:
    """Refuse what is no duration; typer's own ranges include their ends."""
    if seconds is not None and not 0 < seconds < math.inf:
        raise typer.BadParameter(f"must be above 0, got {seconds:g}. Give seconds of sound.")
    return seconds


MergeRatio = Annotated[float | None, merge_ratio_option()]

Device = Annotated[
    str | None, typer.Option(show_default="a GPU if there is one", help="Where to compute, such as cpu or cuda.")
]


@contextmanager
def refused_option(option: str) -> Iterator[str]:
    """Let an error of a block be that of an option, with exit code 2, before anything is loaded.

    Args:
        option: What its user typed before the value, such as --output, or the metavar of an argument.

    Yields:
        The name that the message begins with, which typer says instead.

    Raises:
        typer.BadParameter: In place of an OSError or a ValueError.
    """
    name = option.lstrip("-").lower().replace("-", "_")
    try:
        yield name
    except (OSError, ValueError) as error:
        message = str(error).removeprefix(f"`{name}` ")
        raise typer.BadParameter(printable(message), param_hint=option) from error


def check_one_schedule(merge_ratio: object, tokens_merged_per_layer: object) -> None:
    """Refuse a share and a count at once.

    Args:
        merge_ratio: What was given; None if nothing was.
        tokens_merged_per_layer: What was given; None if nothing was.

    Raises:
        typer.BadParameter: If both are given.
    """
    if merge_ratio is not None and tokens_merged_per_layer is not None:
        raise typer.BadParameter("--merge-ratio and --tokens-merged-per-layer must not both be given. Leave one out.")


def check_schedule_options(merge_ratio: str | None, tokens_merged_per_layer: str | None) -> None:
    """Refuse merge schedules that no model takes, as text: one number, or one a layer.

    Args:
        merge_ratio: Shares.
        tokens_merged_per_layer: Counts.

    Raises:
        typer.BadParameter: If one is none, or both are given.
    """
    check_one_schedule(merge_ratio, tokens_merged_per_layer)
    from fastast_hf.experiment.arguments import parse_schedule

    for option, text, kind in (
        ("--merge-ratio", merge_ratio, float),
        ("--tokens-merged-per-layer", tokens_merged_per_layer, int),
    ):
        if text is None:
            continue
        with refused_option(option) as name:
            value = parse_schedule(name, text, kind)
            fields = {"merge_ratio": 0.0, "tokens_merged_per_layer": None} | {name: value}
            # how many layers and tokens there are, the model will say
            num_layers = len(value) if isinstance(value, list) else 1
            check_merging(sys.maxsize, num_layers, max_length=0, **fields)
