"""Classify what is to be heard now, from a microphone, a file or a pipe.

    python examples/realtime.py                        the microphone
    python examples/realtime.py street.flac --merge-ratio 0 --merge-ratio 0.35
    ffmpeg -i rtsp://... -f s16le -ac 1 -ar 16000 - |
        python examples/realtime.py -                  raw, or a WAV file

Latency is the time from the moment the last sample of a window arrived to
the moment its label was shown. A sample arrives with the 20 ms of sound that
it is in; a JSON line, which tells its own latency, counts as shown when it is
ready. The real-time factor is the seconds of computing a second of sound,
that is, a hop; above 1, computing is slower than the sound. Then windows are
dropped in favour of the newest sound, and the display says how many, and how
far behind it is: by the time since the oldest window arrived that is being
computed or waits. Several merge ratios take turns from window to window; a
dropped window counts for the ratio that was computed meanwhile.

A sound file is played at its speed; a pipe is read as fast as sound comes out
of it, and what is too fast is dropped. With ffmpeg, `-re` before the `-i` of
a file makes that its own speed; `--no-wait` classifies all of a file or pipe,
as fast as that goes.

With `--json` each window is a line: start, end, labels with scores,
merge_ratio, latency, compute_seconds, dropped (windows since the line
before), dropped_in_all (in the last line: windows of the stream without
labels) and behind. All times are seconds.

Ctrl-C ends a stream, as the end of a file does: the summary comes, and the
exit code is 0. Dropped windows are no error either. 1 is an error, told on
stderr; 2 an option that no model takes; 130 an interruption before the model
is ready to listen.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fastast_hf.classification.loading import embedded_model, load_classifier
from fastast_hf.classification.stream_classifier import Heard, StreamClassifier
from fastast_hf.classification.stream_sources import at_real_speed, file_chunks, microphone_chunks, pipe_chunks
from fastast_hf.classification.streaming import is_thread_left_behind
from fastast_hf.cli.arguments import read_merge_ratio, read_seconds, read_seconds_or_0, whole_number_from
from fastast_hf.cli.console import print_error, print_note, printable
from fastast_hf.data.decoding import LOWEST_RATE

LINES_HEADING = "   Start - end     Merge ratio  Labels with scores"
EXIT_CODE_INTERRUPTED = 130  # as of a shell


def main() -> None:
    """Listen until the sound ends or Ctrl-C, sum up, and leave nothing behind that Python's end would complain about."""
    exit_code = run(read_arguments())
    if is_thread_left_behind():  # by a pipe that is silent
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    sys.exit(exit_code)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for; return the exit code."""
    try:
        model, feature_extractor = load_classifier(arguments.model or embedded_model(), device=arguments.device)
        classifier = StreamClassifier(
            model,
            feature_extractor,
            window=arguments.window,
            hop=arguments.hop,
            merge_ratios=arguments.merge_ratio or (None,),
            top_k=arguments.top_k,
            patience=arguments.patience,
            can_drop=not arguments.no_wait,
        )
        listen(classifier, open_source(arguments, feature_extractor.sampling_rate), arguments.json)
    except KeyboardInterrupt:
        return EXIT_CODE_INTERRUPTED
    except BrokenPipeError:  # whoever reads, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the end of Python would write once more
        return 1
    except (OSError, ValueError, ImportError) as error:
        print_error(error)
        return 1
    return 0


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("source", nargs="?", help="sound file, or - for a pipe; default: the microphone")
    add("--model", help="FastAST or AST: folder or Hub name; default: the small model of a checkout of the project")
    add("--window", type=read_seconds, default=1.0, help="seconds of sound that get labels of their own (%(default)s)")
    add("--hop", type=read_seconds, default=0.5, help="seconds from a window to the next (%(default)s)")
    add(
        "--merge-ratio",
        type=read_merge_ratio,
        action="append",
        help="share of tokens merged in a layer, 0 to 0.5; may be repeated",
    )
    add("--top-k", type=whole_number_from(1), default=3, help="labels of a window (%(default)s)")
    add("--rate", type=whole_number_from(LOWEST_RATE), help="Hz of raw sound in a pipe; default: the model's")
    add(
        "--patience",
        type=read_seconds_or_0,
        default=1.0,
        help="seconds of windows that wait before they are dropped (%(default)s)",
    )
    add("--no-wait", action="store_true", help="classify all of a file or pipe, as fast as that goes")
    add("--json", action="store_true", help="print a JSON object for each window, and the summary on stderr")
    add("--device", help="cpu, cuda, ...; default: a GPU if there is one")
    arguments = parser.parse_args()
    if arguments.rate is not None and arguments.source != "-":
        parser.error("--rate must be left out unless the source is -: a file and the microphone tell their own.")
    ratios = arguments.merge_ratio or []
    if len(set(ratios)) < len(ratios):
        parser.error(f"--merge-ratio must differ each time, got {' '.join(map(ratio_name, ratios))}. Give each once.")
    return arguments


def open_source(arguments: argparse.Namespace, sampling_rate: int) -> Iterator[np.ndarray]:
    """Choose what to listen to."""
    if arguments.source is None:
        return microphone_chunks(sampling_rate)
    if arguments.source == "-":
        return pipe_chunks(sys.stdin.buffer, sampling_rate, pipe_rate=arguments.rate)
    chunks = file_chunks(arguments.source, sampling_rate)
    return chunks if arguments.no_wait else at_real_speed(chunks, sampling_rate)


def listen(classifier: StreamClassifier, chunks: Iterator[np.ndarray], as_json: bool) -> None:
    """Show the windows as they are heard, then the summary."""
    console = Console()
    started = time.monotonic()
    try:
        with closing(classifier.listen(chunks)) as windows:
            if as_json:
                print_json(classifier, windows)
            elif console.is_terminal:
                show_live(classifier, windows, console)
            else:
                print_lines(classifier, windows)
    except KeyboardInterrupt:
        pass
    else:
        check_was_heard(classifier)
    (Console(stderr=True) if as_json else console).print(summary(classifier))
    if classifier.num_dropped and classifier.end > 2 * (time.monotonic() - started) + 1:
        print_note(
            "the sound came faster than it plays, so most of it was dropped. With ffmpeg, give -re before -i; or "
            "give --no-wait for all of it."
        )


def check_was_heard(classifier: StreamClassifier) -> None:
    """Refuse a sound that ended before there was anything to sum up."""
    if not any(statistics.num_windows for statistics in classifier.statistics.values()):
        raise ValueError(
            "`source` must hold at least one window, got a sound that ended before one came. Give at least 25 ms; of an empty "
            "pipe, look at the program before it."
        )


def print_json(classifier: StreamClassifier, windows: Iterator[Heard]) -> None:
    """Print a JSON object a line."""
    dropped_in_all = 0
    for heard in windows:
        behind = classifier.behind
        dropped_in_all += heard.num_dropped
        line = {
            "start": heard.start,
            "end": heard.end,
            "labels": [label._asdict() for label in heard.labels],
            "merge_ratio": heard.merge_ratio,
            "latency": classifier.shown(heard),
            "compute_seconds": heard.compute_seconds,
            "dropped": heard.num_dropped,
            "dropped_in_all": dropped_in_all,
            "behind": behind,
        }
        print(json.dumps(line), flush=True)


def print_lines(classifier: StreamClassifier, windows: Iterator[Heard]) -> None:
    """Print a line a window, and before the first what is in it."""
    for number, heard in enumerate(windows):
        if number == 0:
            print(LINES_HEADING)
        if heard.num_dropped:
            print(f"dropped {heard.num_dropped} windows, {classifier.behind:.2f} s behind")
        labels = "  ".join(f"{printable(label)} {score:.2f}" for label, score in heard.labels)
        print(f"{heard.start:8.2f} - {heard.end:.2f} s  {ratio_name(heard.merge_ratio):11}  {labels}", flush=True)
        classifier.shown(heard)


def show_live(classifier: StreamClassifier, windows: Iterator[Heard], console: Console) -> None:
    """Show the newest window and how the machine keeps up."""
    display = Display(classifier)
    # Its own thread looks four times a second whether the labels are behind, also while the model computes.
    with Live(get_renderable=display.render, console=console, refresh_per_second=4) as live:
        for heard in windows:
            display.heard = heard
            live.refresh()
            display.latency = classifier.shown(heard)


class Display:
    """What the terminal shows."""

    def __init__(self, classifier: StreamClassifier) -> None:
        self.classifier = classifier
        self.heard: Heard | None = None
        self.latency = float("nan")

    def render(self) -> Group:
        """Draw the labels, and below them the state."""
        if self.heard is None:
            return Group(Text("Listening"))
        labels = Table.grid(padding=(0, 2))
        labels.add_column(min_width=24)  # so that the bars stay where they are
        for label, score in self.heard.labels:
            labels.add_row(Text(printable(label)), ProgressBar(total=1, completed=score, width=30), f"{score:.2f}")
        times = (
            f"{self.heard.start:.2f} - {self.heard.end:.2f} s   {ratio_name(self.heard.merge_ratio)}   "
            f"latency of the last window {in_ms(self.latency)}"
        )
        return Group(labels, Text(times, style="dim"), self._state())

    def _state(self) -> Text:
        behind, num_dropped = self.classifier.behind, self.classifier.num_dropped
        words = f"{behind:.1f} s behind, {num_dropped} windows dropped"
        return Text(words, style="bold red" if self.heard and self.heard.num_dropped else "")


def summary(classifier: StreamClassifier) -> Table:
    """Make the table of the end."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Merge ratio")
    for heading in ("Windows", "Dropped", "Median latency", "95 %", "Real-time factor"):
        table.add_column(heading, justify="right")
    for ratio, statistics in classifier.statistics.items():
        latencies = (in_ms(statistics.latency(50)), in_ms(statistics.latency(95)))
        counts = (str(statistics.num_windows), str(statistics.num_dropped))
        factor = f"{statistics.real_time_factor:.3f}" if statistics.num_windows else "-"
        table.add_row(ratio_name(ratio), *counts, *latencies, factor)
    return table


def ratio_name(merge_ratio: float | None) -> str:
    """Name a merge ratio."""
    return "model's own" if merge_ratio is None else f"{merge_ratio:g}"


def in_ms(seconds: float) -> str:
    """Write a time."""
    return "-" if seconds != seconds else f"{1000 * seconds:.1f} ms"


if __name__ == "__main__":
    main()
