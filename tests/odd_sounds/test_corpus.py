"""Every odd sound through the function and through the command: an answer, or words that name the file and say what to do."""

import os
from collections import Counter
from pathlib import Path

import pytest

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.classification import classify_files
from fastast_hf.cli.console import printable
from fastast_hf.data.decoding import LOWEST_RATE
from tests.conftest import SIZES, tiny_model
from tests.odd_sounds import formats
from tests.odd_sounds.corpus import odd_sounds, write_corpus
from tests.odd_sounds.judging import Outcome, judge
from tests.odd_sounds.ways import classify_all


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    return folder, write_corpus(folder)


def assert_no_fault(files, way, outcomes):
    verdicts = [judge(file, way, outcomes[file.path]) for file in files]
    assert [(printable(verdict.file.path), verdict.fault) for verdict in verdicts if verdict.fault] == []
    kinds = Counter(verdict.outcome.kind for verdict in verdicts)
    assert min(kinds["answered"], kinds["refused"]) > 100


def test_there_are_files_of_every_theme_and_names_are_used_once(corpus):
    _, files = corpus
    assert len(files) >= 600
    assert len({file.path for file in files}) == len(files)
    expected = Counter(file.expected for file in files)
    assert min(expected.values()) >= 100
    assert formats.LOWEST_RATE == LOWEST_RATE


def test_the_corpus_is_always_the_same():
    once, again = list(odd_sounds()), list(odd_sounds())
    assert [(odd.theme, odd.name, odd.expected) for odd in once] == [
        (odd.theme, odd.name, odd.expected) for odd in again
    ]
    changed = {odd.name for odd, other in zip(once, again, strict=True) if odd.data != other.data}
    # an Ogg stream has a number of its own, by chance
    assert all("ogg" in name or "opus" in name for name in changed)


def test_the_function_answers_or_says_what_is_wrong(corpus):
    _, files = corpus
    model = tiny_model(num_hidden_layers=2, merge_ratio=0.25)
    results = classify_files(model, FastASTFeatureExtractor(**SIZES), [file.path for file in files])
    outcomes = {}
    for result in results:
        assert bool(result.labels) != bool(result.error)
        assert sum(score for _, score in result.labels) == pytest.approx(0 if result.error else 1)
        outcomes[result.path] = Outcome("refused", result.error) if result.error else Outcome("answered")
    assert_no_fault(files, "classify_files", outcomes)


def test_the_command_answers_or_says_what_is_wrong(corpus, fastast_folder):
    folder, files = corpus
    outcomes, code, stderr = classify_all(files, folder, str(fastast_folder), seconds=300, most_mib=4_096)
    assert_no_fault(files, "fastast classify", outcomes)
    refused = {path: outcome.words for path, outcome in outcomes.items() if outcome.kind == "refused"}
    assert code == 3
    assert f"could not be read: {len(refused)} of {len(files)} files" in stderr
    lines = set(stderr.splitlines())
    for path, words in refused.items():
        assert f"  {printable(path)}: {printable(words)}" in lines
    assert "Traceback" not in stderr


def test_names_that_a_file_system_refuses_are_left_out(tmp_path, monkeypatch):
    def refuse(path, data):
        if path.name.startswith("x"):
            raise OSError("no such names here")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    names = {os.path.basename(file.path) for file in write_corpus(tmp_path)}  # noqa: PTH119
    assert "CAPITALS.WAV" in names
    assert "x" * 251 + ".wav" not in names
