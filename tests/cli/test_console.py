"""What is said on stderr."""

import io
import json

import pytest
from rich.console import Console
from transformers.utils import logging

from fastast_hf.cli import console
from fastast_hf.cli.console import (
    print_error,
    print_json,
    print_note,
    print_result,
    printable,
    progress_bar,
    working,
)
from tests.conftest import FULL, requires_full


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dog barks.wav", "dog barks.wav"),
        ("Hundegebell für Zoë 犬.wav", "Hundegebell für Zoë 犬.wav"),
        ("[red]a[/red]", "[red]a[/red]"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b]0;title\x07\x1b[2J", r"\x1b]0;title\x07\x1b[2J"),
        ("\x9b2J", r"\x9b2J"),  # the same as one byte
        ("\u202egnp.wav", r"\u202egnp.wav"),  # would be shown from right to left
        ("\u2028", r"\u2028"),
        ("\udcff", r"\udcff"),  # a byte of a file name that is no UTF-8
    ],
)
def test_nothing_printable_acts_on_a_terminal(text, expected):
    assert printable(text) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("`a` must be 1,\ngot [2]"), "Error: `a` must be 1,\ngot [2]\n"),
        (ValueError(), "Error: ValueError\n"),
        (
            FileNotFoundError(2, "No such file or directory", "a\x1b.csv"),
            "Error: No such file or directory: a\\x1b.csv\n",
        ),
        (OSError("no connection"), "Error: no connection\n"),
        (OSError(28, "No space left on device"), "Error: [Errno 28] No space left on device\n"),
        (ValueError("long " * 100), f"Error: {'long ' * 100}\n"),
        (ValueError(":dog: [bold]x[/bold]"), "Error: :dog: [bold]x[/bold]\n"),
    ],
)
def test_errors(error, expected, capsys):
    print_error(error)
    assert capsys.readouterr() == ("", expected)


def test_what_was_noted_beside_an_error_is_told(capsys):
    error = ConnectionError("no Hub")
    error.add_note("Nothing is lost: the folder a\x1b is complete.")
    print_error(error)
    assert capsys.readouterr().err == "Error: no Hub\nNothing is lost: the folder a\\x1b is complete.\n"


def test_results_go_to_stdout(capsys):
    print_result("a: 1")
    print_json({"path": "ä\udcff", "labels": []})
    result, document = capsys.readouterr().out.splitlines()
    assert result == "a: 1"
    assert document.isascii()
    assert json.loads(document) == {"path": "ä\udcff", "labels": []}


@requires_full
@pytest.mark.parametrize("write", [print_result, lambda text: print_json({"text": text})])
def test_a_stdout_that_is_full_is_called_so(write, monkeypatch):
    stdout = FULL.open("w")
    monkeypatch.setattr("sys.stdout", stdout)
    with pytest.raises(OSError, match="No space left on device: 'stdout'"):
        write("a result")
    with pytest.raises(OSError, match="No space left"):
        stdout.close()


def test_notes(capsys):
    print_note("[3] of 4")
    assert capsys.readouterr() == ("", "Note: [3] of 4\n")


def shown(seconds_without_bar, monkeypatch, *, terminal=True):
    """What a bar that is two thirds full leaves on a terminal."""
    monkeypatch.setattr(console, "SECONDS_WITHOUT_BAR", seconds_without_bar)
    stream = io.StringIO()
    with progress_bar("Listening", 3, console=Console(file=stream, force_terminal=terminal, width=80)) as show:
        show(1)
        show(2)
    return stream.getvalue()


def test_a_bar_shows_itself_where_it_takes_long(monkeypatch):
    assert "Listening" in shown(0, monkeypatch)
    assert "67%" in shown(0, monkeypatch)


def test_no_bar_where_it_is_quick_or_nobody_looks(monkeypatch):
    assert "Listening" not in shown(float("inf"), monkeypatch)
    assert shown(0, monkeypatch, terminal=False) == ""


def test_results_on_stdout_pass_by_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(console, "SECONDS_WITHOUT_BAR", 0)
    stream = io.StringIO()
    with progress_bar("Listening", 3, console=Console(file=stream, force_terminal=True, width=80)):
        print("result")
    assert capsys.readouterr().out == "result\n"
    assert "result" not in stream.getvalue()


def test_work_of_unknown_length(monkeypatch):
    monkeypatch.setattr(console, "SECONDS_WITHOUT_BAR", 0)
    stream = io.StringIO()
    with working("Exporting", console=Console(file=stream, force_terminal=True, width=80)):
        pass
    assert "Exporting" in stream.getvalue()


def test_bars_of_others_wait(monkeypatch):
    assert logging.is_progress_bar_enabled()
    with working("Exporting", console=Console(file=io.StringIO(), force_terminal=True)):
        assert not logging.is_progress_bar_enabled()
    assert logging.is_progress_bar_enabled()
    with working("Exporting", console=Console(file=io.StringIO(), force_terminal=False)):
        assert logging.is_progress_bar_enabled()
