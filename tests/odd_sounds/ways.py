"""The ways from a file to labels: the function, transformers' pipeline, the command."""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from fastast_hf import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.classification import classify_files, find_sound_files
from fastast_hf.data import load_audio
from tests.odd_sounds.corpus import OddFile
from tests.odd_sounds.judging import Outcome
from tests.odd_sounds.processes import limit_memory

WINDOWS = {"window": 0.5, "hop": 0.25}
_POLL = 0.05

Way = Callable[[str], str | None]
"""Takes a path, and gives the words of a refusal, or None for an answer."""


def function_way(model_folder: str, **options: float) -> Way:
    """Send a file through `classify_files`."""
    model = FastASTForAudioClassification.from_pretrained(model_folder)
    extractor = FastASTFeatureExtractor.from_pretrained(model_folder)

    def classify(path: str) -> str | None:
        results = list(classify_files(model, extractor, path, num_workers=1, **options))
        for result in results:
            if result.error is not None:
                return result.error
            _check_scores([score for _, score in result.labels])
        _check_scores([1.0] if results else [])
        return None

    return classify


def function_way_in_windows(model_folder: str) -> Way:
    """Send a file through `classify_files`, by windows that overlap."""
    return function_way(model_folder, **WINDOWS)


def pipeline_way(model_folder: str) -> Way:
    """Decode a file with `load_audio`, and send the waveform through transformers' pipeline."""
    from transformers import pipeline

    classifier = pipeline("audio-classification", model=model_folder)

    def classify(path: str) -> str | None:
        try:
            waveform = load_audio(path)
        except (OSError, ValueError) as error:
            return str(error)
        _check_scores([row["score"] for row in classifier(waveform)])
        return None

    return classify


def _check_scores(scores: Sequence[float]) -> None:
    """Raise for labels that are none."""
    if not scores or not all(math.isfinite(score) for score in scores):
        raise ArithmeticError(f"an answer must have finite scores, got {list(scores)}")


def classify_all(
    files: Sequence[OddFile], folder: Path, model_folder: str, *options: str, seconds: float, most_mib: int
) -> tuple[dict[str, Outcome], int, str]:
    """Send a whole folder through one process of `fastast classify --json`.

    Args:
        files: What lies in the folder; what is not called a sound is named beside it.
        folder: The folder.
        model_folder: The model.
        *options: Of the command.
        seconds: Time for all.
        most_mib: Memory that it may hold.

    Returns:
        What became of each path, the exit code (negative for a signal), and stderr.
    """
    found = set(map(str, find_sound_files(folder)))
    others = [file.path for file in files if file.path not in found]
    command = [sys.executable, "-m", "fastast_hf", "classify", str(folder), *others, "-m", model_folder, "--json"]
    with TemporaryFile() as stdout, TemporaryFile() as stderr:
        process = subprocess.Popen([*command, *options], stdout=stdout, stderr=stderr)
        limit_memory(process.pid)
        code, peak_mib = _wait(process, seconds)
        told, words = ((stream.seek(0), stream.read())[1] for stream in (stdout, stderr))
    outcomes = _outcomes_of(json.loads(line) for line in told.splitlines())
    last_words = words.decode(errors="replace")
    if peak_mib > most_mib:
        rest = Outcome("too much memory", f"{peak_mib:.0f} MiB in all")
        outcomes = {}
    elif code is None:
        rest = Outcome("hung", f"not done after {seconds:g} s")
    else:
        rest = Outcome("crashed", f"exit code {code}: {last_words[-300:]}")
    return {file.path: outcomes.get(file.path, rest) for file in files}, -9 if code is None else code, last_words


def _wait(process: subprocess.Popen[bytes], seconds: float) -> tuple[int | None, float]:
    """Wait for a process, and kill it when its time is up; give its exit code and the most MiB it held."""
    deadline = time.monotonic() + seconds
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0] and time.monotonic() < deadline:
        time.sleep(_POLL)
    in_time = bool(ended[0])
    if not in_time:
        process.kill()
        ended = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    per_mib = 2**20 if sys.platform == "darwin" else 2**10
    return process.returncode if in_time else None, ended[2].ru_maxrss / per_mib


def _outcomes_of(lines: Iterable[Mapping[str, object]]) -> dict[str, Outcome]:
    """Read JSON lines; a file that breaks after some windows is refused."""
    outcomes: dict[str, Outcome] = {}
    for line in lines:
        words = line["error"]
        outcomes[str(line["path"])] = Outcome("refused", str(words)) if words else Outcome("answered")
    return outcomes
