"""`fastast export`: a model as one ONNX file, held to the model itself."""

import json as json_lines
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from fastast_hf.cli.console import print_note, printable, working
from fastast_hf.cli.options import MergeRatio, Model

if TYPE_CHECKING:  # they come with torch and transformers
    from fastast_hf.model import FastASTFeatureExtractor, FastASTForAudioClassification

MOST_DIFFERENCE = 1e-4
"""How far a logit of the file may be from the model's."""

# Another number than the exporter's two, which a file could have taken for the only one.
_CLIPS_OF_CHECK = 3
# Where two pairs of tokens are alike to the last bits, rounding decides which of them merges. Of DeiT's weights that is so
# in one noise of 13; a file that is wrong is so in all of them.
_TRIES = 5

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
        int | None, typer.Option(show_default=False, help="Tokens that each layer merges away, instead of a share.")
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
    if find_spec("onnxruntime") is None:
        raise ImportError(
            "Exporting needs onnxruntime, which is not installed. Install what ONNX needs with "
            "`pip install 'fastast_hf[onnx]'`."
        )
    from fastast_hf.classification.loading import load_classifier
    from fastast_hf.experiment.files import check_output_path
    from fastast_hf.hub.export import export_onnx

    check_output_path(output)
    classifier, feature_extractor = load_classifier(
        model, merge_ratio=merge_ratio, tokens_merged_per_layer=tokens_merged_per_layer, device="cpu"
    )
    off: list[float] = []
    output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f"_{output.name}.", dir=output.parent) as folder:
        aside = Path(folder) / output.name
        with working("Exporting"):
            export_onnx(classifier, aside, feature_extractor=feature_extractor)
        with working("Checking"):
            for seed in range(_TRIES):
                difference = largest_difference(aside, classifier, feature_extractor, seed=seed)
                if difference <= MOST_DIFFERENCE:
                    break
                off.append(difference)
        if not difference <= MOST_DIFFERENCE:  # a NaN, too
            raise ValueError(
                f"`output` must answer as the model does, to {MOST_DIFFERENCE:g}, got logits that are {difference:.1e} off. "
                f"{output} was not written; please report the model and the versions of torch and onnxruntime."
            )
        _move_into_place(aside, output)
    if off:
        print_note(
            f"On {len(off)} of {len(off) + 1} noises the logits were up to {max(off):.1e} off, as where rounding merges another "
            "pair of tokens. Compare on sounds of yours."
        )
    if json:
        print(json_lines.dumps({"path": str(output), "largest_difference": difference, "differences_beyond": off}))
    else:
        print(f"{printable(str(output))}: logits within {difference:.1e} of the model's")


def largest_difference(
    path: Path, model: "FastASTForAudioClassification", feature_extractor: "FastASTFeatureExtractor", *, seed: int = 0
) -> float:
    """Run a file and its model on the same clips, noises as long as the model hears, alone and as a batch.

    Args:
        path: The ONNX file.
        model: In eval mode, float32, on the CPU.
        feature_extractor: The model's.
        seed: Of the noises.

    Returns:
        The largest difference of two logits.
    """
    import numpy as np
    import onnxruntime
    import torch

    rate = feature_extractor.sampling_rate
    num_samples = round(feature_extractor.max_length / 100 * rate)  # a frame starts every 10 ms
    noises = np.random.default_rng(seed).uniform(-0.5, 0.5, (_CLIPS_OF_CHECK, num_samples))
    inputs = feature_extractor(noises, sampling_rate=rate, return_tensors="pt", padding="max_length")["input_values"]
    with torch.inference_mode():
        expected = model(inputs).logits.numpy()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    differences = [
        np.abs(session.run(["logits"], {"input_values": inputs[:size].numpy()})[0] - expected[:size])
        for size in (1, _CLIPS_OF_CHECK)
    ]
    return float(np.concatenate(differences).max())


def _move_into_place(aside: Path, output: Path) -> None:
    """Rename a file that was checked, and before it that of its weights, which it names, if there is one."""
    weights = aside.with_name(f"{aside.name}.data")
    if weights.exists():
        weights.replace(output.with_name(weights.name))
    aside.replace(output)
