"""`fastast tune`: search the merge schedule that moves a model's answers least on sounds of its user, and write it down."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.text import Text

from fastast_hf.cli.console import print_json, print_note, print_result, printable, working
from fastast_hf.cli.missing import EXIT_CODE_UNREADABLE, print_unreadable
from fastast_hf.cli.models import open_classifier, waiting_for
from fastast_hf.cli.options import Device, Model
from fastast_hf.cli.outputs import check_output_file, check_output_folder, check_output_picture
from fastast_hf.hub.tables import results_block
from fastast_hf.hub.tuning_tables import better_constant_note, chosen_row, layers_line, tuning_table

EPILOG = """
Examples:
  fastast tune my-fastast --data-dir recordings/ --speedup 4
  fastast tune MIT/ast-finetuned-audioset-10-10-0.4593 \\
      --data-dir recordings/ --max-drop 3 --output my-fastast

The sounds need no labels: answers are compared with the model's own without
merging. A hundred sounds of the kinds that the model will hear make a good
search; two of three are searched on, the others judge, or those of
--check-dir. What is searched on chooses, the speed-up of --max-drop too: from
1.5x on, up to the first where no schedule allows it. What judges does not:
where more of its labels change, or one ratio or one r for all layers moves
its answers less (mean KL), a note says so. A --max-drop of 1 needs a hundred
sounds on either side: of fewer, one is more than that. --speedup counts
multiply-accumulates; "fastast benchmark" tells the time that they save.
Sounds that cannot be read are left out and listed; the exit code is 3.
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
            max=100,
            show_default=False,
            help="Or: how many of 100 clips searched on may change their best label, as fast as that allows.",
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

    What it finds is written into the model's config.json: it merges so wherever
    it is loaded from then on. A card of "fastast convert" states it, too.
    """
    from fastast_hf.speed.tuning_settings import TuningSettings, check_settings, targets_to_search

    settings = TuningSettings(
        speedup=speedup, max_drop=max_drop, trials=trials, seconds=seconds, batch_size=batch_size, seed=seed
    )
    try:
        check_settings(settings)
    except ValueError as error:
        told = str(error).replace("`speedup`", "--speedup").replace("`max_drop`", "--max-drop")
        raise typer.BadParameter(told) from error
    check_output_folder(output, "--output")
    check_output_file(results, "--results")
    check_output_picture(plot, "--plot")
    from fastast_hf.experiment.files import write_json
    from fastast_hf.experiment.tuned_folder import check_tuned_folder, write_schedule
    from fastast_hf.speed.contenders import Opened
    from fastast_hf.speed.schedule_savings import savings_of_checkpoint
    from fastast_hf.speed.sounds import check_enough, check_sounds_are_apart, choose_sound_files, readable_spectrograms
    from fastast_hf.speed.tuned_schedule import LEAST_CLIPS, tune_schedule

    check_tuned_folder(model, output)
    folders = {"data_dir": (data_dir, LEAST_CLIPS)} | ({} if check_dir is None else {"check_dir": (check_dir, 1)})
    paths = {
        option: choose_sound_files(folder, limit, least=least, option=option)
        for option, (folder, least) in folders.items()
    }
    check_sounds_are_apart(*paths.values())
    with waiting_for(model, "Reading what it merges"):
        savings = savings_of_checkpoint(model)
    if savings is not None:
        targets_to_search(savings, settings)  # known before the weights are, and before any sound is decoded
    opened = Opened(Path(model).resolve().name, *open_classifier(model, device=device))
    sounds = {
        option: readable_spectrograms(files, opened.feature_extractor, option=option)
        for option, files in paths.items()
    }
    unreadable = {path: why for part in sounds.values() for path, why in part.unreadable.items()}
    # before the search, which takes minutes that other sounds may be worth
    is_incomplete = print_unreadable(unreadable.items(), sum(map(len, paths.values())), goes_on=True)
    for option, (_, least) in folders.items():
        check_enough(sounds[option], least, option=option)
    clips, *others = (part.features for part in sounds.values())
    found = tune_schedule(opened, clips, settings, clips_to_check=others[0] if others else None, checkpoint=model)
    found["tuning"]["unreadable"] = unreadable
    if results is not None:
        write_json(results, found)
    with working("Writing the schedule"):
        written = write_schedule(opened, model, output, chosen_row(found)["merging"])
    if json:
        print_json(found, indent=2)
    else:
        _print_results(found)
        print_note(f"The schedule is in {printable(str(written.config))}.", title="Written")
        if results is not None:
            print_note(f"The results are in {printable(str(results))}.", title="Written")
    if written.outdated:
        print_note(
            f"{printable(str(written.card))} still states what held for the old schedule: "
            f"{', '.join(written.outdated)}. Measure again and mend it, before you pass the model on."
        )
    if plot is not None:  # last: nothing is lost if it fails
        from fastast_hf.visualization.schedules import plot_schedules

        plot_schedules(found, plot)
        if not json:
            print_note(f"The picture is in {printable(str(plot))}.", title="Written")
    if is_incomplete:
        raise typer.Exit(EXIT_CODE_UNREADABLE)


def _print_results(found: dict[str, Any]) -> None:
    """Print the table for a terminal; into a file or a pipe, the same as Markdown with what is needed to repeat it."""
    console = Console()
    if not console.is_terminal:
        print_result(results_block(found))
        return
    console.print(Markdown(tuning_table(found)))
    if note := better_constant_note(found):
        console.print(Markdown(note[0]))
        # one line however long, and with its path: so that it can be copied
        console.print(Text(printable(found["tuning"]["better_constant"]["command"])), soft_wrap=True)
    console.print(Markdown(layers_line(found)))
