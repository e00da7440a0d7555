"""Commands with what they printed: what is written, and what a file must hold."""

import pytest

from fastast_hf.hub.results import check_results
from fastast_hf.hub.tables import results_block
from tests.hub.results_example import EXAMPLE


def results_of(*commands):
    told = {name: EXAMPLE[name] for name in ("schema", "date", "environment")}
    return {**told, "kind": "commands", "command": "python -m model_cards.commands", "commands": list(commands)}


def test_each_command_is_a_block_of_a_terminal():
    results = results_of(
        {"command": "fastast classify a.wav", "output": " File   Label\n a.wav  ```dog"},
        {"command": "fastast --version", "output": "fastast_hf 0.1.0"},
    )
    check_results(results)
    block = results_block(results)
    assert block.startswith(
        "````console\n$ fastast classify a.wav\n File   Label\n a.wav  ```dog\n````\n\n```console\n"
    )
    assert block.endswith("```bash\npython -m model_cards.commands\n```")


@pytest.mark.parametrize(("command", "missing"), [({"command": "x"}, "output"), ({"output": "x"}, "command")])
def test_what_is_missing_is_named(command, missing):
    with pytest.raises(ValueError, match=rf"`commands\[0\]\.{missing}` must be given, got nothing"):
        check_results(results_of(command))
