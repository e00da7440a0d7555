"""What tests that speak to the loopback Hub share."""

import time

import pytest


@pytest.fixture
def no_waiting(monkeypatch):
    """Let the client wait for no time at all before it tries again."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
