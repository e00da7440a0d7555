"""Small files of a run, written so that nobody ever reads half of one."""

import json
import os
from pathlib import Path
from typing import Any


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file aside and rename it into its place.

    Args:
        path: the file; its folder is made if it is not there.
        content: what goes into it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"_{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    aside.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file.

    Args:
        path: the file.

    Returns:
        Its content.
    """
    return json.loads(path.read_text(encoding="utf-8"))


def claim_folder(folder: Path, settings: dict[str, Any]) -> None:
    """Make a folder the place of one run, or find that it is the place of this very run already.

    Args:
        folder: the run's folder.
        settings: everything that decides the outcome of the run.

    Raises:
        ValueError: if the folder belongs to a run with other settings.
    """
    file = folder / "_settings.json"
    if not file.exists():
        write_json(file, settings)
        return
    before = read_json(file)
    differing = sorted(name for name in before | settings if before.get(name) != settings.get(name))
    if differing:
        name = differing[0]
        raise ValueError(
            f"`output_dir` must be new or hold the same run, got {folder}, whose run differs in {', '.join(differing)} "
            f"({name}: {before.get(name)!r} there, {settings.get(name)!r} now). Choose another folder, or remove this one."
        )
