"""Send every odd sound through every way to labels, and print what became of them.

    python -m tests.odd_sounds [--output FILE.json]

The exit code is 1 if anything crashed, hung, took too much memory or lied: answered what must be refused, refused what
must be answered, or refused without saying which file and what to do.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.cli.console import printable
from fastast_hf.evaluation import environment
from fastast_hf.experiment.files import write_json
from fastast_hf.hub.results import SCHEMA, check_results, provenance
from tests.conftest import SIZES, tiny_model
from tests.odd_sounds.corpus import OddFile, write_corpus
from tests.odd_sounds.judging import Verdict, judge, outcome_table, question
from tests.odd_sounds.making import encode
from tests.odd_sounds.processes import run_all
from tests.odd_sounds.ways import WINDOWS, classify_all, function_way, function_way_in_windows, pipeline_way

IN_PROCESSES = {
    "classify_files": function_way,
    "classify_files, windows": function_way_in_windows,
    "load_audio, pipeline": pipeline_way,
}
COMMANDS: dict[str, list[str]] = {
    "fastast classify": [],
    "fastast classify, windows": [f"--{name}={value}" for name, value in WINDOWS.items()],
}
COMMAND_SECONDS, COMMAND_MIB = 600.0, 2_048


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the corpus and the model, send the one through the other, print and write down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--output", type=Path, help="results file to write: the counts, and what is wrong if anything is"
    )
    output = parser.parse_args(arguments).output
    with TemporaryDirectory() as work:
        corpus, model_folder = Path(work, "corpus"), Path(work, "model")
        files = write_corpus(corpus)
        tiny_model(num_hidden_layers=2, merge_ratio=0.25).save_pretrained(model_folder)
        FastASTFeatureExtractor(**SIZES).save_pretrained(model_folder)
        Path(work, "plain.wav").write_bytes(encode())
        verdicts = list(send_all(files, corpus, str(model_folder), str(Path(work, "plain.wav"))))
    Console(width=None if sys.stdout.isatty() else 130).print(outcome_table(verdicts))
    faults = [verdict for verdict in verdicts if verdict.fault is not None]
    lines = [f"{Path(it.file.path).relative_to(corpus)} by {it.way}: {it.fault}" for it in faults]
    for line in lines:
        print(printable(line))
    if output is not None:
        write_results(output, verdicts, lines)
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


def write_results(path: Path, verdicts: Sequence[Verdict], faults: Sequence[str]) -> None:
    """Write the counts as a results file, as `fastast_hf.hub.results` describes them, and beside them each fault."""
    results = {
        **{"schema": SCHEMA, "kind": "questions", **provenance(environment()), "command": "make odd-sounds"},
        "questions": [question(verdicts)],
        "faults": [printable(fault) for fault in faults],
    }
    check_results(results)
    write_json(path, results)


if __name__ == "__main__":
    sys.exit(main())
