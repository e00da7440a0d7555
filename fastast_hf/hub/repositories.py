"""What a repository on the Hub is called, and what its card states."""

import re
from pathlib import Path
from typing import TypeGuard

from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils import httpx, validate_repo_id
from yaml import YAMLError

STAYS_HERE = ("_*", "checkpoint-*", "training_args.bin")
"""What a training leaves in a model's folder, as patterns of names: it is pushed nowhere."""

_TIMEOUT = 10.0  # seconds


def is_repo_id(name: object) -> TypeGuard[str]:
    """Tell whether a name could be one on the Hub, and not a folder of this machine.

    Args:
        name: Anything.

    Returns:
        Whether it is spelled `user/name` and is no path here.

    Example:
        >>> is_repo_id("MIT/ast-finetuned-audioset-10-10-0.4593"), is_repo_id("/srv/models/ast")
        (True, False)
    """
    if not isinstance(name, str) or name.count("/") != 1:
        return False
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return not Path(name).exists()


def is_license(name: object) -> TypeGuard[str]:
    """Tell whether a licence is spelled as on the Hub.

    Args:
        name: Anything.

    Returns:
        Whether it is; that it is on the Hub's list is not checked.

    Example:
        >>> is_license("apache-2.0"), is_license("Apache 2")
        (True, False)
    """
    return isinstance(name, str) and re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", name) is not None


def license_of(name: object, *, repo_type: str = "model", token: str | bool | None = None) -> str | None:
    """Ask the Hub for the licence that a repository's card states.

    Args:
        name: The repository, or anything else: a folder has no licence here.
        repo_type: "model" or "dataset".
        token: Token for a private repository.

    Returns:
        The licence as the Hub spells it. None if the card states none or several, or if the Hub does not answer.
    """
    if not is_repo_id(name):
        return None
    try:
        info = HfApi(token=token).repo_info(name, repo_type=repo_type, timeout=_TIMEOUT)
    except (httpx.HTTPError, OfflineModeIsEnabled, ValueError):  # ValueError: a page of some proxy, that is no JSON
        return None
    stated = (getattr(info, "card_data", None) or {}).get("license")
    return stated if is_license(stated) else None


def license_of_card(directory: Path | str) -> str | None:
    """Read the licence that the card in a folder states.

    Args:
        directory: The model's folder.

    Returns:
        The licence as the Hub spells it; None without a card, or where it states none.

    Raises:
        ValueError: If the card's metadata cannot be read.
    """
    path = Path(directory) / "README.md"
    try:
        stated = ModelCard.load(path).data.license if path.is_file() else None
    # TypeError: of a key that is no text, or an argument of the card's own; RecursionError: of what is nested deeply
    except (RecursionError, TypeError, ValueError, YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{path} must begin with metadata in YAML, got {reason}. Mend it, or move it away."
        ) from error
    return stated if is_license(stated) else None
