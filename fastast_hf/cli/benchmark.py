"""`fastast benchmark`: what merging saves on this machine, and how much of the saved work becomes saved time."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from fastast_hf.cli.console import print_json, print_result
from fastast_hf.cli.models import open_classifier
from fastast_hf.cli.options import Device, merge_ratio_option
from fastast_hf.cli.outputs import check_output_file, check_output_picture
from fastast_hf.hub.file_to_label_tables import file_to_label_table
from fastast_hf.hub.speed_tables import front_end_table, narrow_speed_columns
from fastast_hf.hub.tables import conditions_line, results_block

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
work of the baseline: how far it is from 1x is noise.
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
            help="Of the rows behind the baseline: float32, bfloat16 or float16. Repeatable.",
        ),
    ] = None,
    runtime: Annotated[
        list[Runtimes] | None,
        typer.Option(
            metavar="RUNTIME",
            show_default="eager, on CUDA compiled too",
            help="How the rows behind the baseline run: eager, compiled (minutes until it is) or onnxruntime. Repeatable.",
        ),
    ] = None,
    num_frames: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N",
            show_default="all that the model hears",
            help="Length of the clips behind the baseline, in frames of 10 ms. Repeatable.",
        ),
    ] = None,
    repeats: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Turns that are timed, spectrogram to label; from file to label there are 5, of the front end 10.",
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
        Path | None, typer.Option(show_default=False, help="File for a picture of the speed-ups, .png, .pdf or .svg.")
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
    from fastast_hf.speed.sounds import check_sound_files, choose_sound_files

    paths = () if data_dir is None else choose_sound_files(data_dir, limit)
    check_sound_files(paths)
    opened = _open(model, device)
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

    results = measure_variants(opened, settings, against=baseline, paths=paths, tell=keep)
    if json:
        print_json(results, indent=2)
    else:
        _print_results(results)
    if plot is not None:  # last: nothing is lost if it fails
        from fastast_hf.visualization.speed import plot_speed

        plot_speed(results, plot)


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


def _print_results(results: dict[str, Any]) -> None:
    """Print tables that fit a terminal; into a file or a pipe, the same as Markdown."""
    console = Console()
    if not console.is_terminal:
        print_result(results_block(results))
        return
    rows = results["benchmark"]["rows"]
    for batch_size in dict.fromkeys(row["batch_size"] for row in rows):
        of_this_size = [row for row in rows if row["batch_size"] == batch_size]
        columns = narrow_speed_columns(of_this_size)
        table = Table(box=None, padding=(0, 1, 0, 0))
        table.add_column(Text(f"{results['model']}\nbatch {batch_size}"), min_width=12)
        for title in columns:
            table.add_column(title.replace(" ", "\n"), justify="right", no_wrap=True)
        for row, *cells in zip(of_this_size, *columns.values(), strict=True):
            table.add_row(Text(row["name"]), *cells)
        console.print(table)
        console.print()
    if "file_to_label" in results:
        console.print(Markdown(file_to_label_table(results)))
    if "front_end" in results:
        console.print(Markdown(front_end_table(results)))
    console.print(Markdown(conditions_line(results)))
