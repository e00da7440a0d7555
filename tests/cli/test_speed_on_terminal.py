"""A speed measurement as a terminal shows it: all of it, however narrow."""

import io

import pytest
from rich.console import Console

from fastast_hf.cli import speed_on_terminal as module
from fastast_hf.cli.speed_on_terminal import print_speed
from fastast_hf.hub.tables import results_block
from tests.hub.results_example import FRONT_END, speed_example
from tests.hub.test_file_to_label_tables import EXAMPLE as FILE_TO_LABEL

STEPS = ["AST, pipeline", "+ length", "+ front end", "+ batching", "+ merging"]
LONG = "ast-finetuned-audioset-10-10-0.4593"


def example(**fields):
    spread = {"speed_up_low": 13.5, "speed_up_high": 13.6, "latency_iqr_ms": 1250}
    first, merged = FILE_TO_LABEL["rows"].values()
    rows = {name: merged if number else first for number, name in enumerate(STEPS)}
    parts = {"file_to_label": FILE_TO_LABEL | {"rows": rows}, "front_end": FRONT_END}
    return speed_example(batch_sizes=(1, 8), agreement=1.0, **spread) | parts | fields


def shown(results, width, monkeypatch):
    """Print on a terminal; give what it shows."""
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr(module, "Console", lambda: console)
    print_speed(results)
    return screen.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_the_tables_fit_a_terminal(width, monkeypatch):
    found = shown(example(random_weights=False), width, monkeypatch)
    assert max(map(len, found.splitlines())) <= width
    text = " ".join(found.split())
    for words in ("batch 1 Clips/s", "batch 8 Clips/s", "1,250", "3.75x", "100.0%", "+ merging", "A Processor"):
        assert words in text
    for words in ("(13.50-13.60)", "(1,250)", "10.24 s of noise", "(7.50-8.25)", "93.2%", "8.0 ms"):
        assert words in text
    assert "\u2026" not in text  # nothing is cut


@pytest.mark.parametrize("model", ["fastast-tiny-esc10", "my-own-student-5"])
def test_the_name_of_the_model_stands_in_full_above_the_steps(model, monkeypatch):
    lines = shown(example(model=model), 80, monkeypatch).splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("file to label"))
    assert lines[head - 1].split() == [model, "Speed-up", "This", "Share", "of", "Same"]
    assert lines[head].split() == ["file", "to", "label", "Per", "clip", "(range)", "step", "speed-up", "label"]
    assert lines[head + 1].startswith("AST, pipeline"), "the titles take two lines and no third"


def test_a_name_that_has_no_room_goes_on_in_the_next_line(monkeypatch):
    found = shown(example(model=LONG), 80, monkeypatch)
    assert max(map(len, found.splitlines())) <= 80
    assert "\u2026" not in found


def test_a_pipe_gets_markdown(capsys):
    print_speed(example())
    assert capsys.readouterr().out == results_block(example()) + "\n"
