"""Classifications as text, hostile names included."""

import csv
import io
import json

import numpy as np
import pytest
import soundfile
import torch
from rich.console import Console
from rich.text import Text

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.classification import Classification, LabelScore, classify_files
from fastast_hf.cli.formats import CSV_COLUMNS, WRITERS, write_csv, write_json_lines, write_table
from tests.conftest import SIZES, tiny_model

HOSTILE = 'a\x1b[2J[red]b[/red]\n"c", d\udcff:dog:.wav'
SHOWN = r'a\x1b[2J[red]b[/red]\n"c", d\udcff:dog:.wav'
RESULTS = [
    Classification(
        "dog.wav", 0.0, 5.0, (LabelScore("dog", 0.75), LabelScore("rain, heavy", 0.125)), is_truncated=True
    ),
    Classification("gone.wav", 0.0, 0.0, (), error="not there"),
    Classification(HOSTILE, 590.0, 600.25, (LabelScore("bell\x07[b]", 1.0),)),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def written(write, stream=None, results=RESULTS):
    stream = stream or io.StringIO()
    write(iter(results), stream)
    return stream.getvalue()


def set_width(monkeypatch, columns):
    """Tell rich how wide it is, whatever a test before has done to the environment that it reads."""
    monkeypatch.setattr(Console, "_environ", {"COLUMNS": str(columns), "TERM": "xterm"})


def test_a_table_has_a_line_for_each_label(monkeypatch):
    set_width(monkeypatch, 120)
    lines = [line.split() for line in written(write_table).splitlines() if line.strip()]
    assert lines[0] == ["File", "Seconds", "Label", "Score"]
    assert lines[2:] == [
        ["dog.wav", "0.00", "-", "5.00", "dog", "0.750"],
        ["rain,", "heavy", "0.125"],
        [*SHOWN.split(), "590.00", "-", "600.25", r"bell\x07[b]", "1.000"],
    ]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_table_loses_nothing_where_it_is_narrow(monkeypatch, is_terminal):
    """A terminal has its width; what reads a file or a pipe finds a path in one line."""
    set_width(monkeypatch, 60)
    name = "a/very/long/path/" * 9 + "dog.wav"
    result = Classification(name, 0.0, 5.0, (LabelScore("dog", 0.75),))
    text = Text.from_ansi(written(write_table, Terminal() if is_terminal else None, [result])).plain
    assert (name in text) != is_terminal
    if is_terminal:
        assert "".join(line[:40].split(" ")[1] for line in text.splitlines()[3:] if line.strip()) == name


def test_a_table_of_nothing_is_nothing():
    assert written(write_table, results=RESULTS[1:2]) == ""


def test_csv_reads_back():
    rows = list(csv.DictReader(io.StringIO(written(write_csv), newline="")))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [(row["path"], row["label"], row["score"], row["is_truncated"], row["error"]) for row in rows] == [
        ("dog.wav", "dog", "0.75", "True", ""),
        ("dog.wav", "rain, heavy", "0.125", "True", ""),
        ("gone.wav", "", "", "False", "not there"),
        (HOSTILE, "bell\x07[b]", "1.0", "False", ""),
    ]
    assert (rows[3]["start"], rows[3]["end"]) == ("590.0", "600.25")


def test_csv_on_a_terminal_does_nothing_there():
    text = written(write_csv, Terminal())
    assert all(line.isprintable() for line in text.splitlines())
    assert list(csv.reader(io.StringIO(text)))[-1][0] == SHOWN


def test_json_lines_read_back():
    text = written(write_json_lines)
    assert text.isascii()
    assert all(line.isprintable() for line in text.splitlines())
    assert [json.loads(line) for line in text.splitlines()] == [result.to_dict() for result in RESULTS]


def test_a_model_whose_answers_are_no_numbers_makes_no_json(tmp_path):
    soundfile.write(tmp_path / "noise.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 8_000), 16_000)
    model = tiny_model()
    torch.nn.init.constant_(model.classifier.dense.bias, float("nan"))
    results = classify_files(model, FastASTFeatureExtractor(**SIZES), tmp_path / "noise.wav")
    stream = io.StringIO()
    with pytest.raises(ValueError, match="`scores` must be finite numbers, got"):
        write_json_lines(results, stream)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_machines_get_each_result_as_it_comes(name):
    pipe = io.BytesIO()
    lengths = []

    def results():
        for result in RESULTS[:2]:
            yield result
            lengths.append(len(pipe.getvalue()))

    WRITERS[name](results(), io.TextIOWrapper(pipe))
    assert 0 < lengths[0] < lengths[1]
