"""What every commit of a model has to be: whole."""

import json

from safetensors.torch import load

from tests.loopback_repository import Commit
from tests.without_package import MODEL_ROOM, code_behind


def assert_whole(commit: Commit) -> set[str]:
    """Hold every folder of a commit that has a config.json to weights that open and to all code that it names.

    Returns:
        Those folders, each with a slash at its end; the repository itself is "".
    """
    folders = {name.removesuffix("config.json") for name in commit.files if name.rpartition("/")[2] == "config.json"}
    for folder in folders:
        inside = {name.removeprefix(folder): file for name, file in commit.files.items() if name.startswith(folder)}
        entries = set(json.loads(inside["config.json"].content)["auto_map"].values())
        if "preprocessor_config.json" in inside:
            entries |= set(json.loads(inside["preprocessor_config.json"].content)["auto_map"].values())
        for name in code_behind(*(f"{entry.partition('.')[0]}.py" for entry in entries)):
            assert name in inside, (commit.title, folder, name)
            assert inside[name].content == (MODEL_ROOM / name).read_bytes(), (commit.title, folder, name)
        # It reads the header, and refuses a file that is shorter or longer than the header says.
        assert load(inside["model.safetensors"].content), (commit.title, folder)
    return folders
