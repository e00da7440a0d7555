"""`fastast trace` as a user calls it."""

import json

import numpy as np
import pytest
import soundfile

from fastast_hf.classification.tracing import trace_waveform
from fastast_hf.data import audio, load_audio
from fastast_hf.data.audio import stream_audio
from tests.conftest import SIZES, full_file, requires_full, tiny_config, tiny_model


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sounds") / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 30_000), 44_100)
    return path


def test_a_picture_is_written_and_tokens_and_labels_are_told(fastast, fastast_folder, sound, tmp_path):
    picture = tmp_path / "maps" / "map.png"
    result = fastast("trace", sound, "-o", picture, "--model", fastast_folder, "--layer", 2, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    grid = tiny_config(num_hidden_layers=2).patch_grid_of(68, 36)  # 0.68 s
    patches = grid[0] * grid[1]
    left = tiny_config(num_hidden_layers=2, merge_ratio=0.25).merge_schedule(68).tokens_left[-1] - 2
    told = f"map.png: {patches} patch tokens + 2 special tokens; {left} + 2 after the last layer\n"
    assert result.stdout.splitlines(keepends=True)[0].endswith(told)
    assert result.stdout.count("%") == 5


def test_json_tells_the_token_of_every_patch(fastast, fastast_folder, sound):
    result = fastast("trace", sound, "--model", fastast_folder, "--merge-ratio", 0.4, "--json", "--device", "cpu")
    found = json.loads(result.stdout)
    from fastast_hf import FastASTFeatureExtractor

    extractor = FastASTFeatureExtractor(**SIZES)
    model = tiny_model(num_hidden_layers=2, merge_ratio=0.4)
    expected = trace_waveform(model, extractor, load_audio(sound, sampling_rate=16_000))
    assert found["sources"] == expected.sources.tolist()
    assert (found["patch_tokens"], found["special_tokens"]) == (list(expected.patch_tokens), 2)
    assert found["patch_tokens"] == [len(set(row)) for row in found["sources"]]
    assert "tokens" not in found, "which did not tell what it counts"
    assert not found["is_truncated"]
    assert result.stderr == ""
    assert [label["label"] for label in found["labels"]] == [label.label for label in expected.labels]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ((), 2, "must be given unless --json is, got none"),
        (("-o", "map.png", "--layer", 3), 1, "`layer` must be from 1 to 2, got [3]. Name layers that"),
        (("-o", "map.png", "--layer", 0), 2, "--layer"),
    ],
)
def test_what_cannot_be_drawn_is_told(fastast, fastast_folder, sound, options, code, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = fastast("trace", sound, "--model", fastast_folder, "--device", "cpu", *options)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_the_help_says_how_the_picture_is_read_and_what_is_counted(fastast):
    words = " ".join(fastast("trace", "--help").stdout.split("Examples:")[1].split())
    assert "A token may lie in several places, of one colour, and other tokens may have a colour much like it" in words
    assert "parts with the same number are one token" in words
    assert "Patch tokens are counted. The special tokens, CLS and distillation token, are never merged" in words


def test_a_folder_is_refused(fastast, tmp_path):
    result = fastast("trace", tmp_path, "-o", "map.png", "--model", "no model is loaded")
    assert result.exit_code == 2
    words = "".join(result.stderr.replace("│", " ").split())
    assert f"mustbeasoundfile,gotthefolder{tmp_path}.Nameonefileofit." in words


def test_of_a_long_file_the_beginning_is_read(fastast, fastast_folder, tmp_path, monkeypatch):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 30 * 16_000)
    soundfile.write(tmp_path / "long.wav", samples, 16_000)
    soundfile.write(tmp_path / "short.wav", samples[: 2 * 16_000], 16_000)
    lengths = []

    def noted(*arguments, **options):
        for block in stream_audio(*arguments, **options):
            lengths.append(len(block))
            yield block

    monkeypatch.setattr(audio, "stream_audio", noted)
    results = [
        fastast("trace", tmp_path / name, "--model", fastast_folder, "--json", "--device", "cpu")
        for name in ("long.wav", "short.wav")
    ]
    long, short = (json.loads(result.stdout) for result in results)
    assert long | {"path": None} == short | {"path": None}
    assert long["is_truncated"]
    for result in results:
        assert (
            result.stderr == "Note: the file is longer than the 1.0 s that the model hears; this is its beginning.\n"
        )
    assert lengths == [10 * 16_000, 2 * 16_000], "one block of each"


def test_a_name_in_letters_that_the_font_lacks_is_no_warning(fastast, fastast_folder, sound, tmp_path):
    named = tmp_path / "日本.wav"
    named.write_bytes(sound.read_bytes())
    result = fastast("trace", named, "-o", tmp_path / "map.png", "--model", fastast_folder, "--device", "cpu")
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_file_that_is_no_sound_is_named(fastast, fastast_folder, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    result = fastast("trace", tmp_path / "text.wav", "-o", tmp_path / "map.png", "--model", fastast_folder)
    assert result.exit_code == 1
    assert "text.wav" in result.stderr


@requires_full
def test_a_full_disk_names_the_picture(fastast, fastast_folder, sound, tmp_path):
    picture = full_file(tmp_path / "map.png")
    result = fastast("trace", sound, "-o", picture, "--model", fastast_folder, "--device", "cpu")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: No space left on device: {picture}\n"
