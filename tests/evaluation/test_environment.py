import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import torch

from fastast_hf import __version__
from fastast_hf.evaluation.environment import command_line, environment


def test_environment_says_what_a_reader_needs_and_is_json(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bench.py", "--repeats", "3"])
    described = json.loads(json.dumps(environment(dtype=torch.bfloat16)))
    assert set(described) == {"hardware", "versions", "dtype", "date", "command"}
    assert described["hardware"]["cpu"]
    assert described["hardware"]["cores"] >= 1
    assert described["hardware"]["threads"] == torch.get_num_threads()
    assert described["hardware"]["gpu"] is None
    assert described["versions"]["fastast_hf"] == __version__  # of the code that ran, whatever pip recorded
    assert described["versions"]["torch"] == torch.__version__
    assert described["dtype"] == "bfloat16"
    assert date.fromisoformat(described["date"])
    assert described["command"] == "bench.py --repeats 3"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--data_dir", "/srv/sounds/esc10"], "--data_dir esc10"),
        (["--data_dir=/srv/sounds/esc10/"], "--data_dir=esc10"),
        (["--model", "MIT/ast", "../shared/data", "runs/one"], "--model MIT/ast ../shared/data runs/one"),
        (["--out", str(Path.cwd() / "runs" / "one")], "--out runs/one"),
        (["C:\\sounds\\esc10"], "esc10"),
        (["--label", "two words"], "--label 'two words'"),
        (["--learning_rate=3e-4"], "--learning_rate=3e-4"),
        (["--token", "hf_secret", "--seed", "1"], "--seed 1"),
        (["--seed", "1", "--hub_token=hf_secret", "--hub-token", "hf_secret"], "--seed 1"),
        (["--average_tokens_across_devices", "False"], "--average_tokens_across_devices False"),
    ],
)
def test_command_line_has_no_path_of_the_machine_and_no_secret(arguments, expected):
    assert command_line(["/usr/local/bin/fastast", *arguments]) == f"fastast {expected}"


def test_a_package_that_python_runs_is_named_as_it_was_started():
    line = command_line(["/usr/lib/python3/fastast_hf/__main__.py", "benchmark", "/srv/models/mine"])
    assert line == "python -m fastast_hf benchmark mine"


def test_a_package_inside_of_another_is_named_in_full(tmp_path):
    package = tmp_path / "outer" / "inner"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text(
        "from fastast_hf.evaluation.environment import command_line\nprint(command_line())"
    )
    command = [sys.executable, "-m", "outer.inner", "--list"]
    told = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "python -m outer.inner --list"
