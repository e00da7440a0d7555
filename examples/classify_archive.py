r"""Classify an archive of sounds of any size into Parquet shards.

    accelerate launch --multi_gpu --num_processes 2 \
        examples/classify_archive.py recordings/ --output-dir labels
    accelerate launch examples/classify_archive.py files.txt \
        --output-dir labels --window 5 --merge-ratio 0.35
    accelerate launch examples/classify_archive.py \
        --dataset-name ashraq/esc50 --output-dir labels

It spreads the work over processes, GPUs or machines that share a folder.
`--multi_gpu --num_processes 2` starts two processes on a machine without
GPUs, too. A list such as files.txt has a path a line. The shards have the
columns path, start, end, labels, scores, is_truncated and error, and load
with `datasets.load_dataset("parquet", data_files="labels/*.parquet")`.

Started again, also with another number of processes, it goes on: it skips the
shards that are there, and refuses to mix in those of other sounds, another
model or other options. Files that cannot be read are listed at the end; the
exit code is then 3, of which `accelerate launch` makes a 1 and a report of its
own. An option that no model takes is a 2, an interruption a 130, and any other
error a 1.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from accelerate import PartialState
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fastast_hf.classification.archive import ArchiveProgress, classify_archive
from fastast_hf.classification.archive_sounds import open_archive
from fastast_hf.classification.loading import embedded_model, find_device, load_classifier
from fastast_hf.classification.shards import count_truncated, unreadable_files
from fastast_hf.cli.arguments import read_merge_ratio, read_seconds, whole_number_from
from fastast_hf.cli.console import print_error, print_note, printable
from fastast_hf.cli.missing import EXIT_CODE_UNREADABLE, print_truncated, print_unreadable
from fastast_hf.cli.models import without_retries_in_the_log

_SECONDS_BETWEEN_LINES = 10.0
EXIT_CODE_INTERRUPTED = 130  # as of a shell


def main() -> None:
    """Classify this process' share; the first process tells how it goes and what came out."""
    arguments = read_arguments()
    # Without a GPU, processes only know of each other when they are told so.
    state = PartialState(cpu=arguments.cpu or find_device(None).type == "cpu")
    logging.getLogger("fastast_hf.classification.classify").disabled = True  # of cut files the end tells
    try:
        progress = classify(arguments, state)
    except KeyboardInterrupt:
        sys.exit(EXIT_CODE_INTERRUPTED)
    except (OSError, ValueError) as error:
        print_error(error)
        sys.exit(1)
    if state.num_processes > 1:
        state.destroy_process_group()
    if state.is_main_process and not is_all_read(arguments, progress, state.num_processes):
        sys.exit(EXIT_CODE_UNREADABLE)


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("sounds", nargs="?", help="folder of sounds, or a text file with a path a line, each as often as it is there")
    add("--output-dir", type=Path, required=True, help="folder of the shards")
    add("--dataset-name", help="instead of files: data set on the Hub or on disk, as datasets.load_dataset takes it")
    add("--dataset-config-name", help="its configuration")
    add("--split", default="train", help="its split (%(default)s)")
    add("--audio-column-name", default="audio", help="its column with the sounds (%(default)s)")
    add("--revision", help="its version on the Hub")
    add("--model", help="FastAST or AST: folder or Hub name; default: the small model of a checkout of the project")
    add(
        "--merge-ratio",
        type=read_merge_ratio,
        help="share of tokens merged in a layer, 0 to 0.5; default: the model's own",
    )
    add("--dtype", default="float32", choices=("float32", "bfloat16"), help="what to compute in (%(default)s)")
    add("--cpu", action="store_true", help="leave GPUs alone")
    add(
        "--window",
        type=read_seconds,
        help="seconds that get labels of their own; default: a file's beginning is heard",
    )
    add("--hop", type=read_seconds, help="seconds from a window to the next; default: the window")
    add("--top-k", type=whole_number_from(1), default=5, help="labels of a sound (%(default)s)")
    add("--padding", choices=("longest", "max_length"), help="max_length answers as AST does")
    add(
        "--batch-size",
        type=whole_number_from(1),
        default=16,
        help="sounds that the model takes at a time (%(default)s)",
    )
    add("--num-workers", type=whole_number_from(1), default=2, help="threads of a process that decode (%(default)s)")
    add(
        "--shard-size",
        type=whole_number_from(1),
        default=1000,
        help="files of a shard, what is lost at most by an end (%(default)s)",
    )
    arguments = parser.parse_args()
    if arguments.hop is not None and arguments.window is None:
        parser.error(f"--hop must be left out without --window, got {arguments.hop:g}. Give both, in seconds.")
    return arguments


def classify(arguments: argparse.Namespace, state: PartialState) -> ArchiveProgress:
    """Find the sounds, load the model, classify, and show the progress."""
    device = "cpu" if state.device.type == "mps" else str(state.device)  # see find_device
    sounds = open_archive(
        arguments.sounds,
        arguments.dataset_name,
        arguments.dataset_config_name,
        split=arguments.split,
        audio_column_name=arguments.audio_column_name,
        revision=arguments.revision,
    )
    with without_retries_in_the_log():
        model, feature_extractor = load_classifier(
            arguments.model or embedded_model(),
            merge_ratio=arguments.merge_ratio,
            device=device,
            dtype=arguments.dtype,
        )
    with shown_progress(is_shown=state.is_main_process) as on_progress:
        return classify_archive(
            model,
            feature_extractor,
            sounds,
            arguments.output_dir,
            shard_size=arguments.shard_size,
            process_index=state.process_index,
            num_processes=state.num_processes,
            wait_for_others=state.wait_for_everyone,
            on_progress=on_progress,
            top_k=arguments.top_k,
            window=arguments.window,
            hop=arguments.hop,
            batch_size=arguments.batch_size,
            num_workers=arguments.num_workers,
            padding=arguments.padding,
        )


@contextmanager
def shown_progress(*, is_shown: bool) -> Iterator[Callable[[ArchiveProgress], None]]:
    """Show how far the run is, and say what an interruption leaves."""
    if not is_shown:
        yield lambda progress: None
        return
    last: ArchiveProgress | None = None

    def show_and_remember(progress: ArchiveProgress) -> None:
        nonlocal last
        last = progress
        show(progress)

    try:
        with bar_or_lines() as show:
            yield show_and_remember
    except KeyboardInterrupt:
        if last is not None:
            kept = f"{last.files_in_shards} of {last.num_files} files are in the shards. The same command goes on."
            print_note(kept, title="Interrupted")
        raise


@contextmanager
def bar_or_lines() -> Iterator[Callable[[ArchiveProgress], None]]:
    """Show a bar on a terminal, and a line now and then in a log."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LogLines()
        return
    rate, files = TextColumn("{task.fields[rate]:.1f} files/s"), MofNCompleteColumn()
    with Progress(BarColumn(), files, rate, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("", total=None, rate=0.0)
        yield lambda now: bar.update(task, completed=now.files_done, total=now.num_files, rate=now.files_per_second)


class LogLines:
    """Prints the progress as a line, every ten seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, progress: ArchiveProgress) -> None:
        """Print, if it is time."""
        if progress.seconds >= self.seconds + _SECONDS_BETWEEN_LINES:
            self.seconds = progress.seconds
            line = f"{progress.files_done} of {progress.num_files} files, {progress.files_per_second:.1f} files/s"
            print(line, file=sys.stderr, flush=True)


def is_all_read(arguments: argparse.Namespace, progress: ArchiveProgress, num_processes: int) -> bool:
    """Tell what came out; return whether every file could be read."""
    num_now = progress.num_files - progress.files_before
    before = f"; {progress.files_before} were there before" if progress.files_before else ""
    print(
        f"{num_now} files in {progress.seconds:.1f} s, {progress.files_per_second:.1f} files/s with {num_processes} "
        f"{'process' if num_processes == 1 else 'processes'}{before}. The shards are in {printable(str(arguments.output_dir))}"
    )
    print_truncated(
        count_truncated(arguments.output_dir),
        progress.num_files,
        advice="give --window, in seconds, and another folder",
    )
    return not print_unreadable(unreadable_files(arguments.output_dir), progress.num_files)


if __name__ == "__main__":
    main()
