"""What the tests of the commands share: a way to run `fastast` in this process, and a Hub."""

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fastast_hf.cli.app import app
from tests.hub.conftest import hub, no_waiting

__all__ = ["fastast", "hub", "no_waiting"]


@pytest.fixture
def fastast() -> Callable[..., Result]:
    """Run `fastast` with arguments of any type."""

    def run(*arguments: Any) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="fastast")

    return run
