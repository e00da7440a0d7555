"""`fastast benchmark` as a user calls it: tables, files, and what goes to stdout."""

import io
import json

import numpy as np
import pytest
import soundfile
import typer
from rich.console import Console
from typer.testing import CliRunner

from fastast_hf.cli import benchmark as module
from fastast_hf.hub.results import load_results
from fastast_hf.speed import file_to_label, front_end
from tests.conftest import full_file, requires_full
from tests.hub.results_example import FRONT_END, speed_example
from tests.hub.test_file_to_label_tables import EXAMPLE as FILE_TO_LABEL


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    for measuring in (file_to_label, front_end):
        monkeypatch.setattr(measuring, "let_threads_fall_asleep", lambda: None)


@pytest.fixture
def benchmark():
    """Run the command with arguments of any type, on what takes no time."""
    app = typer.Typer()
    app.command()(module.benchmark)

    def run(*arguments):
        few = ("--repeats", 1, "--device", "cpu")
        return CliRunner().invoke(app, [str(argument) for argument in (*arguments, *few)])

    return run


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    for number in range(3):
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, 8_000)
        soundfile.write(folder / f"{number}.wav", samples, 16_000)
    return folder


def names(results):
    return [(row["name"], row["batch_size"]) for row in results["benchmark"]["rows"]]


def test_a_model_alone_is_measured_with_its_own_schedule(benchmark, fastast_folder):
    result = benchmark(fastast_folder, "--json")
    assert result.exit_code == 0
    results = json.loads(result.stdout)
    assert names(results) == [(name, size) for size in (1, 8) for name in ("AST", "unmerged", "ratio 0.25")]
    assert results["front_end"]["num_clips"] == 16
    assert results["model"] == "fastast"
    assert all(row["peak_memory_mib"] > 0 for row in results["benchmark"]["rows"])


def test_every_option_makes_its_rows(benchmark, ast_folder, fastast_folder):
    result = benchmark(
        *(ast_folder, "--against", fastast_folder, "--json", "--batch-size", 2, "--batch-size", 3),
        *("--merge-ratio", 0.5, "--tokens-merged-per-layer", 4, "--dtype", "bfloat16", "--runtime", "eager"),
        *("--num-frames", 40, "--num-frames", 96),
    )
    results = json.loads(result.stdout)
    of_two = [name for name, batch_size in names(results) if batch_size == 2]
    assert of_two == ["against fastast"] + [
        f"{schedule}, bfloat16{length}"
        for length in (", 40 frames", "")
        for schedule in ("unmerged", "r 4", "ratio 0.5")
    ]
    assert len(names(results)) == 2 * len(of_two)


def test_sounds_add_answers_and_the_time_from_file_to_label(benchmark, ast_folder, sounds):
    result = benchmark(ast_folder, "--data-dir", sounds, "--limit", 2, "--batch-size", 2)
    assert result.exit_code == 0
    assert "| Same answer |" in result.stdout
    assert "| + merging |" in result.stdout
    assert "2 files" in result.stdout


def test_results_and_picture_are_written_and_the_same_is_printed(benchmark, ast_folder, tmp_path):
    result = benchmark(
        *(ast_folder, "--merge-ratio", 0.5, "--batch-size", 1),
        *("--output", tmp_path / "new" / "speed.json", "--plot", tmp_path / "speed.png"),
    )
    results = load_results(tmp_path / "new" / "speed.json")
    assert names(results) == [("AST", 1), ("unmerged", 1), ("ratio 0.5", 1)]
    assert (tmp_path / "speed.png").read_bytes()[:4] == b"\x89PNG"
    assert result.stdout.startswith("| ast | Clips/s |")
    assert "| ratio 0.5 |" in result.stdout
    assert "| FastASTFeatureExtractor |" in result.stdout


def test_what_is_measured_is_kept_though_the_run_ends_early(benchmark, ast_folder, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("fastast_hf.speed.measuring.measure_front_end", fail)
    benchmark(ast_folder, "--batch-size", 1, "--output", tmp_path / "speed.json")
    assert names(load_results(tmp_path / "speed.json")) == [("AST", 1), ("unmerged", 1), ("ratio 0.25", 1)]


@pytest.mark.parametrize("name", ["ast-base", "ast-tiny"])
def test_a_model_with_random_weights_is_not_looked_up(name, monkeypatch):
    monkeypatch.setattr(
        "fastast_hf.classification.loading.load_classifier", lambda *_, **__: pytest.fail("it needs no file")
    )
    opened = module._open(name, "cpu")
    assert (opened.name, opened.model.config.num_labels, opened.random_weights) == (name, 527, True)


@requires_full
def test_a_picture_that_fails_takes_no_results_with_it(benchmark, ast_folder, tmp_path):
    files = ("--output", tmp_path / "speed.json", "--plot", full_file(tmp_path / "speed.png"))
    result = benchmark(ast_folder, "--merge-ratio", 0.5, "--batch-size", 1, *files)
    assert str(result.exception) == f"[Errno 28] No space left on device: '{tmp_path / 'speed.png'}'"
    assert "| ratio 0.5 |" in result.stdout
    assert names(load_results(tmp_path / "speed.json")) == [("AST", 1), ("unmerged", 1), ("ratio 0.5", 1)]


def test_a_broken_sound_is_told_before_anything_is_measured(benchmark, ast_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_open", lambda *_: pytest.fail("it came too late"))
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    result = benchmark(ast_folder, "--data-dir", tmp_path)
    assert isinstance(result.exception, ValueError)
    assert "broken.wav" in str(result.exception)


@pytest.mark.parametrize(
    "wrong", [("--dtype", "int8"), ("--runtime", "jit"), ("--limit", 0), ("--data-dir", "nowhere")]
)
def test_a_wrong_option_ends_with_2(benchmark, wrong):
    assert benchmark("ast-tiny", *wrong).exit_code == 2


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_a_terminal(width, monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr(module, "Console", lambda: console)
    spread = {"speed_up_low": 13.5, "speed_up_high": 13.6, "latency_iqr_ms": 1250}
    results = speed_example(batch_sizes=(1, 8), agreement=1.0, **spread)
    results |= {"file_to_label": FILE_TO_LABEL, "front_end": FRONT_END}
    module._print_results(results)
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(screen.getvalue().split())
    for words in ("batch 1 Clips/s", "batch 8 Clips/s", "1,250", "3.75x", "100.0%", "+ merging", "A Processor"):
        assert words in text
    for words in ("(13.50-13.60)", "(1,250)", "10.24 s of noise"):
        assert words in text
    assert "…" not in text  # nothing is cut
