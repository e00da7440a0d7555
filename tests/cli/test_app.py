"""The application: help, errors in words, exit codes, and the processes that start it."""

import ast
import configparser
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import typer
from huggingface_hub.errors import GatedRepoError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError
from rich.console import Console

import fastast_hf
from fastast_hf import cli
from fastast_hf.classification import loading
from fastast_hf.cli.app import app
from tests.conftest import FULL, requires_full

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 300  # seconds that a command may take: far more than any needs

COMMANDS = typer.main.get_command(app).commands


def test_help_names_the_commands_and_the_exit_codes(fastast):
    result = fastast("--help")
    assert result.exit_code == 0
    assert {"benchmark", "classify", "export"} <= COMMANDS.keys()
    for words in (
        *COMMANDS,
        "--debug",
        "--version",
        "fastast classify dog.wav",
        "3    some files",
        "130  interrupted",
    ):
        assert words in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_explains_every_option_and_has_examples(fastast, name):
    result = fastast(name, "--help")
    assert result.exit_code == 0
    assert f"fastast {name} " in result.stdout.split("Examples:")[1]
    for parameter in COMMANDS[name].params:
        assert parameter.help
        assert any(spelling in result.stdout for spelling in (*parameter.opts, parameter.metavar))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_terminal_of_80_columns(name):
    for text in (COMMANDS[name].help, COMMANDS[name].epilog):
        assert max(len(line.strip("\n")) for line in text.splitlines()) <= 78


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_stands_in_full_where_a_terminal_has_80_columns(fastast, name, monkeypatch):
    monkeypatch.setattr(Console, "_environ", {"COLUMNS": "80", "TERM": "xterm"})
    tables = fastast(name, "--help").stdout.split("Examples:")[0]
    words = tables.split()
    for parameter in COMMANDS[name].params:
        assert {name for name in parameter.opts if name.startswith("-")} <= set(words)
    assert "…" not in tables
    for line in tables.splitlines():  # the choices of an option, in one line: what is opened is closed there
        assert not re.search("<(?!=)[^>]*$", line)


@pytest.mark.parametrize("ratio", ["0.9", "-0.1"])
@pytest.mark.parametrize("name", ["benchmark", "classify", "export", "trace"])
def test_a_merge_ratio_that_fits_no_model_is_refused_before_one_is_loaded(fastast, name, ratio, monkeypatch):
    monkeypatch.setattr(loading, "load_classifier", lambda *_, **__: pytest.fail("it came too late"))
    rest = {"classify": ["x.wav"], "trace": ["x.wav"], "benchmark": ["ast-tiny"], "export": ["model", "x.onnx"]}[name]
    result = fastast(name, *rest, "--merge-ratio", ratio)
    assert (result.exit_code, result.stdout) == (2, "")
    words = " ".join(result.stderr.replace("│", " ").split())
    assert re.search("Invalid value for '?--merge-ratio'?: .*(0.5|0)", words)


def test_version(fastast):
    assert fastast("--version").stdout == f"fastast_hf {fastast_hf.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["clasify"], ["classify"], ["trace", "x"], ["export", "--nothing"]])
def test_wrong_arguments_end_with_2(fastast, arguments):
    assert fastast(*arguments).exit_code == 2


def hub_error(kind):
    return kind("no such thing", response=SimpleNamespace(headers={}, request=None))


ERRORS = [
    ValueError("`window` must be short"),
    OSError("a folder"),
    ImportError("needs onnx"),
    HFValidationError("no name"),
    LocalEntryNotFoundError("not in the cache"),
    hub_error(RepositoryNotFoundError),
    hub_error(GatedRepoError),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_what_a_user_can_cause_is_told_in_words(fastast, monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(loading, "load_classifier", fail)
    result = fastast("classify", "x.wav", "--model", "model")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == f"Error: {error}".splitlines()
    for debug in (["--debug", "classify", "x.wav"], ["classify", "x.wav", "--debug"]):
        assert fastast(*debug, "--model", "model").exception is error


def test_a_file_may_be_called_debug(fastast, fastast_folder):
    result = fastast("classify", "--model", fastast_folder, "--", "--debug")
    assert result.exit_code == 3
    assert "--debug" in result.stderr


@pytest.mark.parametrize("error", [KeyError("bug"), RuntimeError("bug"), AssertionError("bug")])
def test_a_fault_of_the_program_keeps_its_traceback(fastast, monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(loading, "load_classifier", fail)
    assert fastast("classify", "x.wav", "--model", "model").exception is error


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (BrokenPipeError(32, "gone"), 1)])
def test_an_end_from_outside_is_quiet(fastast, monkeypatch, error, code):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(loading, "load_classifier", fail)
    result = fastast("classify", "x.wav", "--model", "model")
    assert (result.exit_code, result.output) == (code, "")


def test_a_process_of_its_own(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "fastast_hf", "classify", "x.wav", "--model", str(tmp_path / "[red]gone")],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert "[red]gone" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_installed_command_is_this_one():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["options.entry_points"]["console_scripts"].strip() == "fastast = fastast_command:main"
    assert callable(cli.main)


CHEAP = {"cli", "model", "hub", "progress", "writing"}
"""Rooms and modules of the package that bring nothing that `import fastast_hf` has not brought."""
MODULES = sorted((ROOT / "fastast_hf" / "cli").glob("*.py"))
SLOW = {
    "datasets",
    "evaluate",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "pandas",
    "peft",
    "scipy",
    "sklearn",
}


def imported_by(nodes):
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_command_imports_when_it_runs_what_costs_more_than_the_package_and_nothing_else(path):
    tree = ast.parse(path.read_text())
    for package, *room in imported_by(tree.body):
        assert package not in SLOW
        assert package != "fastast_hf" or room[0] in CHEAP
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for package, *room in imported_by(node for function in functions for node in ast.walk(function)):
        assert package in SLOW or (package == "fastast_hf" and room[0] not in CHEAP)


PRINT_WHAT_HELP_BRINGS = """
import sys, fastast_hf
before = {name.split(".")[0] for name in sys.modules}
import fastast_hf.cli
print(*sorted({name.split(".")[0] for name in sys.modules} - before))
"""


def test_the_help_brings_nothing_slow_beside_the_package_itself():
    result = subprocess.run(
        [sys.executable, "-c", PRINT_WHAT_HELP_BRINGS], capture_output=True, text=True, check=True, timeout=TIMEOUT
    )
    assert SLOW.isdisjoint(result.stdout.split())
    assert "typer" in result.stdout.split()


@requires_full
def test_results_that_stdout_cannot_take_are_an_error_in_words(fastast_folder, tmp_path):
    sound = tmp_path / "noise.wav"
    soundfile.write(sound, np.random.default_rng(0).uniform(-0.5, 0.5, 8_000), 16_000)
    with FULL.open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "fastast_hf", "trace", str(sound), "--model", str(fastast_folder), "--json"],
            env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
    assert (result.returncode, result.stderr) == (1, "Error: No space left on device: stdout\n")
