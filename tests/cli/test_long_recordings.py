"""Recordings of any length by windows, in real processes: ten minutes take the memory of one."""

import json
import sys

import pytest
import soundfile

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.data import load_audio
from model_cards.processes import run_measured
from tests.conftest import ESC10, requires_shared, tiny_model

RATE = 16_000
MIB = 2**20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small FastAST that hears five seconds at a time."""
    folder = tmp_path_factory.mktemp("model")
    sizes = {"num_mel_bins": 128, "max_length": 512}
    tiny_model(**sizes, frequency_stride=16, time_stride=16, merge_ratio=0.25).save_pretrained(folder)
    FastASTFeatureExtractor(**sizes).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """One minute and ten minutes of ESC-10, clip after clip."""
    folder = tmp_path_factory.mktemp("recordings")
    clips = sorted(ESC10.rglob("*.ogg"))
    paths = []
    for minutes in (1, 10):
        paths.append(folder / f"{minutes}.flac")
        with soundfile.SoundFile(paths[-1], "w", RATE, 1, "PCM_16") as recording:
            for clip in clips[: 12 * minutes]:
                recording.write(load_audio(clip, sampling_rate=RATE)[: 5 * RATE])
    return paths


def peak_mib_and_results(path, folder):
    """Run `fastast classify`; give the most memory that its process ever held, and what it printed."""
    # One minute has to fill the batches, and those that wait, as ten do.
    options = ["--window", "5", "--batch-size", "4", "--json"]
    command = [sys.executable, "-m", "fastast_hf", "classify", str(path), "-m", str(folder), *options]
    done = run_measured(command)
    assert done.code == 0
    return done.mib, [json.loads(line) for line in done.stdout.splitlines()]


@requires_shared
def test_ten_minutes_take_the_memory_of_one(folder, recordings):
    (one, short), (ten, long) = (peak_mib_and_results(path, folder) for path in recordings)
    assert (len(short), len(long)) == (12, 120)
    assert [result["start"] for result in long] == [5.0 * window for window in range(120)]
    for first, again in zip(short[:-1], long, strict=False):  # the same minute; the last window ends with it
        scores = [[label["score"] for label in result["labels"]] for result in (first, again)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    samples_mib = 10 * 60 * RATE * 4 / MIB  # what holding the whole recording would add
    assert ten < one + samples_mib / 3
