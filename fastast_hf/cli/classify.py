"""`fastast classify`: files, folders and long recordings to labels with times."""

import io
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import torch
import typer

from fastast_hf.cli.console import STDOUT, print_note, printable, progress_bar
from fastast_hf.cli.formats import WRITERS, Format
from fastast_hf.cli.missing import EXIT_CODE_UNREADABLE, print_truncated, print_unreadable
from fastast_hf.cli.models import open_classifier
from fastast_hf.cli.options import ModelOrEmbedded, merge_ratio_option, seconds_option
from fastast_hf.cli.outputs import check_output_file
from fastast_hf.writing import naming

if TYPE_CHECKING:  # it comes with datasets
    from fastast_hf.classification import Classification

EPILOG = """
Examples:
  fastast classify dog.wav rain.flac --model my-fastast
  fastast classify recordings/ --model my-fastast -o labels.csv
  fastast classify night.flac --model my-fastast --window 5 --json
  fastast classify dog.wav --merge-ratio 0.2 \\
      --model MIT/ast-finetuned-audioset-10-10-0.4593

Exit code 3: some files could not be read. They are listed on stderr; the
others have their labels.
"""

_SPEED, _OUTPUT = "Speed", "Output"


def classify(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", show_default=False, help="Sound files, and folders of them.")
    ],
    model: ModelOrEmbedded = None,
    window: Annotated[
        float | None,
        seconds_option(
            show_default=False, help="Seconds of sound that get labels of their own, to the end of each file."
        ),
    ] = None,
    hop: Annotated[
        float | None,
        seconds_option(
            show_default="the window",
            help="Seconds from the start of a window to that of the next; more than the window leaves sound out.",
        ),
    ] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Labels of each sound.")] = 5,
    padding: Annotated[
        Literal["longest", "max_length"],
        typer.Option(help="max_length computes the padding after short sounds, too, and answers as AST does."),
    ] = "longest",
    merge_ratio: Annotated[float | None, merge_ratio_option(": more is faster and less exact.", panel=_SPEED)] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Sounds that the model takes at a time.", rich_help_panel=_SPEED)
    ] = 16,
    num_workers: Annotated[
        int, typer.Option(min=1, help="Threads that decode. Beside a GPU take more.", rich_help_panel=_SPEED)
    ] = 2,
    device: Annotated[
        str | None,
        typer.Option(
            show_default="a GPU if there is one", help="Where to compute: cpu, cuda, cuda:1.", rich_help_panel=_SPEED
        ),
    ] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16"],
        typer.Option(
            help="What to compute in. bfloat16 is less exact, and faster on a GPU or a CPU that has it.",
            rich_help_panel=_SPEED,
        ),
    ] = "float32",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", show_default="stdout", help="File to write, .csv or .jsonl.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    format: Annotated[
        Format | None,
        typer.Option(
            show_default="table, or by the ending of --output",
            help="How results are written; jsonl: one JSON object a line.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format jsonl.", rich_help_panel=_OUTPUT)] = False,
) -> None:
    """Tell what is to be heard in sound files: labels with scores and times.

    Reads WAV, FLAC, Ogg, Opus, MP3, AIFF and more, of any rate and number of
    channels. A model hears some seconds at a time, mostly 10: the beginning of a
    longer file, or with --window all of it, window by window.
    """
    output_format = _choose_format(format, json, output)
    check_output_file(output, "--output", in_place=True)
    if hop is not None and window is None:
        raise typer.BadParameter(
            f"must be left out without --window, got {hop:g}. Give both, in seconds.", param_hint="--hop"
        )
    from fastast_hf.classification import classify_files, find_sound_files
    from fastast_hf.classification.loading import embedded_model

    classifier, feature_extractor = open_classifier(
        model or embedded_model(), merge_ratio=merge_ratio, device=device, dtype=dtype
    )
    paths = list(find_sound_files(files))
    results = classify_files(
        classifier,
        feature_extractor,
        paths,
        top_k=top_k,
        window=window,
        hop=hop,
        batch_size=batch_size,
        num_workers=num_workers,
        padding=padding,
    )
    missing = _Missing()
    with _opened(output) as stream, _without_log_of("fastast_hf.classification.classify"):
        if output_format == "table" or not stream.isatty():  # else the results themselves show how far it is
            results = _with_bar(results, len(paths), in_windows=window is not None)
        try:
            WRITERS[output_format](missing.noted(results), stream)
        except torch.OutOfMemoryError as error:
            raise ValueError(
                f"`batch_size` must fit into the memory of the device, got {batch_size}. Give a smaller one, or "
                f'`dtype` "bfloat16". torch says: {error}'
            ) from error
        except KeyboardInterrupt:
            if output is not None or output_format == "table":
                place = "the table" if output is None else printable(str(output))
                print_note(f"{place} holds what was done so far, and not all.", title="Interrupted")
            raise
    if output is not None and not json:
        print_note(f"The labels are in {printable(str(output))}.", title="Written")
    print_truncated(missing.num_truncated, len(paths))
    if print_unreadable(missing.unreadable, len(paths)):
        raise typer.Exit(EXIT_CODE_UNREADABLE)


def _choose_format(format: Format | None, json: bool, output: Path | None) -> Format:
    """Find out how the results are written, and refuse what contradicts itself."""
    if json and format not in (None, "jsonl"):
        raise typer.BadParameter(
            f"must be jsonl beside --json, got {format}. Give one of them.", param_hint="--format"
        )
    if json:
        return "jsonl"
    if format is not None:
        return format
    if output is None:
        return "table"
    endings: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl"}
    if output.suffix.lower() not in endings:
        raise typer.BadParameter(
            f"must end in .csv or .jsonl, got {printable(str(output))}. Call it so, or give --format.",
            param_hint="--output",
        )
    return endings[output.suffix.lower()]


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """Give where the results go. Bytes of a file name that are no text are written as they are."""
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        with naming(output), output.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            yield file
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    with naming(STDOUT):
        yield sys.stdout


@contextmanager
def _without_log_of(name: str) -> Iterator[None]:
    """Keep back a module's own warnings, where the command has words of its own."""
    logger = logging.getLogger(name)
    was_disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was_disabled


def _with_bar(results: "Iterable[Classification]", num_files: int, *, in_windows: bool) -> "Iterator[Classification]":
    """Pass results on, and show how many files are done."""
    from fastast_hf.classification.counting import counted

    with progress_bar("Classifying", num_files) as show:
        yield from counted(results, show, in_windows=in_windows)


class _Missing:
    """Counts what has no label."""

    def __init__(self) -> None:
        self.unreadable: list[tuple[str, str]] = []
        self.num_truncated = 0

    def noted(self, results: "Iterable[Classification]") -> "Iterator[Classification]":
        """Pass results on."""
        for result in results:
            if result.error is not None:
                self.unreadable.append((result.path, result.error))
            self.num_truncated += result.is_truncated
            yield result
