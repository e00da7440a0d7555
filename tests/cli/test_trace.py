"""`fastast trace` as a user calls it."""

import json

import numpy as np
import pytest
import soundfile

from fastast_hf.classification.tracing import trace_waveform
from fastast_hf.data import load_audio
from tests.conftest import SIZES, tiny_model


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
    assert " tokens, " in result.stdout and "behind the last layer" in result.stdout.replace("\n", " ")
    assert result.stdout.count("%") == 5


def test_json_tells_the_token_of_every_patch(fastast, fastast_folder, sound):
    result = fastast("trace", sound, "--model", fastast_folder, "--merge-ratio", 0.4, "--json", "--device", "cpu")
    found = json.loads(result.stdout)
    from fastast_hf import FastASTFeatureExtractor

    extractor = FastASTFeatureExtractor(**SIZES)
    model = tiny_model(num_hidden_layers=2, merge_ratio=0.4)
    expected = trace_waveform(model, extractor, load_audio(sound, sampling_rate=16_000))
    assert found["sources"] == expected.sources.tolist()
    assert found["tokens"] == list(expected.tokens)
    assert [label["label"] for label in found["labels"]] == [label.label for label in expected.labels]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ((), 2, "must be given unless --json is, got none"),
        (("-o", "map.doc"), 1, "`plot` must end in one of"),
        (("-o", "map.png", "--layer", 3), 1, "`layers` must be from 1 to 2, got [3]"),
    ],
)
def test_what_cannot_be_drawn_is_told(fastast, fastast_folder, sound, options, code, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = fastast("trace", sound, "--model", fastast_folder, "--device", "cpu", *options)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_a_file_that_is_no_sound_is_named(fastast, fastast_folder, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    result = fastast("trace", tmp_path / "text.wav", "-o", tmp_path / "map.png", "--model", fastast_folder)
    assert result.exit_code == 1
    assert "text.wav" in result.stderr
