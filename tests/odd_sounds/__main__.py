"""Send every odd sound through every way to labels, and print what became of them.

    python -m tests.odd_sounds [--output FILE.json]

The exit code is 1 if anything crashed, hung, took too much memory or lied: answered what must be refused, refused what
must be answered, or refused without saying which file and what to do.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.cli.console import printable
from tests.conftest import SIZES, tiny_model
from tests.odd_sounds.corpus import OddFile, write_corpus
from tests.odd_sounds.judging import Verdict, judge, outcome_table
from tests.odd_sounds.making import encode
from tests.odd_sounds.processes import run_all
from tests.odd_sounds.ways import WINDOWS, classify_all, function_way, function_way_in_windows, pipeline_way

IN_PROCESSES = {
    "classify_files": function_way,
    "classify_files, windows": function_way_in_windows,
    "pipeline": pipeline_way,
}
COMMANDS: dict[str, list[str]] = {
    "fastast classify": [],
    "fastast classify, windows": [f"--{name}={value}" for name, value in WINDOWS.items()],
}
COMMAND_SECONDS, COMMAND_MIB = 600.0, 2_048


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the corpus and the model, send the one through the other, print and write down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, help="JSON file to write: each file, each way, and what became of it")
    output = parser.parse_args(arguments).output
    with TemporaryDirectory() as work:
        corpus, model_folder = Path(work, "corpus"), Path(work, "model")
        files = write_corpus(corpus)
        tiny_model(num_hidden_layers=2, merge_ratio=0.25).save_pretrained(model_folder)
        FastASTFeatureExtractor(**SIZES).save_pretrained(model_folder)
        Path(work, "plain.wav").write_bytes(encode())
        verdicts = list(send_all(files, corpus, str(model_folder), str(Path(work, "plain.wav"))))
    if output is not None:
        output.write_text(json.dumps([_as_json(verdict, corpus) for verdict in verdicts], indent=1))
    Console(width=None if sys.stdout.isatty() else 130).print(outcome_table(verdicts))
    faults = [verdict for verdict in verdicts if verdict.fault is not None]
    for verdict in faults:
        name = Path(verdict.file.path).relative_to(corpus)
        print(printable(f"{name} by {verdict.way}: {verdict.fault}"))
    most = max(verdicts, key=lambda verdict: verdict.outcome.grown_mib)
    print(f"{len(files)} files, {len(verdicts)} outcomes, {len(faults)} faults.")
    print(f"The most memory: {most.outcome.grown_mib:.0f} MiB, {Path(most.file.path).name} by {most.way}.")
    return 1 if faults else 0


def send_all(files: Sequence[OddFile], corpus: Path, model_folder: str, plain: str) -> Iterator[Verdict]:
    """Send files through all ways."""
    for way, make_way in IN_PROCESSES.items():
        outcomes = run_all(make_way, model_folder, [file.path for file in files], warm_up=plain)
        for file, outcome in zip(files, outcomes, strict=True):
            yield judge(file, way, outcome)
    for way, options in COMMANDS.items():
        by_path, _, _ = classify_all(
            files, corpus, model_folder, *options, seconds=COMMAND_SECONDS, most_mib=COMMAND_MIB
        )
        for file in files:
            yield judge(file, way, by_path[file.path])


def _as_json(verdict: Verdict, corpus: Path) -> dict[str, object]:
    file, outcome = verdict.file, verdict.outcome
    return {
        "theme": file.theme,
        "name": str(Path(file.path).relative_to(corpus / file.theme)),
        "way": verdict.way,
        "expected": file.expected,
        "outcome": outcome.kind,
        "words": outcome.words,
        "grown_mib": round(outcome.grown_mib, 1),
        "fault": verdict.fault,
    }


if __name__ == "__main__":
    sys.exit(main())
