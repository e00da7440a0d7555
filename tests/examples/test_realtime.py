"""The live classifier as a user starts it: on a file, on pipes, on a terminal; nothing here depends on its speed."""

import contextlib
import io
import itertools
import json
import os
import pty
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.classification import classify_files
from tests.conftest import tiny_model

PROGRAM = Path(__file__).parents[2] / "examples" / "realtime.py"
TIMEOUT = 300  # seconds that a command may take: far more than any needs
EXTRACTOR = FastASTFeatureExtractor(num_mel_bins=36, max_length=96)
WINDOWS = {"window": 0.5, "hop": 0.25}
OPTIONS = ("--window", "0.5", "--hop", "0.25", "--model", "model", "--device", "cpu")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a model, and two seconds of sound."""
    folder = tmp_path_factory.mktemp("realtime")
    tiny_model(num_hidden_layers=2).save_pretrained(folder / "model")
    EXTRACTOR.save_pretrained(folder / "model")
    soundfile.write(folder / "sound.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 32_000), 16_000)
    return folder


def start(place, *arguments, **options):
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    command = [sys.executable, str(PROGRAM), *arguments]
    return subprocess.run(
        command, cwd=place, env=environment, check=False, timeout=TIMEOUT, stderr=subprocess.PIPE, **options
    )


def expected(place, merge_ratio):
    results = classify_files(
        tiny_model(num_hidden_layers=2, merge_ratio=merge_ratio), EXTRACTOR, place / "sound.wav", top_k=3, **WINDOWS
    )
    return {round(result.start, 3): result for result in results}


def assert_told(place, lines, merge_ratio=0.0):
    """Hold lines to the labels of the file, whichever of its windows they are."""
    results = expected(place, merge_ratio)
    for line in lines:
        result = results[round(line["start"], 3)]
        assert line["end"] == pytest.approx(result.end)
        assert [label["label"] for label in line["labels"]] == [label for label, _ in result.labels]
        scores = [label["score"] for label in line["labels"]]
        assert scores == pytest.approx([score for _, score in result.labels], abs=1e-4)
        assert line["latency"] >= line["compute_seconds"] > 0


def summed_up(text):
    """Read the table of the end: windows and dropped ones by ratio."""
    found = re.findall(r"^ (model's own|[\d.]+) +(\d+) +(\d+) +[-\d.]+ (?:ms)? .*\d\.\d{3} *$", text, re.MULTILINE)
    return {ratio: (int(windows), int(dropped)) for ratio, windows, dropped in found}


@pytest.mark.parametrize("header", [0, 44], ids=["wav", "raw"])
def test_all_of_a_pipe_as_fast_as_that_goes(place, header):
    data = (place / "sound.wav").read_bytes()[header:]
    done = start(place, "-", *OPTIONS, "--no-wait", "--json", input=data, stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["start"] for line in lines] == [0.25 * number for number in range(7)]
    assert_told(place, lines)
    assert {(line["merge_ratio"], line["dropped"], line["behind"]) for line in lines} == {(None, 0, 0)}
    assert summed_up(done.stderr.decode()) == {"model's own": (7, 0)}


@pytest.mark.parametrize("source", ["sound.wav", "-"])
def test_at_its_own_speed_every_window_is_told_or_counted_as_dropped(place, source):
    """A file comes at its speed, this pipe at once; how many are dropped is the machine's affair."""
    ratios = ("--merge-ratio", "0", "--merge-ratio", "0.3")
    data = (place / "sound.wav").read_bytes()
    done = start(place, source, *OPTIONS, *ratios, "--json", input=data, stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["merge_ratio"] for line in lines] == [(0.0, 0.3)[number % 2] for number in range(len(lines))]
    for ratio in (0.0, 0.3):
        assert_told(place, [line for line in lines if line["merge_ratio"] == ratio], ratio)
    num_dropped = sum(line["dropped"] for line in lines)
    assert len(lines) + num_dropped == 7
    assert [line["dropped_in_all"] for line in lines] == list(itertools.accumulate(line["dropped"] for line in lines))
    assert lines[-1]["start"] == 1.5, "the newest sound is never dropped"
    counts = summed_up(done.stderr.decode())
    assert sum(windows for windows, _ in counts.values()) == len(lines)
    assert sum(dropped for _, dropped in counts.values()) == num_dropped


def test_lines_for_people(place):
    done = start(place, "sound.wav", *OPTIONS, "--no-wait", "--top-k", "1", stdout=subprocess.PIPE)
    text = done.stdout.decode()
    results = expected(place, 0.0).values()
    for result in results:
        label, score = result.labels[0]
        assert f"{result.start:.2f} - {result.end:.2f} s  model's own  {label} {score:.2f}\n" in text
    assert summed_up(text) == {"model's own": (7, 0)}


def test_a_heading_says_once_what_the_numbers_of_a_line_are(place):
    ratios = ("--merge-ratio", "0.25", "--merge-ratio", "0")
    done = start(place, "sound.wav", *OPTIONS, *ratios, "--no-wait", "--top-k", "1", stdout=subprocess.PIPE)
    heading, first, second, *others = done.stdout.decode().splitlines()
    assert heading == "   Start - end     Merge ratio  Labels with scores"
    for line, ratio in ((first, "0.25"), (second, "0")):
        assert re.fullmatch(rf" +[\d.]+ - [\d.]+ s  {re.escape(ratio)} *  sound \d [\d.]+", line)
        assert line[heading.index("Merge ratio") :].startswith(f"{ratio} ")
        assert line.index("sound") == heading.index("Labels")
    assert not [line for line in others if line.startswith("   Start")]


def test_a_terminal_shows_the_labels_and_how_far_behind_they_are(place):
    reader, terminal = pty.openpty()
    command = [sys.executable, str(PROGRAM), "sound.wav", *OPTIONS, "--no-wait"]
    process = subprocess.Popen(command, cwd=place, stdin=subprocess.DEVNULL, stdout=terminal)
    os.close(terminal)
    with os.fdopen(reader, "rb", 0) as file, contextlib.suppress(OSError):  # the end of a terminal is an error
        data = b""
        while part := file.read(4096):
            data += part
    assert process.wait(TIMEOUT) == 0
    for words in ("sound ", "1.50 - 2.00 s", "latency of the last window", "0.0 s behind, 0 windows dropped", "7"):
        assert words in data.decode()


def test_no_microphone_is_told_in_words(place, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", None)  # not installed
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", [str(PROGRAM), *OPTIONS])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(PROGRAM), run_name="__main__")
    told = capsys.readouterr()
    assert (end.value.code, told.out) == (1, "")
    assert told.err.startswith("Error: `source` must be other than a microphone where the package sounddevice is not")


def encoded(place, container):
    file = io.BytesIO()
    soundfile.write(file, *soundfile.read(place / "sound.wav"), format=container)
    return file.getvalue()


def flac(place):
    return encoded(place, "FLAC")


def mp3(place):
    """As soundfile writes it, without a tag."""
    return encoded(place, "MP3")


@pytest.mark.parametrize(
    ("arguments", "data", "code", "message"),
    [
        (["sound.wav", "--rate", "8000"], bytes, 2, "--rate must be left out unless the source is -"),
        (["-"], flac, 1, "Error: `source` must be 16-bit PCM, raw or as WAV, got a pipe that begins as FLAC. Decode it"),
        (["-"], mp3, 1, "Error: `source` must be 16-bit PCM, raw or as WAV, got a pipe that begins as MP3. Decode it"),
        (["-"], lambda _: b"\1\2" * 100, 1, "Error: `source` must hold at least one window, got a sound that ended before"),
    ],
    ids=["rate-of-a-file", "flac", "mp3", "too-short"],
)  # fmt: skip
def test_what_cannot_be_heard_is_told_in_words(place, arguments, data, code, message, monkeypatch, capsys):
    """In this process, which has imported torch already."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", [str(PROGRAM), *arguments, *OPTIONS])
    pipe = io.BytesIO() if data is bytes else io.BytesIO(data(place))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(pipe)))
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(PROGRAM), run_name="__main__")
    told = capsys.readouterr()
    assert (end.value.code, told.out) == (code, "")
    assert message in told.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--merge-ratio", "0.7"], "argument --merge-ratio: must be between 0 and 0.5, got 0.7. A layer can merge at most"),
        (["--merge-ratio", "0.2", "--merge-ratio", "0.2"], "--merge-ratio must differ each time, got 0.2 0.2. Give each once."),
        (["--window", "0"], "argument --window: must be above 0, got 0. Give seconds of sound."),
        (["--hop", "nan"], "argument --hop: must be above 0, got nan. Give seconds of sound."),
        (["--patience", "-1"], "argument --patience: must be at least 0, got -1. Give seconds of sound."),
        (["--top-k", "0"], "argument --top-k: must be at least 1, got 0. Leave it out for the default."),
        (["--rate", "-5"], "argument --rate: must be at least 40, got -5. Leave it out for the default."),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_what_no_model_takes_is_refused_before_one_is_loaded(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(PROGRAM), "-", "--model", "gone", *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(PROGRAM), run_name="__main__")
    told = capsys.readouterr()
    assert (end.value.code, told.out) == (2, "")
    assert f"error: {message}" in told.err
