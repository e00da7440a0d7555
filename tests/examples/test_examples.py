"""The doors, as a user opens them: in a process of their own."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fastast_hf import FastASTConfig, FastASTFeatureExtractor
from fastast_hf.data import make_synthetic_dataset
from fastast_hf.distillation import EfficientATConfig
from tests.conftest import tiny_model

EXAMPLES = Path(__file__).parents[2] / "examples"
TIMEOUT = 300  # seconds that a command may take: far more than any needs


def run(*command, cwd):
    """Run a command without the network; give what it printed."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(cwd / "hf_home"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("program", ["distill.py", "load_saved_model.py"])
def test_help_explains_every_argument(program, tmp_path):
    text = run(sys.executable, EXAMPLES / program, "--help", cwd=tmp_path)
    assert "usage:" in text


# distill.py is not among them: its options are those of transformers, some of which are wider by themselves
OWN_OPTIONS = [path for path in sorted(EXAMPLES.rglob("*.py")) if "argparse.ArgumentParser" in path.read_text()]


@pytest.mark.parametrize("program", OWN_OPTIONS, ids=lambda path: path.name)
def test_help_fits_a_terminal_of_80_columns(program, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "argv", [str(program), "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(program), run_name="__main__")
    assert end.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: {program.name}")
    assert [line for line in lines if len(line) > 80] == []


TWO_PROCESSES = ("--multi_gpu", "--num_processes", "2", "--main_process_port", "0")


# `--cpu` starts one process whatever number follows; `--multi_gpu` starts them, and `--use_cpu` keeps them off the GPUs
@pytest.mark.parametrize("launch", [("--cpu",), TWO_PROCESSES], ids=["one", "two"])
def test_distill_through_accelerate_launch(launch, tmp_path):
    make_synthetic_dataset(tmp_path / "sounds", clips_per_class=5, seconds=0.64)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    FastASTConfig(**sizes, max_length=64, num_mel_bins=48).save_pretrained(tmp_path / "student")
    EfficientATConfig(width_multiplier=0.1).save_pretrained(tmp_path / "teacher")
    text = run(
        *(sys.executable, "-m", "accelerate.commands.launch", *launch, EXAMPLES / "distill.py"),
        *("--data_dir", tmp_path / "sounds", "--split_column", "split", "--output_dir", "runs/tiny"),
        *("--config_name", tmp_path / "student", "--merge_ratio", "0.25"),
        *("--teacher_config_name", tmp_path / "teacher", "--teacher_num_train_epochs", "1"),
        *("--distillation_weight", "0.9", "--distillation_temperature", "2", "--num_train_epochs", "1"),
        *("--frequency_mask_bins", "8", "--time_mask_frames", "8", "--benchmark_repeats", "2", "--use_cpu"),
        *("--save_strategy", "epoch"),
        cwd=tmp_path,
    )
    assert text.count("| FastAST |") == 1
    folder = tmp_path / "runs" / "tiny"
    results = json.loads((folder / "results.json").read_text())
    assert results["command"].startswith("distill.py --data_dir sounds --split_column split")
    processes = 2 if launch == TWO_PROCESSES else 1
    assert results["training"]["num_processes"] == processes
    states = {path.name for path in folder.glob("checkpoint-*/rng_state*")}
    assert states == ({"rng_state_0.pth", "rng_state_1.pth"} if processes == 2 else {"rng_state.pth"})
    for page in ("results.json", "README.md"):
        assert str(tmp_path) not in (folder / page).read_text()


def test_a_saved_model_is_loaded_without_the_package(tmp_path):
    model = tiny_model(merge_ratio=0.3, num_mel_bins=48, max_length=64)
    extractor = FastASTFeatureExtractor(num_mel_bins=48, max_length=64)
    model.save_pretrained(tmp_path / "model")
    extractor.save_pretrained(tmp_path / "model")
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, 8000).astype(np.float32)
    soundfile.write(tmp_path / "sound.wav", waveform, 16_000, subtype="FLOAT")
    program = (sys.executable, EXAMPLES / "load_saved_model.py", "model", "sound.wav")
    text = run(*program, "--without-package", "--logits", "logits.npy", cwd=tmp_path)
    expected = model(**extractor(waveform, sampling_rate=16_000, return_tensors="pt")).logits[0]
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), expected.detach().numpy(), atol=1e-6)
    assert text.split("%")[1].split("\n")[0].strip() == model.config.id2label[int(expected.argmax())]


def test_a_label_does_nothing_to_the_terminal(tmp_path):
    model = tiny_model(num_mel_bins=48, max_length=64)
    model.config.id2label = {number: f"dog\x1b[2J{number}" for number in range(model.config.num_labels)}
    model.save_pretrained(tmp_path / "model")
    FastASTFeatureExtractor(num_mel_bins=48, max_length=64).save_pretrained(tmp_path / "model")
    soundfile.write(tmp_path / "sound.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 8000), 16_000)
    text = run(sys.executable, EXAMPLES / "load_saved_model.py", "model", "sound.wav", cwd=tmp_path)
    assert r"dog\x1b[2J" in text
    assert all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("user/model", "sound.wav"), 2, "--revision must be given unless the model is a folder, got none for user/model."),
        ((".", "gone.wav"), 1, "Error: Error opening 'gone.wav'"),
        ((".", "sound.wav"), 1, "Error: Unrecognized model in ."),
    ],
    ids=["revision", "sound", "model"],
)  # fmt: skip
def test_what_a_saved_model_needs_is_told_in_words(tmp_path, arguments, code, message):
    soundfile.write(tmp_path / "sound.wav", np.zeros(8000), 16_000)
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "load_saved_model.py"), *arguments],
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
