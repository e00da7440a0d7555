"""What a person sees while a command waits for a model."""

import io
import logging

import pytest
from rich.console import Console
from transformers.utils.logging import is_progress_bar_enabled

from fastast_hf.cli import console as consoles
from fastast_hf.cli.models import check_classifier, naming_option, open_classifier, waiting_for
from fastast_hf.hub.checkpoints import checkpoint_config


@pytest.fixture
def screen(monkeypatch):
    """A terminal on which everything shows itself at once."""
    monkeypatch.setattr(consoles, "SECONDS_WITHOUT_BAR", 0)
    return io.StringIO()


@pytest.fixture
def hub_log(caplog):
    """Catch what huggingface_hub logs, whose logger does not propagate."""
    logger = logging.getLogger("huggingface_hub")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def wait(name, screen, *, terminal=True):
    """Wait for a checkpoint; tell whether bars of others may show themselves meanwhile, and what was shown."""
    with waiting_for(str(name), "Loading", console=Console(file=screen, force_terminal=terminal, width=80)):
        others = is_progress_bar_enabled()
    return others, screen.getvalue()


def test_a_folder_is_loaded_and_the_hub_not_asked(fastast_folder, screen, hub):
    others, shown = wait(fastast_folder, screen)
    assert "Loading" in shown
    assert not others
    assert not hub.requests


def test_of_the_hub_it_is_asked_and_the_bar_of_the_download_is_its_own(screen, hub, tmp_path):
    (tmp_path / "fast").mkdir()
    (tmp_path / "fast" / "config.json").write_text("{}")
    hub.publish(tmp_path / "fast", "you/fast")
    others, shown = wait("you/fast", screen)
    assert "Asking the Hub for you/fast" in shown
    assert "Loading" not in shown
    assert others


def test_a_pipe_is_shown_nothing_and_the_hub_is_asked_once(screen, hub):
    assert wait("you/fast", screen, terminal=False) == (True, "")
    assert not hub.requests


def test_a_name_that_the_hub_does_not_know_is_told(screen, hub):
    with pytest.raises(OSError, match="`model` must be a folder or a name on the Hub, got you/gone"):
        wait("you/gone", screen)


@pytest.mark.parametrize("terminal", [True, False])
def test_what_the_client_tries_again_is_no_line_beside_the_error(screen, hub, hub_log, terminal):
    hub.fail("HEAD", "config.json", status=503, times=99)
    with pytest.raises(OSError, match="you/fast"):
        checkpoint_config("you/fast")
    assert "Retrying" in hub_log.text
    hub_log.clear()
    console = Console(file=screen, force_terminal=terminal, width=80)
    with pytest.raises(OSError, match="you/fast"), waiting_for("you/fast", "Loading", console=console):
        checkpoint_config("you/fast")
    assert ("Asking the Hub for you/fast" in screen.getvalue()) == terminal
    assert hub_log.text == ""


def test_a_classifier_is_known_by_its_config_alone(fastast_folder, ast_folder, tmp_path, hub):
    check_classifier(str(fastast_folder))
    check_classifier(str(ast_folder))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match=r"`model` must be an AST or a FastAST, got .*, whose .* names the type bert"):
        check_classifier(str(tmp_path))
    with pytest.raises(OSError, match="`model` must be a folder or a name on the Hub, got you/gone"):
        check_classifier("you/gone")


@pytest.mark.parametrize("kind", [OSError, ValueError])
def test_an_error_names_the_option_that_a_model_was_given_to(kind):
    with pytest.raises(kind, match=r"^`against` must be a `model`, got none\.$"), naming_option("against"):
        raise kind("`model` must be a `model`, got none.")
    with pytest.raises(kind, match=r"^`device` must be"), naming_option("against"):
        raise kind("`device` must be another `model`'s")


def test_an_error_of_the_system_stays_as_it_is():
    with pytest.raises(FileNotFoundError) as raised, naming_option("against"):
        raise FileNotFoundError(2, "No such file or directory", "a.json")
    assert str(raised.value) == "[Errno 2] No such file or directory: 'a.json'"


def test_a_classifier_is_loaded_with_its_options(fastast_folder):
    model, _ = open_classifier(str(fastast_folder), merge_ratio=0.1)
    assert model.config.merge_ratio == 0.1
