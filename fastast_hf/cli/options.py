"""Options and arguments that several commands have, said once."""

from typing import Annotated, Any

import typer

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


MergeRatio = Annotated[float | None, merge_ratio_option()]

Device = Annotated[
    str | None, typer.Option(show_default="a GPU if there is one", help="Where to compute, such as cpu or cuda.")
]
