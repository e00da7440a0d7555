"""`fastast tune` as a user calls it: what is printed, what is written, and what is refused before the search."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console
from transformers import AutoConfig

from fastast_hf import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.cli import tune as module
from fastast_hf.hub.results import load_results
from tests.cli.tuning import FEW, write_sounds
from tests.conftest import SIZES, full_file, requires_full, tiny_model
from tests.hub.test_tuning_tables import changed


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    return write_sounds(tmp_path_factory.mktemp("sounds"))


@pytest.fixture
def mine(fastast_folder, tmp_path):
    return shutil.copytree(fastast_folder, tmp_path / "mine")


def test_the_winner_is_written_into_the_model_s_own_config(fastast, mine, sounds, tmp_path):
    before = json.loads((mine / "config.json").read_text())
    others = ("--results", tmp_path / "tuning.json", "--plot", tmp_path / "tuning.png")
    result = fastast("tune", mine, "--data-dir", sounds, "--speedup", 1.2, *FEW, *others)
    assert result.exit_code == 0, result.output
    assert "| tuned 1.2x |" in result.stdout
    assert "Merge ratio of each layer:" in result.stdout
    files = {"schedule": mine / "config.json", "results": others[1], "picture": others[3]}
    assert result.stderr.splitlines() == [
        f"Written: The {what} {'are' if what == 'results' else 'is'} in {file}." for what, file in files.items()
    ]
    after = json.loads((mine / "config.json").read_text())
    assert len(after["merge_ratio"]) == 2
    changed = {"merge_ratio": after["merge_ratio"], "tokens_merged_per_layer": None}
    assert before | changed == after | {"tokens_merged_per_layer": None}
    assert FastASTForAudioClassification.from_pretrained(mine).config.merge_ratio == after["merge_ratio"]


def test_a_count_gives_way_to_the_winner(fastast, mine, sounds):
    path = mine / "config.json"
    fields = json.loads(path.read_text()) | {"merge_ratio": 0.0, "tokens_merged_per_layer": 3}
    path.write_text(json.dumps(fields))
    assert fastast("tune", mine, "--data-dir", sounds, "--speedup", 1.2, *FEW).exit_code == 0
    assert "tokens_merged_per_layer" not in json.loads(path.read_text())


def test_an_ast_becomes_a_fastast_folder_of_its_own(fastast, ast_folder, sounds, tmp_path):
    results, picture, output = tmp_path / "tuning.json", tmp_path / "tuning.png", tmp_path / "tuned"
    result = fastast(
        *("tune", ast_folder, "--data-dir", sounds, "--speedup", 1.2, "--output", output, *FEW),
        *("--results", results, "--plot", picture, "--json"),
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert load_results(results) == found
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "Writing model shards" not in result.stderr
    config = AutoConfig.from_pretrained(output)
    chosen = next(row for row in found["tuning"]["rows"] if row["name"] == found["tuning"]["chosen"])
    assert config.merge_ratio == chosen["merging"]["merge_ratio"]
    assert fastast("classify", sounds / "0.wav", "--model", output, "--device", "cpu").exit_code == 0


def test_the_sounds_of_another_folder_judge(fastast, mine, sounds, tmp_path):
    others = tmp_path / "others"
    others.mkdir()
    shutil.copy(sounds / "0.wav", others / "copy.wav")
    result = fastast("tune", mine, "--data-dir", sounds, "--check-dir", others, "--speedup", 1.2, *FEW, "--json")
    tuning = json.loads(result.stdout)["tuning"]
    assert (tuning["num_clips_searched"], tuning["num_clips_checked"]) == (7, 1)


def test_sounds_that_would_judge_themselves_are_refused(fastast, mine, sounds, tmp_path):
    (tmp_path / "link.wav").symlink_to(sounds / "3.wav")
    result = fastast("tune", mine, "--data-dir", sounds, "--check-dir", tmp_path, "--speedup", 1.2, *FEW)
    assert result.exit_code == 1
    message = "`check_dir` must hold other sounds than `data_dir`, got 1 that are in both, such as 3.wav."
    assert message in result.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--speedup", 2), "`output` must be given for what is no FastAST in a folder, got none for"),
    ],
)
def test_what_contradicts_itself_is_told_before_anything_is_loaded(
    fastast, ast_folder, sounds, options, message, monkeypatch
):
    monkeypatch.setattr(FastASTForAudioClassification, "from_pretrained", None)
    result = fastast("tune", ast_folder, "--data-dir", sounds, *options, *FEW)
    assert result.exit_code == 1
    assert message in result.stderr.replace("\n", " ")


def test_a_model_whose_folder_takes_no_file_is_told_before_it_is_loaded(fastast, mine, sounds, monkeypatch):
    def refuse(*, dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(
        "fastast_hf.experiment.files.tempfile.TemporaryFile", refuse
    )  # the superuser may write anywhere
    monkeypatch.setattr(FastASTForAudioClassification, "from_pretrained", None)
    result = fastast("tune", mine, "--data-dir", sounds, "--speedup", 1.2, *FEW)
    assert result.exit_code == 1
    message = f"`output` must be where a file can be written, got {mine / 'config.json'} (Permission denied: {mine})"
    assert message in result.stderr


@requires_full
def test_a_picture_that_fails_takes_no_schedule_with_it(fastast, mine, sounds, tmp_path):
    picture = full_file(tmp_path / "tuning.png")
    result = fastast("tune", mine, "--data-dir", sounds, "--speedup", 1.2, *FEW, "--plot", picture)
    assert result.exit_code == 1
    assert f"Error: No space left on device: {picture}" in result.stderr
    assert "| tuned 1.2x |" in result.stdout
    assert len(AutoConfig.from_pretrained(mine).merge_ratio) == 2


def test_a_constant_that_is_better_is_told_with_the_command_that_takes_it(fastast, sounds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_model(num_hidden_layers=3).save_pretrained("mine")
    FastASTFeatureExtractor(**SIZES).save_pretrained("mine")
    Path("tones").mkdir()
    for number in range(9):  # answers move by merging more than those to noise
        random = np.random.default_rng(number)
        tones = [np.sin(random.uniform(0.04, 2.7) * np.arange(1_600)) * random.choice([0.01, 0.5]) for _ in range(8)]
        soundfile.write(f"tones/{number}.wav", np.concatenate(tones), 16_000)
    options = ("--speedup", 1.4, "--trials", 1, "--device", "cpu", "--json")  # one trial has one ratio
    result = fastast("tune", "mine", "--data-dir", "tones", *options)
    assert result.exit_code == 0, result.output
    tuned = json.loads(result.stdout)["tuning"]
    better = tuned["better_constant"]
    rows = {row["name"]: row for row in tuned["rows"]}
    row = rows[better["name"]]
    assert better["mean_kl"] == row["mean_kl"] < rows[tuned["chosen"]]["mean_kl"]
    assert (
        json.loads(Path("mine/config.json").read_text())["merge_ratio"]
        == (rows[tuned["chosen"]]["merging"]["merge_ratio"])
    )
    program, *arguments = shlex.split(better["command"])
    assert program == "fastast"
    taken = fastast(*arguments)
    assert taken.exit_code == 0, taken.output
    config = AutoConfig.from_pretrained(arguments[2])
    ((field, value),) = row["merging"].items()
    assert getattr(config, field) == (value[0] if isinstance(value, list) else value)


def test_a_terminal_shows_the_note_and_the_command_on_one_line(monkeypatch, capsys):
    folder = "models/" + "long-" * 20
    command = f"fastast convert /srv/{folder} new --merge-ratio 0.25"
    better = {"name": "ratio 0.25", "mean_kl": 0.001, "command": command}
    monkeypatch.setattr(module, "Console", lambda: Console(force_terminal=True, width=70, color_system=None))
    module._print_results(changed(better_constant=better))
    shown = capsys.readouterr().out
    assert "Note: on the clips that judge, ratio 0.25 moves the answers less than" in " ".join(shown.split())
    assert command in shown.splitlines()
    module._print_results(changed(better_constant=None))
    assert "Note" not in capsys.readouterr().out


@pytest.mark.parametrize("is_ast", [True, False])
def test_a_speed_up_out_of_reach_is_told_before_weights_are_opened_and_sounds_decoded(
    fastast, ast_folder, mine, sounds, tmp_path, monkeypatch, is_ast
):
    monkeypatch.setattr(FastASTForAudioClassification, "from_pretrained", None)
    monkeypatch.setattr("fastast_hf.speed.sounds.load_audio", None)
    place = ("--output", tmp_path / "new") if is_ast else ()
    result = fastast("tune", ast_folder if is_ast else mine, "--data-dir", sounds, "--speedup", 20, *place, *FEW)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: `speedup` must be at most 1.")
    assert "got 20. Ask for less." in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_drop_is_chosen_by_the_clips_that_are_searched_on(fastast, mine, sounds, monkeypatch):
    monkeypatch.setattr("fastast_hf.speed.tuning_settings.SPEEDUPS", (1.1, 1.2))
    result = fastast("tune", mine, "--data-dir", sounds, "--max-drop", 100, *FEW)
    assert result.exit_code == 0, result.output
    assert "| Same answer | Same, searched on | Chosen |" in result.stdout
    assert "Chosen by the clips that were searched on: the fastest that changes" in result.stdout
    result = fastast("tune", mine, "--data-dir", sounds, "--max-drop", 100, *FEW, "--json")
    tuning = json.loads(result.stdout)["tuning"]
    assert tuning["chosen"] == "tuned 1.2x"
    assert all(("top_answer_searched" in row) == row["name"].startswith("tuned") for row in tuning["rows"])


def test_the_card_of_a_converted_model_follows_and_that_of_another_is_told(fastast, ast_folder, sounds, tmp_path):
    mine = tmp_path / "mine"
    assert fastast("convert", ast_folder, mine, "--merge-ratio", 0.1).exit_code == 0
    card = mine / "README.md"
    before = card.read_text()
    tune = ("tune", mine, "--data-dir", sounds, "--speedup", 1.2, *FEW)
    result = fastast(*tune)
    assert result.exit_code == 0, result.output
    merged = ", ".join(map(str, AutoConfig.from_pretrained(mine).merge_schedule().tokens_merged))
    assert f"frames: {merged}." in card.read_text() != before
    assert "old schedule" not in result.stderr
    card.write_text("# Mine\n\nAccuracy: 97 % at a `merge_ratio` of 0.1.\n")
    for more in ((), ("--json",)):
        result = fastast(*tune, *more)
        assert result.exit_code == 0, result.output
        assert f"Note: {card} still states what held for the old schedule: accuracy, merge ratio." in result.stderr
    assert card.read_text() == "# Mine\n\nAccuracy: 97 % at a `merge_ratio` of 0.1.\n"
