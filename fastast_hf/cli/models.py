"""What a person sees while a command waits for a model: nothing for two seconds, and nothing where nobody looks on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from huggingface_hub.utils import logging
from rich.console import Console

from fastast_hf.cli.console import printable, working
from fastast_hf.hub.checkpoints import checkpoint_config, has_weights_here
from fastast_hf.model import FastASTFeatureExtractor, FastASTForAudioClassification


def open_classifier(
    name: str, description: str = "Loading the model", **options: Any
) -> tuple[FastASTForAudioClassification, FastASTFeatureExtractor]:
    """Load a classifier, and show meanwhile what goes on.

    Args:
        name: See `load_classifier`.
        description: What goes on once the Hub has answered.
        **options: See there.

    Returns:
        What it gives.
    """
    from fastast_hf.classification.loading import load_classifier

    with waiting_for(name, description):
        return load_classifier(name, **options)


@contextmanager
def waiting_for(
    name: str, description: str, *, revision: str = "main", console: Console | None = None
) -> Iterator[None]:
    """Show that a block works on a checkpoint, and before it that the Hub is asked, if the checkpoint is there.

    Where its weights have yet to come from the Hub, the block shows nothing: a download has a bar of its own.

    Args:
        name: Folder, or name on the Hub.
        description: What the block does.
        revision: Branch, tag or commit on the Hub.
        console: Where; stderr if not given.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        with without_retries_in_the_log():
            yield
        return
    with _asking_the_hub(name, console):
        checkpoint_config(name, revision=revision)  # of a folder it takes no time
    if not has_weights_here(name, revision=revision):
        yield
        return
    with working(description, console=console):
        yield


def check_classifier(name: str) -> None:
    """Refuse what is no FastAST or AST, before it is opened, or another one.

    Args:
        name: See `load_classifier`.

    Raises:
        OSError: If there is no such checkpoint, or it cannot be read or reached.
        ValueError: If it is another model.
    """
    from fastast_hf.classification.loading import classifier_config

    with _asking_the_hub(name, Console(stderr=True)):
        classifier_config(name)


@contextmanager
def naming_option(option: str) -> Iterator[None]:
    """Let an error of a block about its `model` name the option that the model was given to.

    Args:
        option: Such as "against".

    Raises:
        OSError: The block's own, which begins with the option's name.
        ValueError: So, too.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        error.args = tuple(
            re.sub("^`model` ", f"`{option}` ", part) if isinstance(part, str) else part for part in error.args
        )
        raise


@contextmanager
def _asking_the_hub(name: str, console: Console) -> Iterator[None]:
    """Show that a block waits for the Hub's answer about a checkpoint."""
    with working(f"Asking the Hub for {printable(name)}", console=console), without_retries_in_the_log():
        yield


@contextmanager
def without_retries_in_the_log() -> Iterator[None]:
    """Keep back that the client of the Hub tries again, which would mix with a bar; if nothing helps, the error tells."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
