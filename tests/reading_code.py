"""The code of the project as syntax: its files, what they import, and what a call stands for in full."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


FILES = {
    str(path.relative_to(ROOT)): path
    for folder in ("fastast_hf", "examples", "model_cards")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


HUB_FILES = [name for name in FILES if name.startswith("fastast_hf/model/")]


def tree_of(name):
    return ast.parse(FILES[name].read_text())


def modules_in(tree):
    """Name every module that is imported, at the top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


def names_imported_in(tree):
    """Name in full all that is imported, at the top or inside a function: `torch.load` for `from torch import load as read`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def origins_in(tree):
    """Give for each name that an import makes what it stands for, in full: `read` for `from torch import load as read`."""
    origins = {"np": "numpy"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            origins |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            origins |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return origins


def full_name(func, origins):
    """Spell out what is called: `torch.load` for `read`."""
    first, dot, rest = ast.unparse(func).partition(".")
    return origins.get(first, first) + dot + rest


def options_of(call):
    """Give the keywords of a call, those of a dictionary written out behind `**` among them; another `**` is under None."""
    options = {}
    for keyword in call.keywords:
        if keyword.arg is None and isinstance(keyword.value, ast.Dict):
            pairs = zip(keyword.value.keys, keyword.value.values, strict=True)
            options |= {getattr(key, "value", None): ast.unparse(value) for key, value in pairs}
        else:
            options[keyword.arg] = ast.unparse(keyword.value)
    return options
