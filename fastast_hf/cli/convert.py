"""`fastast convert`: an AST, a ViT or a DeiT as a FastAST in a folder, and on the Hub."""

from pathlib import Path
from typing import Annotated

import typer

from fastast_hf.cli.console import print_json, print_note, print_result, printable
from fastast_hf.cli.models import waiting_for
from fastast_hf.cli.options import check_schedule_options, refused_option
from fastast_hf.cli.outputs import check_output_folder
from fastast_hf.progress import late_bars

EPILOG = """
Examples:
  fastast convert MIT/ast-finetuned-audioset-10-10-0.4593 my-fastast \\
      --merge-ratio 0.2
  fastast convert my-ast my-fastast --push-to-hub me/my-fastast
  fastast convert facebook/deit-tiny-patch16-224 start \\
      --max-length 512 --label dog --label rain

The folder holds weights, code, features and a card: it runs where this
package is not installed. An AST keeps its weights, and without merging its
answers, unless it is to hear another length or other patches; a ViT or DeiT
gets a classifier that has yet to be trained, see examples/distill.py.
"""

_IMAGES = "Start from a ViT or DeiT"


def convert(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", show_default=False, help="AST, FastAST, ViT or DeiT: folder or Hub name.")
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", show_default=False, help="Folder to make; new, or empty.")
    ],
    merge_ratio: Annotated[
        str | None,
        typer.Option(
            show_default="the model's own; 0 for an AST",
            help="Share of its tokens that each layer merges away, 0 to 0.5; or one a layer: 0.2,0.1,...",
        ),
    ] = None,
    tokens_merged_per_layer: Annotated[
        str | None,
        typer.Option(show_default=False, help="Tokens that each layer merges away, instead of a share; or 20,10,..."),
    ] = None,
    max_length: Annotated[
        int | None,
        typer.Option(
            show_default="the model's own, or 1024", help="Frames of 10 ms that it hears; its positions are fitted."
        ),
    ] = None,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit of MODEL on the Hub.")] = "main",
    frequency_stride: Annotated[
        int | None, typer.Option(show_default="the model's own, or 10", help="Mel bins from patch to patch.")
    ] = None,
    time_stride: Annotated[
        int | None, typer.Option(show_default="the model's own, or 10", help="Frames from patch to patch.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(show_default=False, help="What the new classifier is to tell apart.", rich_help_panel=_IMAGES),
    ] = None,
    push_to_hub: Annotated[
        str | None, typer.Option(metavar="NAME", show_default=False, help="Push the folder there, as user/name.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make the repository a private one.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make a FastAST of an AST, a ViT or a DeiT: a folder ready for the Hub."""
    check_output_folder(output, "OUTPUT")
    check_schedule_options(merge_ratio, tokens_merged_per_layer)
    from fastast_hf.experiment.arguments import ModelArguments
    from fastast_hf.experiment.converting import check_destination, convert_checkpoint

    with refused_option("--push-to-hub"):
        check_destination(push_to_hub, private=private)
    arguments = ModelArguments(
        model_name_or_path=model,
        model_revision=revision,
        merge_ratio=merge_ratio,
        tokens_merged_per_layer=tokens_merged_per_layer,
        max_length=max_length,
        frequency_stride=frequency_stride,
        time_stride=time_stride,
    )
    with waiting_for(model, "Converting", revision=revision), late_bars():
        made = convert_checkpoint(arguments, output, labels=label or [], repo_id=push_to_hub, private=private)
    merged = list(made.model.config.merge_schedule().tokens_merged)
    if json:
        new = {"has_new_head": made.has_new_head, "has_fitted_positions": made.has_fitted_positions}
        print_json({"path": str(made.folder), **new, "merge_schedule": merged, "url": made.url})
        return
    print_result(f"{printable(str(made.folder))}: merges {', '.join(map(str, merged))} tokens away, layer by layer")
    if made.has_new_head:
        print_note("The classifier is new and answers at random. Train it, for example with examples/distill.py.")
    if made.has_fitted_positions:
        print_note(
            "The position embeddings were fitted to other patches, so the answers change. Compare on sounds of yours."
        )
    if made.url is not None:
        print_result(f"Pushed to {made.url}")
