"""`fastast export`: a model as one ONNX file, held to the model itself."""

import json as json_lines
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fastast_hf.cli.console import printable, working

if TYPE_CHECKING:  # they come with torch and transformers
    from fastast_hf.model import FastASTFeatureExtractor, FastASTForAudioClassification

MOST_DIFFERENCE = 1e-4
"""How far a logit of the file may be from the model's."""

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
    model: Annotated[
        str, typer.Argument(metavar="MODEL", show_default=False, help="FastAST or AST: folder or Hub name.")
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", show_default=False, help="File to write, such as out.onnx.")
    ],
    merge_ratio: Annotated[
        float | None,
        typer.Option(
            show_default="the model's own; 0 for an AST",
            help="Share of its tokens that each layer merges away, 0 to 0.5.",
        ),
    ] = None,
    tokens_merged_per_layer: Annotated[
        int | None, typer.Option(show_default=False, help="Tokens that each layer merges away, instead of a share.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a model as one ONNX file, all merges inside, and check it.

    The check runs the file with ONNX Runtime on a noise as long as the model
    hears. A logit that is more than 1e-4 off is an error.
    """
    if find_spec("onnxruntime") is None:
        raise ImportError(
            "Exporting needs onnxruntime, which is not installed. Install what ONNX needs with "
            "`pip install 'fastast_hf[onnx]'`."
        )
    from fastast_hf.cli.loading import load_classifier
    from fastast_hf.hub.export import export_onnx

    classifier, feature_extractor = load_classifier(
        model, merge_ratio=merge_ratio, tokens_merged_per_layer=tokens_merged_per_layer, device="cpu"
    )
    with working("Exporting"):
        export_onnx(classifier, output, feature_extractor=feature_extractor)
    with working("Checking"):
        difference = largest_difference(output, classifier, feature_extractor)
    if not difference <= MOST_DIFFERENCE:  # a NaN, too
        raise ValueError(
            f"`output` must answer as the model does, to {MOST_DIFFERENCE:g}, got logits in {output} that are {difference:.1e} "
            "off. Do not use the file; please report the model and the versions of torch and onnxruntime."
        )
    if json:
        print(json_lines.dumps({"path": str(output), "largest_difference": difference}))
    else:
        print(f"{printable(str(output))}: logits within {difference:.1e} of the model's")


def largest_difference(
    path: Path, model: "FastASTForAudioClassification", feature_extractor: "FastASTFeatureExtractor"
) -> float:
    """Run a file and its model on the same clip, a noise as long as the model hears.

    Args:
        path: The ONNX file.
        model: In eval mode, float32, on the CPU.
        feature_extractor: The model's.

    Returns:
        The largest difference of two logits.
    """
    import numpy as np
    import onnxruntime
    import torch

    seconds = feature_extractor.max_length / 100  # a frame starts every 10 ms
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * feature_extractor.sampling_rate))
    inputs = feature_extractor(
        noise, sampling_rate=feature_extractor.sampling_rate, return_tensors="pt", padding="max_length"
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"input_values": inputs["input_values"].numpy()})
    with torch.inference_mode():
        expected = model(inputs["input_values"]).logits
    return float(np.abs(logits - expected.numpy()).max())
