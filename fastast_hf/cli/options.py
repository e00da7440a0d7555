"""Options and arguments that several commands have, said once."""

from typing import Annotated

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

MergeRatio = Annotated[
    float | None,
    typer.Option(
        show_default="the model's own; 0 for an AST",
        help="Share of its tokens that each layer merges away, 0 to 0.5.",
    ),
]

Device = Annotated[
    str | None, typer.Option(show_default="a GPU if there is one", help="Where to compute, such as cpu or cuda.")
]
