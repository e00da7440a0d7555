"""What tests that speak to the loopback Hub share."""

import time

import pytest
from transformers.utils.hub import hf_api

from tests.loopback_hub import LoopbackHub
from tests.loopback_routes import TOKEN


@pytest.fixture
def no_waiting(monkeypatch):
    """Let the client wait for no time at all before it tries again."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.fixture
def hub(tmp_path, monkeypatch, no_waiting):
    """The Hub of this process, in place of the one that huggingface_hub found when it was imported."""
    with LoopbackHub() as hub:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(hf_api(), "endpoint", hub.url)
        for name, value in {
            "ENDPOINT": hub.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_OFFLINE": False,
        }.items():
            monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
        yield hub
    assert hub.not_spoken == []
