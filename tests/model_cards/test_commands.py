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


@pytest.mark.parametrize("command", ["fastast no-such-command", "rm --version"])
def test_a_command_that_fails_is_told(command, tmp_path):
    with pytest.raises(RuntimeError, match=f"`{command}` must be a `fastast` that ends with 0"):
        commands.run_all((command,), tmp_path)


@requires_shared
def test_what_the_commands_name_is_there(tmp_path):
    start = SHARED / "models" / "deit_tiny_patch16_224"
    commands.lay_out(tmp_path, data=ESC10.parent, start=start, model=ROOT / "model_cards" / "fastast-tiny-esc10")
    assert (tmp_path / "my-fastast" / "model.safetensors").is_file()
    assert (tmp_path / "deit_tiny_patch16_224" / "model.safetensors").is_file()
    assert all((tmp_path / clip).is_file() for clip in commands.CLIPS.split())
    assert len(list((tmp_path / "unheard").iterdir())) == 80
    assert 59 < soundfile.info(tmp_path / "minute.flac").duration <= 60
