"""`fastast trace`: what merging does to one sound, as a picture or as numbers."""

from pathlib import Path
from typing import Annotated

import typer

from fastast_hf.cli.console import print_json, print_note, print_result, printable
from fastast_hf.cli.models import open_classifier
from fastast_hf.cli.options import Device, MergeRatio, ModelOrEmbedded
from fastast_hf.cli.outputs import check_output_picture
from fastast_hf.model.log_mel import samples_of_frames
from fastast_hf.model.merge_schedule import NUM_SPECIAL_TOKENS

EPILOG = """
Examples:
  fastast trace dog.wav -o map.png --model my-fastast
  fastast trace dog.wav -o map.pdf --merge-ratio 0.3 --layer 1 --layer 12 \\
      --model MIT/ast-finetuned-audioset-10-10-0.4593
  fastast trace dog.wav --model my-fastast --json

In the picture, patches that are one token have one colour, the mean of
theirs, and no line between them. A token may lie in several places, of one
colour, and other tokens may have a colour much like it: parts with the same
number are one token. Behind each layer the largest of such tokens get
numbers, anew from 1; the title says how many get none.

Patch tokens are counted. The special tokens, CLS and distillation token, are
never merged and not drawn; to the sources of --json they are 0 and 1.
"""


def trace(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="A sound file.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PICTURE",
            show_default=False,
            help="File for the picture, .png, .pdf or .svg.",
        ),
    ] = None,
    model: ModelOrEmbedded = None,
    merge_ratio: MergeRatio = None,
    layer: Annotated[
        list[int] | None,
        typer.Option(min=1, show_default="four of them", help="Layer to draw, from 1. Repeat it for more."),
    ] = None,
    device: Device = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the counts, the labels and the token of every patch as JSON.")
    ] = False,
) -> None:
    """Show which patches of a sound end in one token, layer by layer.

    A model hears some seconds, mostly 10: of a longer file the beginning.
    """
    if output is None and not json:
        raise typer.BadParameter(
            "must be given unless --json is, got none. Name a file such as map.png.", param_hint="--output"
        )
    if file.is_dir():
        raise typer.BadParameter(
            f"must be a sound file, got the folder {printable(str(file))}. Name one file of it.", param_hint="FILE"
        )
    check_output_picture(output, "--output")
    from fastast_hf.classification.loading import embedded_model
    from fastast_hf.classification.recordings import beginning
    from fastast_hf.classification.tracing import trace_waveform
    from fastast_hf.data.audio import stream_audio

    classifier, feature_extractor = open_classifier(model or embedded_model(), merge_ratio=merge_ratio, device=device)
    rate = feature_extractor.sampling_rate
    heard = samples_of_frames(feature_extractor.max_length, rate)
    num_layers = classifier.config.num_hidden_layers
    if not all(number <= num_layers for number in layer or ()):
        raise ValueError(f"`layer` must be from 1 to {num_layers}, got {layer}. Name layers that the model has.")
    waveform, is_truncated = beginning(stream_audio(file, sampling_rate=rate), heard)
    found = trace_waveform(classifier, feature_extractor, waveform)
    if is_truncated:
        print_note(f"the file is longer than the {heard / rate:.1f} s that the model hears; this is its beginning.")
    if output is not None:
        from fastast_hf.visualization.merge_map import plot_merge_map

        plot_merge_map(found, output, layers=layer, title=printable(file.name))
    if json:
        print_json(
            {
                "path": str(file),
                "is_truncated": is_truncated,
                "labels": [label._asdict() for label in found.labels],
                "patch_grid": found.patch_grid,
                "patch_tokens": found.patch_tokens,
                "special_tokens": NUM_SPECIAL_TOKENS,
                "sources": found.sources.tolist(),
            }
        )
        return
    first, last = found.patch_tokens[0], found.patch_tokens[-1]
    counts = f"{first} patch tokens + {NUM_SPECIAL_TOKENS} special tokens; {last} + {NUM_SPECIAL_TOKENS} after the last layer"
    print_result(f"{printable(str(output))}: {counts}")
    for label in found.labels:
        print_result(f"  {label.score:6.1%}  {printable(label.label)}")
