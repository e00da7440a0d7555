"""`--json` of every command that prints results: one JSON document on stdout, or a line for each result, and nothing else."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from fastast_hf.speed import file_to_label, front_end
from tests.cli.test_app import COMMANDS
from tests.hub.results_example import example


@pytest.fixture(scope="module")
def place(fastast_folder, ast_folder, tmp_path_factory):
    """A folder with what the commands below name."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(fastast_folder, folder / "model")
    shutil.copytree(ast_folder, folder / "ast")
    (folder / "model" / "results.json").write_text(json.dumps(example()))
    (folder / "sounds").mkdir()
    for number in range(6):
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, 8_000)
        soundfile.write(folder / "sounds" / f"{number}.wav", samples, 16_000)
    return folder


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch, place):
    monkeypatch.chdir(place)
    for measuring in (file_to_label, front_end):
        monkeypatch.setattr(measuring, "let_threads_fall_asleep", lambda: None)


DOCUMENTS = {
    "benchmark": (
        "benchmark model --data-dir sounds --batch-size 1 --repeats 1 --device cpu --plot a.png",
        "benchmark",
    ),
    "card": ("card model --license mit", "license"),
    "convert": ("convert ast fast", "merge_schedule"),
    "export": ("export model model.onnx", "largest_difference"),
    "trace": ("trace sounds/0.wav --model model -o map.png", "sources"),
    "tune": ("tune model --data-dir sounds --speedup 1.2 --trials 2 --output tuned --plot b.png", "tuning"),
}


def test_every_command_has_it():
    assert DOCUMENTS.keys() | {"classify"} == COMMANDS.keys()
    for name, command in COMMANDS.items():
        assert "--json" in [spelling for parameter in command.params for spelling in parameter.opts], name


@pytest.mark.parametrize("name", DOCUMENTS)
def test_one_document(fastast, name, capfd):
    command, field = DOCUMENTS[name]
    result = fastast(*command.split(), "--json")
    assert result.exit_code == 0, result.output
    assert field in json.loads(result.stdout)  # which refuses more than one
    assert capfd.readouterr().out == "", "what passes by sys.stdout"


def test_a_line_for_each_sound(fastast, capfd):
    result = fastast("classify", "sounds", "--model", "model", "--json")
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["path"] for line in result.stdout.splitlines()] == [f"sounds/{n}.wav" for n in range(6)]
    assert capfd.readouterr().out == ""
