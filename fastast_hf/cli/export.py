"""`fastast export`: a model as one ONNX file, held to the model itself."""

from pathlib import Path
from typing import Annotated

import typer

from fastast_hf.cli.console import print_json, print_note, print_result, printable, working
from fastast_hf.cli.models import open_classifier
from fastast_hf.cli.options import MergeRatio, Model, check_one_schedule
from fastast_hf.cli.outputs import check_output_file
from fastast_hf.hub.checked_export import export_checked_onnx
from fastast_hf.hub.export import check_export_tools

EPILOG = """
Examples:
  fastast export my-fastast my-fastast.onnx
  fastast export MIT/ast-finetuned-audioset-10-10-0.4593 ast.onnx \\
      --merge-ratio 0.2

The file takes input_values (batch, max_length, num_mel_bins) and gives
logits (batch, labels). Its metadata holds the labels, the settings of the
features and what each layer merges.

Needs pip install 'fastast_hf\\[onnx]'.
"""


def export(
    model: Model,
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", show_default=False, help="File to write, such as out.onnx.")
    ],
    merge_ratio: MergeRatio = None,
    tokens_merged_per_layer: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", show_default=False, help="Tokens that each layer merges away, instead of a share."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a model as one ONNX file, all merges inside, and check it.

    The check runs the file with ONNX Runtime on noises as long as the model
    hears. Where two pairs of tokens are alike to the last bits, rounding may
    merge the other one: logits that are more than 1e-4 off are told and tried
    with other noises. If they are off on all five, that is an error, and what
    was there before stays.
    """
    check_one_schedule(merge_ratio, tokens_merged_per_layer)
    if output.suffix.lower() != ".onnx":
        raise typer.BadParameter(f"must end in .onnx, got {printable(str(output))}. Call it so.", param_hint="OUTPUT")
    check_output_file(output, "OUTPUT")
    check_export_tools("onnx", "onnxscript", "onnxruntime")
    classifier, feature_extractor = open_classifier(
        model, merge_ratio=merge_ratio, tokens_merged_per_layer=tokens_merged_per_layer, device="cpu"
    )
    with working("Exporting"):
        made = export_checked_onnx(classifier, output, feature_extractor=feature_extractor)
    off = made.differences_beyond
    if off:
        print_note(
            f"On {len(off)} of {len(off) + 1} noises the logits were up to {max(off):.1e} off, as where rounding merges another "
            "pair of tokens. Compare on sounds of yours."
        )
    if json:
        told = {"path": str(output), "largest_difference": made.largest_difference, "differences_beyond": off}
        print_json(told)
    else:
        print_result(f"{printable(str(output))}: logits within {made.largest_difference:.1e} of the model's")
