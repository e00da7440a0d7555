"""`fastast benchmark`: what merging saves on this machine, and how much of the saved work becomes saved time."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
import typer

from fastast_hf.cli.console import print_json, print_note, printable
from fastast_hf.cli.missing import EXIT_CODE_UNREADABLE, print_unreadable
from fastast_hf.cli.models import check_classifier, naming_option, open_classifier
from fastast_hf.cli.options import Device, merge_ratio_option
from fastast_hf.cli.outputs import check_output_file, check_output_picture
from fastast_hf.cli.speed_on_terminal import print_speed

if TYPE_CHECKING:  # it comes with scikit-learn and datasets
    from fastast_hf.speed.contenders import Opened

# typer takes a list of an Enum, and none of a Literal
DTypes = StrEnum("DTypes", ["float32", "bfloat16", "float16"])
Runtimes = StrEnum("Runtimes", ["eager", "compiled", "onnxruntime"])

EPILOG = """
Examples:
  fastast benchmark my-fastast
  fastast benchmark ast-base --merge-ratio 0.1 --merge-ratio 0.25 \\
      --tokens-merged-per-layer 40 --output speed.json --plot speed.png
  fastast benchmark my-fastast --data-dir recordings/ \\
      --runtime eager --runtime compiled
  fastast benchmark my-student --against my-ast --batch-size 16

Speed-up is the baseline's time over a row's, the median over the turns; IQR
is the interquartile range. Share reached is the speed-up over the ratio of
multiply-accumulates (MACs). Without --against, the row unmerged does the
work of the baseline: how far it is from 1x is noise. Sounds that cannot be
read are left out and listed; the exit code is 3.
"""


def benchmark(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            show_default=False,
            help="FastAST or AST: folder or Hub name; ast-base or ast-tiny for random weights, since speed does not depend "
            "on them.",
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            show_default="MODEL's own weights, unmerged",
            help="The baseline, merging as it does itself.",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            metavar="FOLDER",
            show_default=False,
            help="Folder of sounds: how often the best label stays the same, and the time from file to label.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="Sounds to take from the folder, spread evenly over it.")
    ] = 40,
    merge_ratio: Annotated[
        list[float] | None,
        merge_ratio_option(
            ". Repeatable, a row each.", show_default="the model's own schedule, or 0.25 if it merges nothing"
        ),
    ] = None,
    tokens_merged_per_layer: Annotated[
        list[int] | None,
        typer.Option(
            min=0,
            metavar="N",
            show_default=False,
            help="Tokens that each layer merges away, the papers' r. Repeatable, a row each.",
        ),
    ] = None,
    batch_size: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            metavar="N",
            show_default="1 and 8",
            help="Clips of a forward pass. Repeatable; each is a run of its own.",
        ),
    ] = None,
    dtype: Annotated[
        list[DTypes] | None,
        typer.Option(
            metavar="DTYPE",
            show_default="float32, on CUDA bfloat16 too",
            help="Of the rows after the baseline: float32, bfloat16 or float16. Repeatable.",
        ),
    ] = None,
    runtime: Annotated[
        list[Runtimes] | None,
        typer.Option(
            metavar="RUNTIME",
            show_default="eager, on CUDA compiled too",
            help="How the rows after the baseline run: eager, compiled (minutes until it is) or onnxruntime. Repeatable.",
        ),
    ] = None,
    num_frames: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N",
            show_default="all that the model hears",
            help="Length of the clips in the rows after the baseline, in frames of 10 ms. Repeatable.",
        ),
    ] = None,
    repeats: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Turns that are timed, spectrogram to label; from file to label there are 5, or one a file of fewer "
            "files, of the front end 10.",
        ),
    ] = 20,
    min_seconds: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Go on until the turns of a batch size took this long.")
    ] = 0.0,
    num_workers: Annotated[int, typer.Option(min=1, metavar="N", help="Threads that decode, from file to label.")] = 2,
    device: Device = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", show_default=False, help="File for the results, as JSON.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            show_default=False,
            help="File for a picture of the speed-ups, with --data-dir of the answers too, .png, .pdf or .svg.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON, and nothing else.")] = False,
) -> None:
    """Measure what merging saves on this machine.

    Behind a baseline that is eager, in float32 and padded, each merge schedule
    makes a row in each dtype, runtime and length, and so does the model
    unmerged. All rows of a batch size take turns, so that they meet the same
    machine.
    """
    check_output_file(output, "--output")
    check_output_picture(plot, "--plot")
    from fastast_hf.experiment.files import write_json
    from fastast_hf.speed.measuring import measure_variants
    from fastast_hf.speed.settings import speed_settings
    from fastast_hf.speed.sounds import choose_sound_files, readable_sound_files

    _check_names({"model": model} | ({} if against is None else {"against": against}))
    sounds = None if data_dir is None else readable_sound_files(choose_sound_files(data_dir, limit))
    # before the measuring, which takes minutes that other sounds may be worth
    is_incomplete = sounds is not None and print_unreadable(
        sounds.unreadable.items(), len(sounds.paths) + len(sounds.unreadable), goes_on=True
    )
    opened = _open(model, device)
    with naming_option("against"):
        baseline = None if against is None else _open(against, device)
    runtimes: Any = [name.value for name in runtime or ()]
    settings = speed_settings(
        opened.model,
        merge_ratios=merge_ratio or (),
        tokens_merged_per_layer=tokens_merged_per_layer or (),
        batch_sizes=batch_size or (),
        dtypes=[getattr(torch, name.value) for name in dtype or ()],
        runtimes=runtimes,
        num_frames=num_frames or (),
        repeats=repeats,
        min_seconds=min_seconds,
        num_workers=num_workers,
    )

    def keep(results: dict[str, Any]) -> None:
        if output is not None:
            write_json(output, results)

    found = {} if sounds is None else sounds._asdict()
    results = measure_variants(opened, settings, against=baseline, tell=keep, **found)
    if json:
        print_json(results, indent=2)
    else:
        print_speed(results)
        if output is not None:
            print_note(f"The results are in {printable(str(output))}.", title="Written")
    if plot is not None:  # last: nothing is lost if it fails
        from fastast_hf.visualization.speed import plot_speed

        plot_speed(results, plot)
        if not json:
            print_note(f"The picture is in {printable(str(plot))}.", title="Written")
    if is_incomplete:
        raise typer.Exit(EXIT_CODE_UNREADABLE)


def _check_names(names: dict[str, str]) -> None:
    """Refuse what is no classifier, by the option that it was given to, before any is opened."""
    from fastast_hf.speed.variants import RANDOM_MODELS

    for option, name in names.items():
        if name not in RANDOM_MODELS:
            with naming_option(option):
                check_classifier(name)


def _open(name: str, device: str | None) -> "Opened":
    """Open a model, in float32, or make one with random weights."""
    from fastast_hf.classification.loading import find_device
    from fastast_hf.speed.contenders import Opened
    from fastast_hf.speed.variants import RANDOM_MODELS, random_classifier

    if name in RANDOM_MODELS:
        model: Any
        model, feature_extractor = random_classifier(name)
        return Opened(name, model.to(find_device(device)), feature_extractor, random_weights=True)
    return Opened(Path(name).resolve().name, *open_classifier(name, device=device))
