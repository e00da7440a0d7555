"""`fastast classify`, held to `classify_files`."""

import csv
import io
import json
import os
import re
from contextlib import nullcontext

import numpy as np
import pytest
import soundfile
import torch
from transformers import ASTFeatureExtractor

from fastast_hf import FastASTFeatureExtractor, classification
from fastast_hf.classification import classify_files
from fastast_hf.cli import classify
from fastast_hf.cli.formats import WRITERS
from fastast_hf.cli.missing import EXIT_CODE_UNREADABLE
from tests.conftest import ESC10, SIZES, full_file, requires_full, requires_shared, tiny_ast, tiny_model

RATE = 16_000
FAST, STOCK = FastASTFeatureExtractor(**SIZES), ASTFeatureExtractor(**SIZES)


def write(path, seconds, seed=0):
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * RATE))
    soundfile.write(path.with_name("plain.wav"), samples, RATE)
    return path.with_name("plain.wav").rename(path)  # soundfile writes no name that is not UTF-8


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A folder of clips, one of which is longer than the model hears at a time."""
    folder = tmp_path_factory.mktemp("sounds")
    for number, seconds in enumerate((0.3, 0.9, 1.4)):
        write(folder / f"{number}.wav", seconds, number)
    return folder


def told(result):
    """Read JSON lines."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def expected(model, extractor, paths, **options):
    return [result.to_dict() for result in classify_files(model, extractor, paths, **options)]


def assert_same(found, wanted):
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one | {"labels": None} == other | {"labels": None}
        assert [label["label"] for label in one["labels"]] == [label["label"] for label in other["labels"]]
        scores = [[label["score"] for label in result["labels"]] for result in (one, other)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "schedule", "options"),
    [
        ([], {"merge_ratio": 0.25}, {}),
        (["--merge-ratio", 0], {}, {"top_k": 5}),
        (["--top-k", 2, "--batch-size", 1, "--num-workers", 1], {"merge_ratio": 0.25}, {"top_k": 2}),
        (["--window", 0.5, "--hop", 0.25], {"merge_ratio": 0.25}, {"window": 0.5, "hop": 0.25}),
        (["--padding", "max_length", "--device", "cpu"], {"merge_ratio": 0.25}, {"padding": "max_length"}),
    ],
)
def test_options_reach_the_function(fastast, fastast_folder, sounds, arguments, schedule, options):
    result = fastast("classify", sounds, "--model", fastast_folder, "--json", *arguments)
    assert result.exit_code == 0
    assert_same(told(result), expected(tiny_model(num_hidden_layers=2, **schedule), FAST, sounds, **options))


def test_an_ast_answers_as_in_transformers(fastast, ast_folder, sounds):
    result = fastast("classify", sounds, "-m", ast_folder, "--json", "--padding", "max_length")
    assert_same(told(result), expected(tiny_ast(num_hidden_layers=2), STOCK, sounds))


def test_an_ast_merges_as_told(fastast, ast_folder, sounds):
    result = fastast("classify", sounds, "-m", ast_folder, "--json", "--merge-ratio", 0.4)
    assert_same(told(result), expected(tiny_model(num_hidden_layers=2, merge_ratio=0.4), FAST, sounds))


def test_bfloat16(fastast, fastast_folder, sounds):
    result = fastast("classify", sounds, "-m", fastast_folder, "--json", "--dtype", "bfloat16")
    model = tiny_model(num_hidden_layers=2, merge_ratio=0.25).bfloat16()
    assert_same(told(result), expected(model, FAST, sounds))


def test_a_table_for_people(fastast, fastast_folder, sounds):
    result = fastast("classify", sounds / "0.wav", sounds / "1.wav", "-m", fastast_folder, "--top-k", 2)
    assert (result.exit_code, result.stderr) == (0, "")
    for words in ("File", "Seconds", "Label", "Score", "0.00 - 0.30", "0.00 - 0.90"):
        assert words in result.stdout
    assert len(re.findall(r"sound \d ", result.stdout)) == 4  # a path may be folded behind any of its letters


def test_what_was_not_heard_is_told_once(fastast, fastast_folder, sounds, caplog):
    result = fastast("classify", sounds, "-m", fastast_folder)
    assert result.exit_code == 0
    assert result.stderr.startswith("Note: longer than the model hears at a time: 1 of 3 files. ")
    assert len(result.stderr.splitlines()) == 1
    assert caplog.records == []  # of the function itself, whose words are for programmers
    assert fastast("classify", sounds, "-m", fastast_folder, "--window", 0.5).stderr == ""


def test_files_that_cannot_be_read_are_listed_and_counted(fastast, fastast_folder, sounds, tmp_path):
    (tmp_path / "text\x1b[2J\n[red].wav").write_text("no sound")
    result = fastast("classify", tmp_path, sounds / "0.wav", tmp_path / "gone.wav", "-m", fastast_folder, "--json")
    assert result.exit_code == EXIT_CODE_UNREADABLE == 3
    assert [bool(line["error"]) for line in told(result)] == [True, False, True]
    count, text, gone = result.stderr.splitlines()
    assert count == "Error: could not be read: 2 of 3 files"
    assert r"text\x1b[2J\n[red].wav: " in text
    assert "gone.wav: `source` must be an existing sound file" in gone
    assert result.stderr.replace("\n", "").isprintable()


def test_no_file_at_all_can_be_read(fastast, fastast_folder, tmp_path):
    result = fastast("classify", tmp_path, "-m", fastast_folder)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "Error: could not be read: 1 of 1 files" in result.stderr


@pytest.mark.parametrize(("name", "arguments"), [("out.csv", []), ("OUT.CSV", []), ("out.txt", ["--format", "csv"])])
def test_csv_goes_to_a_file(fastast, fastast_folder, sounds, tmp_path, name, arguments):
    hostile = write(tmp_path / "a\x1b[2J\n,.wav", 0.2)
    result = fastast("classify", hostile, sounds / "0.wav", "-m", fastast_folder, "-o", tmp_path / name, *arguments)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"Written: The labels are in {tmp_path / name}.\n"
    with (tmp_path / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [str(hostile)] * 5 + [str(sounds / "0.wav")] * 5


@pytest.mark.parametrize("arguments", [[], ["-o", "out.csv"]])
def test_a_file_name_that_is_no_text_comes_out_as_its_bytes(fastast, fastast_folder, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "\udcff.wav", 0.2)
    result = fastast("classify", path, "-m", fastast_folder, "--format", "csv", "--window", 0.1, *arguments)
    written = (tmp_path / "out.csv").read_bytes() if arguments else result.stdout_bytes
    assert os.fsencode(tmp_path) + b"/\xff.wav,0.0," in written


@pytest.mark.parametrize("arguments", [["--json"], ["--format", "jsonl", "--json"], ["--format", "jsonl"], []])
def test_json_lines_go_to_a_file(fastast, fastast_folder, sounds, tmp_path, arguments):
    path = tmp_path / "out.jsonl"
    result = fastast("classify", sounds / "0.wav", "-m", fastast_folder, "-o", path, *arguments)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == ("" if "--json" in arguments else f"Written: The labels are in {path}.\n")
    assert json.loads(path.read_text())["path"] == str(sounds / "0.wav")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "out.txt"], "Invalid value for --output: must end in .csv or .jsonl, got out.txt. Call it so"),
        (["--json", "--format", "csv"], "Invalid value for --format: must be jsonl beside --json, got csv. Give one"),
        (["--hop", "1"], "Invalid value for --hop: must be left out without --window, got 1. Give both, in seconds."),
    ],
)
def test_options_that_contradict_are_refused_at_once(fastast, arguments, message):
    result = fastast("classify", "x.wav", "--model", "no model is loaded", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_a_wrong_window_leaves_the_old_results(fastast, fastast_folder, sounds, tmp_path):
    (tmp_path / "out.csv").write_text("old")
    result = fastast("classify", sounds, "-m", fastast_folder, "--window", 60, "-o", tmp_path / "out.csv")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: `window` must be from 0.025 to 0.975 seconds")
    assert (tmp_path / "out.csv").read_text() == "old"


def test_too_large_a_batch_for_the_device_is_told(fastast, fastast_folder, sounds, monkeypatch):
    def full(*arguments, **options):
        raise torch.OutOfMemoryError("CUDA out of memory.")
        yield

    monkeypatch.setattr(classification, "classify_files", full)
    result = fastast("classify", sounds, "-m", fastast_folder, "--batch-size", 99)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "`batch_size` must fit into the memory of the device, got 99. Give a smaller one" in result.stderr


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("format", "bars"), [("table", 1), ("csv", 0), ("jsonl", 0)])
def test_no_bar_between_the_results_on_a_terminal(fastast_folder, sounds, monkeypatch, format, bars):
    made = []
    monkeypatch.setattr(classify, "_with_bar", lambda results, *args, **kwargs: made.append(1) or results)
    monkeypatch.setattr("sys.stdout", Terminal())
    classify.classify([sounds / "0.wav"], str(fastast_folder), format=format)
    assert len(made) == bars


@requires_shared
def test_real_clips(fastast, fastast_folder):
    paths = sorted(ESC10.glob("*/*.ogg"))[::80]
    result = fastast("classify", *paths, "-m", fastast_folder, "--window", 0.9, "--hop", 2, "--top-k", 1, "--json")
    assert result.exit_code == 0
    model = tiny_model(num_hidden_layers=2, merge_ratio=0.25)
    assert_same(told(result), expected(model, FAST, paths, window=0.9, hop=2, top_k=1))
    assert {line["path"] for line in told(result)} == {str(path) for path in paths}
    assert len(told(result)) == 3 * len(paths)


def test_the_folder_of_an_output_is_made(fastast, fastast_folder, sounds, tmp_path):
    result = fastast("classify", sounds, "--model", fastast_folder, "-o", tmp_path / "new" / "labels.csv")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "new" / "labels.csv").read_text().count("\n") > 3


def test_an_output_that_was_interrupted_says_so(fastast, fastast_folder, sounds, tmp_path, monkeypatch):
    def interrupted(results, stream):
        next(iter(results))
        raise KeyboardInterrupt

    monkeypatch.setitem(WRITERS, "csv", interrupted)
    result = fastast("classify", sounds, "--model", fastast_folder, "-o", tmp_path / "labels.csv")
    assert result.exit_code == 130
    assert "labels.csv holds what was done so far, and not all." in result.stderr.replace("\n", " ")


def test_an_interrupted_table_shows_what_was_done(fastast, fastast_folder, sounds, monkeypatch):
    real = classification.classify_files

    def interrupted(*arguments, **options):
        yield next(real(*arguments, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr(classification, "classify_files", interrupted)
    result = fastast("classify", sounds, "--model", fastast_folder, "--top-k", 1)
    assert result.exit_code == 130
    assert len(result.stdout.strip().splitlines()) == 3, "header, rule, and the first sound"
    assert result.stderr == "Interrupted: the table holds what was done so far, and not all.\n"


def test_a_path_stays_in_one_line_where_nobody_looks(fastast, fastast_folder, sounds, tmp_path):
    path = tmp_path / ("long" * 40) / "sound.wav"
    path.parent.mkdir()
    path.write_bytes((sounds / "0.wav").read_bytes())
    result = fastast("classify", path, "--model", fastast_folder)
    assert str(path) in result.stdout


@requires_full
@pytest.mark.parametrize("format", ["csv", "jsonl", "table"])
def test_a_full_disk_names_the_output(fastast, fastast_folder, sounds, format, tmp_path):
    output = full_file(tmp_path / "labels")
    result = fastast("classify", sounds, "--model", fastast_folder, "-o", output, "--format", format)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: No space left on device: {output}\n"


def test_a_bar_shows_how_many_files_are_done(sounds, monkeypatch):
    done = []
    monkeypatch.setattr(classify, "progress_bar", lambda description, total: nullcontext(done.append))
    results = list(classify_files(tiny_model(num_hidden_layers=2), FAST, sounds))
    assert list(classify._with_bar(iter(results), 3, in_windows=False)) == results
    assert done == [1, 2, 3]
