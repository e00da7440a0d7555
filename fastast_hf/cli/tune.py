"""`fastast tune`: search the merge schedule that moves a model's answers least on sounds of its user, and write it down."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown

from fastast_hf.cli.console import print_json, print_note, print_result, printable
from fastast_hf.cli.models import open_classifier
from fastast_hf.cli.options import Device, Model
from fastast_hf.hub.tables import results_block
from fastast_hf.hub.tuning_tables import chosen_row, layers_line, tuning_table

EPILOG = """
Examples:
  fastast tune my-fastast --data-dir recordings/ --speedup 4
  fastast tune MIT/ast-finetuned-audioset-10-10-0.4593 \\
      --data-dir recordings/ --max-drop 0.5 --output my-fastast

The sounds need no labels: answers are compared with the model's own without
merging. A hundred sounds of the kinds that the model will hear make a good
search; two of three are searched on, the others judge, or those of
--check-dir. --speedup counts multiply-accumulates; "fastast benchmark" tells
the time that they save.
"""


def tune(
    model: Model,
    data_dir: Annotated[Path, typer.Option(exists=True, show_default=False, help="Folder of sounds, without labels.")],
    speedup: Annotated[
        float | None, typer.Option(min=1, show_default=False, help="How many times less work it is to be.")
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            min=0,
            show_default=False,
            help="Or: how many of 100 clips may change their best label, as fast as that allows.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            show_default="MODEL's own config.json, if it is a FastAST folder",
            help="Folder for the model with its new schedule.",
        ),
    ] = None,
    check_dir: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            show_default="a third of the sounds",
            help="Folder of other sounds, which judge what was found on the first.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=6, help="Sounds to take from a folder, spread evenly over it.")] = 120,
    trials: Annotated[int, typer.Option(min=1, help="Schedules to try at one speed-up.")] = 120,
    seconds: Annotated[float, typer.Option(min=0, help="Or fewer, if they take longer than this.")] = 540.0,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips of a forward pass.")] = 16,
    seed: Annotated[int, typer.Option(help="Of what is random in the search.")] = 0,
    device: Device = None,
    results: Annotated[Path | None, typer.Option(show_default=False, help="File for the results, as JSON.")] = None,
    plot: Annotated[
        Path | None, typer.Option(show_default=False, help="File for a picture of the schedules, .png, .pdf or .svg.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON, and nothing else.")] = False,
) -> None:
    """Search the merge schedule that moves a model's answers least.

    The winner is written into the model's config.json: it merges so wherever
    it is loaded from then on.
    """
    from fastast_hf.experiment.files import check_output_path, write_json
    from fastast_hf.experiment.tuned_folder import check_tuned_folder, write_schedule

    if plot is not None:
        from fastast_hf.visualization.pictures import check_picture_path
        from fastast_hf.visualization.schedules import plot_schedules

        check_picture_path(plot)
        check_output_path(plot, option="plot")
    from fastast_hf.speed.contenders import Opened
    from fastast_hf.speed.sounds import check_sounds_are_apart, choose_sound_files, padded_spectrograms
    from fastast_hf.speed.tuned_schedule import TuningSettings, check_settings, tune_schedule

    settings = TuningSettings(
        speedup=speedup, max_drop=max_drop, trials=trials, seconds=seconds, batch_size=batch_size, seed=seed
    )
    check_settings(settings)
    check_tuned_folder(model, output)
    if results is not None:
        check_output_path(results, option="results")
    folders = [data_dir] if check_dir is None else [data_dir, check_dir]
    paths = [choose_sound_files(folder, limit) for folder in folders]
    check_sounds_are_apart(*paths)
    opened = Opened(Path(model).resolve().name, *open_classifier(model, device=device))
    clips, *others = (padded_spectrograms(chosen, opened.feature_extractor) for chosen in paths)
    found = tune_schedule(opened, clips, settings, clips_to_check=others[0] if others else None)
    if results is not None:
        write_json(results, found)
    written = write_schedule(opened, model, output, chosen_row(found)["merging"])
    if json:
        print_json(found, indent=2)
    else:
        _print_results(found)
        print_note(f"The schedule is in {printable(str(written))}.", title="Written")
    if plot is not None:  # last: nothing is lost if it fails
        plot_schedules(found, plot)


def _print_results(found: dict[str, Any]) -> None:
    """Print the table for a terminal; into a file or a pipe, the same as Markdown with what is needed to repeat it."""
    console = Console()
    if not console.is_terminal:
        print_result(results_block(found))
        return
    console.print(Markdown(tuning_table(found)))
    console.print(Markdown(layers_line(found)))
