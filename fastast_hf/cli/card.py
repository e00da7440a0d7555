"""`fastast card`: the model card of a run, rendered again from its results."""

from pathlib import Path
from typing import Annotated

import typer

from fastast_hf.cli.console import print_json, print_note, print_result, printable
from fastast_hf.hub.model_card import comparison_heading, write_model_card
from fastast_hf.hub.repositories import license_of_card
from fastast_hf.hub.results import load_results
from fastast_hf.writing import naming

EPILOG = """
Examples:
  fastast card runs/esc10-fastast
  fastast card my-fastast --repo-id me/my-fastast --license apache-2.0

results.json is what examples/distill.py leaves beside the model. Every
number of the card comes from it.
"""


def card(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", exists=True, file_okay=False, show_default=False, help="A model with its results.json."
        ),
    ],
    results: Annotated[
        Path | None, typer.Option(show_default="FOLDER/results.json", help="Results, if they are elsewhere.")
    ] = None,
    comparison: Annotated[
        Path | None,
        typer.Option(show_default=False, help="Results of models like it over folds or seeds, to stand beside."),
    ] = None,
    repo_id: Annotated[
        str | None, typer.Option(metavar="NAME", show_default=False, help="The model's name on the Hub, user/name.")
    ] = None,
    license: Annotated[
        str | None, typer.Option(show_default="that of the card", help="The model's licence, as the Hub spells it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write a model's card, README.md, from the results of its run.

    A card that is there is replaced; without --license, the licence that it
    states stays. Its table over all folds needs --comparison again.
    """
    file = results or folder / "results.json"
    if not file.is_file():
        raise FileNotFoundError(
            f"`results` must be a file that a run left, got none at {file}. Name one with --results."
        )
    license = license or license_of_card(folder)
    lost = comparison_heading(folder) if comparison is None else None
    with naming(folder / "README.md"):
        path = write_model_card(
            folder,
            load_results(file),
            repo_id=repo_id,
            license=license,
            comparison=None if comparison is None else load_results(comparison),
        )
    if lost:
        print_note(
            f'the card that was there had a section "{lost}". Give its results with --comparison to have it again.'
        )
    if json:
        print_json({"path": str(path), "results": str(file), "repo_id": repo_id, "license": license})
    else:
        print_result(printable(str(path)))
