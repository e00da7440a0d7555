"""`fastast benchmark` as a user calls it: tables, files, and what goes to stdout."""

import inspect
import json
import shutil

import matplotlib
import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from fastast_hf.cli import benchmark as module
from fastast_hf.hub.results import load_results
from fastast_hf.speed import file_to_label, front_end, measuring
from tests.conftest import full_file, requires_full


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    for timed in (file_to_label, front_end):
        monkeypatch.setattr(timed, "let_threads_fall_asleep", lambda: None)


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


@pytest.fixture
def with_broken(sounds, tmp_path):
    """The sounds, and one among them that was cut short."""
    folder = shutil.copytree(sounds, tmp_path / "sounds")
    (folder / "1b.wav").write_bytes((sounds / "0.wav").read_bytes()[:999])
    return folder


def test_a_sound_that_cannot_be_read_is_left_out_listed_and_counted(benchmark, ast_folder, with_broken, tmp_path):
    options = ("--data-dir", with_broken, "--batch-size", 1, "--output", tmp_path / "speed.json")
    result = benchmark(ast_folder, *options)
    assert result.exit_code == 3
    assert result.stderr.splitlines()[0] == "Left out: could not be read: 1 of 4 files"
    assert result.stderr.splitlines()[1].startswith(
        f"  {with_broken / '1b.wav'}: `source` must be a complete sound file"
    )
    assert "File to label: 3 files, " in result.stdout
    assert "rows in 3 turns, medians over the turns. Left out because they cannot be read: 1." in result.stdout
    results = load_results(tmp_path / "speed.json")
    assert list(results["unreadable"]) == [str(with_broken / "1b.wav")]
    assert results["benchmark"]["num_clips"] == results["file_to_label"]["num_clips"] == 3
    again = benchmark(ast_folder, *options, "--json")
    assert again.exit_code == 3
    assert json.loads(again.stdout)["unreadable"] == results["unreadable"]


def test_sounds_of_which_none_can_be_read_are_an_error_before_a_model_is_opened(
    benchmark, ast_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "_open", lambda *_: pytest.fail("it came too late"))
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    result = benchmark(ast_folder, "--data-dir", tmp_path)
    assert isinstance(result.exception, ValueError)
    message = "`data_dir` must hold a sound that can be read, got 1 of 1 that cannot, first "
    assert str(result.exception).startswith(message + str(tmp_path / "broken.wav"))


def test_both_names_are_checked_before_either_is_opened(benchmark, ast_folder, sounds, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_open", lambda *_: pytest.fail("it came too late"))
    nosuch = str(tmp_path / "nosuch")
    for arguments, option in (
        ((ast_folder, "--against", nosuch), "against"),
        (("ast-tiny", "--against", nosuch), "against"),
        ((nosuch, "--against", ast_folder), "model"),
        ((nosuch,), "model"),
    ):
        result = benchmark(*arguments, "--data-dir", sounds)
        assert isinstance(result.exception, OSError)
        assert str(result.exception).startswith(f"`{option}` must be a folder or a name on the Hub, got {nosuch}. ")


def test_what_fails_as_the_baseline_is_opened_is_told_of_it_too(fastast, ast_folder, tmp_path):
    broken = shutil.copytree(ast_folder, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"no weights")
    result = fastast("benchmark", ast_folder, "--against", broken, "--device", "cpu")
    assert result.exit_code == 1
    assert f"Error: `against` must hold whole weights, got {broken}: " in result.stderr


def test_what_was_written_is_told_beside_the_results_and_not_beside_json(benchmark, ast_folder, tmp_path):
    output, plot = tmp_path / "speed.json", tmp_path / "speed.svg"
    options = (ast_folder, "--batch-size", 1, "--output", output, "--plot", plot)
    result = benchmark(*options)
    told = [f"Written: The results are in {output}.", f"Written: The picture is in {plot}."]
    assert result.stderr.splitlines() == told
    assert benchmark(*options, "--json").stderr == ""
    assert "Written" not in benchmark(ast_folder, "--batch-size", 1).stderr


def test_the_picture_shows_the_answers_that_were_compared(benchmark, ast_folder, sounds, tmp_path):
    picture = tmp_path / "speed.svg"
    options = (ast_folder, "--batch-size", 1, "--plot", picture)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        assert benchmark(*options, "--data-dir", sounds).exit_code == 0
        assert "batch 1: share of 3 clips whose best label stays" in picture.read_text(encoding="utf-8")
        assert benchmark(*options).exit_code == 0
        assert "best label" not in picture.read_text(encoding="utf-8")


def test_the_help_tells_the_turns_that_are_run(fastast):
    """So many, or one a file, as the measuring takes."""
    text = " ".join(fastast("benchmark", "--help").stdout.replace("\u2502", " ").split())
    turns = inspect.signature(front_end.measure_front_end).parameters["turns"].default
    told = f"from file to label there are {measuring._FILE_TO_LABEL_TURNS}, or one a file of fewer files, of the front end {turns}."
    assert told in text


@pytest.mark.parametrize(
    "wrong", [("--dtype", "int8"), ("--runtime", "jit"), ("--limit", 0), ("--data-dir", "nowhere")]
)
def test_a_wrong_option_ends_with_2(benchmark, wrong):
    assert benchmark("ast-tiny", *wrong).exit_code == 2
