"""The archive as a user starts it: one process, two processes, and one that is killed, on the same sounds."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.classification import classify_files
from tests.conftest import tiny_model

PROGRAM = Path(__file__).parents[2] / "examples" / "classify_archive.py"
WORKER = Path(__file__).with_name("archive_worker.py")
TIMEOUT = 300  # seconds that a command may take: far more than any needs
# `--cpu` starts one process whatever number follows; `--multi_gpu` starts them, also without GPUs
LAUNCH = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0")
EXTRACTOR = FastASTFeatureExtractor(num_mel_bins=36, max_length=96)


def model(**overrides):
    return tiny_model(num_hidden_layers=2, merge_ratio=0.25, **overrides)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a model, sounds of which one cannot be read, and a list that names each of them twice."""
    folder = tmp_path_factory.mktemp("archive")
    model().save_pretrained(folder / "model")
    EXTRACTOR.save_pretrained(folder / "model")
    (folder / "sounds").mkdir()
    for number in range(7):
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, round((0.2 + 0.1 * number) * 16_000))
        soundfile.write(folder / "sounds" / f"{number}.wav", samples, 16_000)
    (folder / "sounds" / "3.wav").write_text("no sound")
    names = [f"sounds/{number}.wav" for number in range(7)]
    (folder / "list.txt").write_text("\n".join([*names, *names]))
    return folder


def start(place, output, *options, sounds="list.txt", processes=1, kill=None):
    """Start the program; give the process that has ended."""
    program = (PROGRAM,) if kill is None else (WORKER, json.dumps(kill))
    command = [
        sys.executable,
        *(LAUNCH if processes == 2 else ()),
        *program,
        *([sounds] if sounds else []),
        "--output-dir",
        output,
    ]
    command += ["--model", "model", "--shard-size", "3", "--cpu", *options]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(place / "home"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        list(map(str, command)),
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )


def rows(folder):
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.fixture(scope="module")
def alone(place):
    """What one process makes of the list."""
    return start(place, "alone"), rows(place / "alone")


def test_one_process_gives_what_files_give(place, alone, monkeypatch):
    done, found = alone
    monkeypatch.chdir(place)
    expected = list(classify_files(model(), EXTRACTOR, Path("list.txt").read_text().split()))
    assert len(found) == len(expected) == 14
    for row, result in zip(found, expected, strict=True):
        assert (row["path"], row["start"], row["end"], row["error"]) == (
            *(result.path, result.start, result.end, result.error),
        )
        assert row["labels"] == [label for label, _ in result.labels]
        assert row["scores"] == pytest.approx([score for _, score in result.labels], abs=1e-5)
    assert done.returncode == 3
    assert done.stdout.startswith("14 files in ")
    assert done.stdout.endswith(" files/s with 1 process. The shards are in alone\n")
    error, first, second = done.stderr.splitlines()[-3:]
    assert error == "Error: could not be read: 2 of 14 files"
    assert first == second
    assert first.startswith("  sounds/3.wav: `source` must be a complete sound file")


def test_two_processes_give_what_one_gives(place, alone):
    done = start(place, "together", processes=2)
    assert done.returncode == 1, "the launcher's own"
    assert "exitcode  : 3" in done.stderr, done.stderr[-3000:]
    assert done.stdout.count("14 files in ") == done.stdout.count("with 2 processes") == 1
    assert done.stderr.count("could not be read: 2 of 14 files") == 1
    assert rows(place / "together") == alone[1], "to the last bit"


@pytest.mark.parametrize(("processes", "is_aside"), [(1, True), (2, False)])
def test_killed_and_started_again_gives_the_same(place, alone, processes, is_aside):
    output = f"killed {processes} {is_aside}"
    killed = start(place, output, processes=processes, kill={"shard": 3, "is_aside": is_aside})
    assert killed.returncode == -signal.SIGKILL or "Signal 9 (SIGKILL)" in killed.stderr, killed.stderr[-3000:]
    before = {path.name for path in (place / output).glob("shard-*")}
    assert "shard-00001-of-00005.parquet" in before, "the same process has made it"
    assert "shard-00003-of-00005.parquet" not in before
    again = start(place, output, processes=3 - processes)  # with another number of processes
    assert re.search(rf"files/s with {3 - processes} process(es)?; [1-9]\d* were there before", again.stdout), (
        again.stderr[-3000:]
    )
    assert rows(place / output) == alone[1]
    assert [path.name for path in sorted((place / output).iterdir())] == [
        f"shard-{k:05}-of-00005.parquet" for k in range(5)
    ]


def test_an_interruption_says_what_is_kept(place, alone):
    done = start(place, "interrupted", kill={"shard": 3, "is_aside": True, "signal": "SIGINT"})
    assert done.returncode == 130
    assert done.stderr == "Interrupted: 9 of 14 files are in the shards. The same command goes on.\n"
    assert done.stdout == ""
    start(place, "interrupted")
    assert rows(place / "interrupted") == alone[1]


def test_another_model_or_option_is_refused(place, alone):
    kept = (place / "model" / "model.safetensors").read_bytes()
    model(seed=1).save_pretrained(place / "model")
    done = start(place, "alone", "--merge-ratio", "0.1", "--window", "0.5")
    (place / "model" / "model.safetensors").write_bytes(kept)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        "Error: `output_dir` must be new or hold the same run, got alone, whose run differs in merge_ratio, "
        in done.stderr
    )
    assert "merge_ratio, weights, window (merge_ratio: 0.25 there, 0.1 now)" in done.stderr
    assert rows(place / "alone") == alone[1]


def test_all_is_read_and_nothing_left_to_do(place):
    (place / "two").mkdir()
    for name in ("1.wav", "2.wav"):
        (place / "two" / name).write_bytes((place / "sounds" / name).read_bytes())
    first, second = (start(place, "clean", sounds="two") for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert second.stdout.startswith("0 files in ")
    assert "; 2 were there before" in second.stdout


def test_no_sounds_are_told(place):
    done = start(place, "none", sounds="gone")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: `sounds` must be a folder, a sound file, or a text file with a path a line, got gone, which is not there. Look "
        "for the right path.\n"
    )
    done = start(place, "none", "--dataset-name", "you/gone", sounds=None)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("Look it up, or log in with `hf`.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--merge-ratio", "0.8"], "argument --merge-ratio: must be between 0 and 0.5, got 0.8. A layer can merge at most"),
        (["--window", "-1"], "argument --window: must be above 0, got -1. Give seconds of sound."),
        (["--hop", "0"], "argument --hop: must be above 0, got 0. Give seconds of sound."),
        (["--hop", "1"], "--hop must be left out without --window, got 1. Give both, in seconds."),
        (["--top-k", "0"], "argument --top-k: must be at least 1, got 0. Leave it out for the default."),
        (["--batch-size", "-1"], "argument --batch-size: must be at least 1, got -1. Leave it out for the default."),
        (["--num-workers", "0"], "argument --num-workers: must be at least 1, got 0. Leave it out for the default."),
        (["--shard-size", "0"], "argument --shard-size: must be at least 1, got 0. Leave it out for the default."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_no_model_takes_is_refused_before_one_is_loaded(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(PROGRAM), "sounds", "--output-dir", "none", "--model", "gone", *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(PROGRAM), run_name="__main__")
    told = capsys.readouterr()
    assert (end.value.code, told.out) == (2, "")
    assert f"error: {message}" in told.err
