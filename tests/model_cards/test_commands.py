"""The README's commands: what they print is kept, and one that fails is told."""

from pathlib import Path

import pytest
import soundfile

from model_cards import commands
from tests.conftest import ESC10, SHARED, requires_shared

ROOT = Path(__file__).resolve().parents[2]


def test_what_a_command_prints_is_kept(tmp_path):
    results = commands.run_all(("fastast --version",), tmp_path)
    (run,) = results["commands"]
    assert run["command"] == "fastast --version"
    assert run["output"].startswith("fastast_hf ")


def test_a_command_that_fails_is_told(tmp_path):
    with pytest.raises(RuntimeError, match="`fastast no-such-command` must end with 0, got 2: "):
        commands.run_all(("fastast no-such-command",), tmp_path)
    with pytest.raises(ValueError, match="`command` must begin with one of fastast, accelerate, got rm --version"):
        commands.run_all(("rm --version",), tmp_path)


@requires_shared
def test_what_the_commands_name_is_there(tmp_path):
    start = SHARED / "models" / "deit_tiny_patch16_224"
    commands.lay_out(tmp_path, data=ESC10.parent, start=start, model=ROOT / "model_cards" / "fastast-tiny-esc10")
    assert (tmp_path / "my-fastast" / "model.safetensors").is_file()
    assert (tmp_path / "deit_tiny_patch16_224" / "model.safetensors").is_file()
    assert all((tmp_path / clip).is_file() for clip in commands.CLIPS.split())
    assert len(list((tmp_path / "unheard").iterdir())) == 80
    assert 59 < soundfile.info(tmp_path / "minute.flac").duration <= 60
