"""Put a folder together that is a Space of the Hub as it stands.

    python examples/space/assemble.py my-space
    hf upload you/my-space my-space . --repo-type space

It has the page, the package beside it, and a model. A Space installs what
requirements.txt names before it has any other file, so what is on no package
index, such as this package, comes as source beside app.py.
"""

import argparse
import shutil
from pathlib import Path

from fastast_hf.hub.repositories import STAYS_HERE

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
PAGE = ("README.md", "app.py", "comparison.py", "page.py", "requirements.txt")
PACKAGE = "fastast_hf"
SMALL_MODEL = PROJECT / "model_cards" / "fastast-tiny-esc10"
MODEL = "model"
"""The folder beside app.py that it takes its model from."""


def main() -> None:
    """Put it together, and say what is next."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument(
        "--model",
        type=Path,
        default=SMALL_MODEL,
        help="folder of a FastAST or AST; default: the small model of a checkout",
    )
    arguments = parser.parse_args()
    try:
        assemble(arguments.folder, model=arguments.model)
    except OSError as error:
        parser.error(str(error))
    print(f"{arguments.folder}: a Space. Try it with `python {arguments.folder / 'app.py'}`, then push it with")
    print(f"hf upload you/{arguments.folder.name} {arguments.folder} . --repo-type space")


def assemble(folder: Path, *, model: Path) -> None:
    """Copy everything that a Space needs; of a model's folder not what its training left there.

    Args:
        folder: Where to; it must not be there yet.
        model: Folder of a FastAST or AST.

    Raises:
        FileExistsError: The folder is there.
        FileNotFoundError: The model is none.
    """
    if folder.exists():
        raise FileExistsError(f"`folder` must not be there yet, got {folder}. Name another one, or remove it.")
    if not (model / "config.json").is_file():
        raise FileNotFoundError(
            f"`model` must be the folder of a model, got {model}. A model on the Hub is named in the Space's settings instead."
        )
    shutil.copytree(PROJECT / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(model, folder / MODEL, ignore=shutil.ignore_patterns(*STAYS_HERE, "runs"))
    for path in (*(HERE / name for name in PAGE), PROJECT / "LICENSE", PROJECT / "NOTICE"):
        shutil.copy(path, folder)


if __name__ == "__main__":
    main()
