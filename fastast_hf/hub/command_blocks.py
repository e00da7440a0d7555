"""Commands with what they printed, as a page shows a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastast_hf.hub.fields import check_field
from fastast_hf.hub.markdown import code_block


def command_blocks(results: Mapping[str, Any]) -> str:
    """Write one block of a terminal a command.

    Args:
        results: Checked results of commands.

    Returns:
        Markdown paragraphs.
    """
    return "\n\n".join(code_block(f"$ {run['command']}\n{run['output']}", "console") for run in results["commands"])


def check_commands(commands: Sequence[Any]) -> None:
    """Check that commands hold what their blocks are rendered from.

    Args:
        commands: The part of the results.

    Raises:
        ValueError: Naming the first field that is missing or does not fit.
    """
    for number, run in enumerate(commands):
        for name in ("command", "output"):
            check_field(run, name, str, path=f"commands[{number}].{name}")
