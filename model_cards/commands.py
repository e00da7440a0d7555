"""Run the README's commands on real sounds with the small model of a checkout, and keep what they print (`make commands`).

    python -m model_cards.commands [--data ../shared/data/esc10] [--start ../shared/models/deit_tiny_patch16_224]

Nothing else may run on the machine meanwhile: some of them tell times.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import soundfile

from fastast_hf.classification.loading import embedded_model
from fastast_hf.data import load_audio
from fastast_hf.evaluation import environment
from fastast_hf.experiment.files import read_json, write_json
from fastast_hf.hub.results import SCHEMA, check_results, provenance

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = 100
PROGRAMS = {"fastast": "fastast_hf", "accelerate": "accelerate.commands.accelerate_cli"}
"""Modules that are the same as programs of the environment."""

RATE = 16_000

CLIPS = "esc10/audio/dog_bark/1-100032-A.ogg esc10/audio/rain/1-17367-A.ogg"
COMMANDS = (
    f"fastast classify {CLIPS} --top-k 2",
    "fastast classify minute.flac --window 5 --hop 15 --top-k 1 --format csv",
    f"fastast trace {CLIPS.split()[0]} -o map.png",
    "fastast benchmark my-fastast --merge-ratio 0.25 --merge-ratio 0.4 --batch-size 16 --repeats 5",
    "fastast tune my-fastast --data-dir unheard --speedup 6 --output my-tuned --trials 60",
    "fastast export my-fastast my-fastast.onnx",
    "fastast convert deit_tiny_patch16_224 my-start --merge-ratio 0.25 --label dog --label rain",
    "fastast card my-fastast",
)
"""`my-fastast` is a copy of the small model; `unheard` are the clips that it has not heard; `minute.flac` is twelve clips, one
after the other."""


def main() -> None:
    """Run all, and write down what they print."""
    shared = ROOT.parent / "shared"
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=shared / "data" / "esc10", help="ESC-10")
    parser.add_argument("--start", type=Path, default=shared / "models" / "deit_tiny_patch16_224", help="DeiT-tiny")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "model_cards" / "results" / "commands.json", help="results (%(default)s)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder), data=arguments.data, start=arguments.start, model=Path(embedded_model()))
        results = run_all(COMMANDS, Path(folder))
    write_json(arguments.output, results)
    print(f"{arguments.output}: {len(COMMANDS)} commands")


def lay_out(folder: Path, *, data: Path, start: Path, model: Path) -> None:
    """Put there what the commands name."""
    (folder / "esc10").symlink_to(data.resolve())
    (folder / start.name).symlink_to(start.resolve())
    shutil.copytree(model, folder / "my-fastast")
    (folder / "unheard").mkdir()
    fold = read_json(model / "results.json")["data"]["eval_fold"]
    for clip in (data / "audio").glob(f"*/{fold}-*.ogg"):  # so ESC-50 names the clips of a fold
        (folder / "unheard" / clip.name).symlink_to(clip.resolve())
    with soundfile.SoundFile(folder / "minute.flac", "w", RATE, 1, "PCM_16") as minute:
        for clips in sorted((data / "audio").iterdir())[:4]:  # three clips of each of four kinds of sound
            for clip in sorted(clips.glob("*.ogg"))[:3]:
                minute.write(load_audio(clip, sampling_rate=RATE)[: 5 * RATE])


def run_all(
    commands: tuple[str, ...], folder: Path, *, command: str = "python -m model_cards.commands"
) -> dict[str, Any]:
    """Run commands in a folder, in terminals of one width.

    Args:
        commands: of the programs above.
        folder: where they run.
        command: how to do all of it again.

    Returns:
        Results of kind "commands", as `fastast_hf.hub.results` describes them.

    Raises:
        RuntimeError: if one of them fails.
    """
    runs = [{"command": line, "output": printed_by(line, folder)} for line in commands]
    results = {
        "schema": SCHEMA,
        "kind": "commands",
        **provenance(environment()),
        "command": command,
        "commands": runs,
    }
    check_results(results)
    return results


def printed_by(command: str, folder: Path) -> str:
    """Run one command; give what it prints to stdout."""
    program, *arguments = shlex.split(command)
    if program not in PROGRAMS:
        raise ValueError(f"`command` must begin with one of {', '.join(PROGRAMS)}, got {command}. Add it there.")
    done = subprocess.run(
        [sys.executable, "-m", PROGRAMS[program], *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": str(COLUMNS), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"`{command}` must end with 0, got {done.returncode}: {done.stderr}")
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())


if __name__ == "__main__":
    main()
