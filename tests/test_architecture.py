"""The arrows of the house, read from the imports."""

import ast
import sys
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path

import pytest

PACKAGE = "fastast_hf"
ROOT = Path(__file__).resolve().parents[1]

ROOMS = ("distillation", "evaluation", "hub", "classification", "visualization")
# Highest floor first. The package's own __init__ names what is public and stands outside.
FLOORS = [("__main__", "cli", "examples"), ("experiment", "speed"), ROOMS, ("model", "data", "progress", "writing")]
FLOOR_OF = {place: floor for floor, places in enumerate(FLOORS) for place in places}

MODEL_MAY_IMPORT = {"torch", "numpy", "transformers", *sys.stdlib_module_names}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in chain((ROOT / PACKAGE).rglob("*.py"), (ROOT / "examples").rglob("*.py"))}
PACKAGE_MODULES = sorted(name for name in FILES if name.split(".")[0] == PACKAGE)
MODEL_MODULES = [name for name in PACKAGE_MODULES if name.startswith(f"{PACKAGE}.model.")]


def run_nodes(tree):
    """Walk a file's syntax, apart from what stands under `if TYPE_CHECKING` and never runs."""
    yield tree
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from run_nodes(node)


def imports_of(name):
    """All modules that a file names, at its top or inside a function, spelt in full."""
    package = name if FILES[name].name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in run_nodes(ast.parse(FILES[name].read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            # `from package import module` names the module, `from module import name` the module before it
            found.update(full if (full := f"{base}.{alias.name}") in FILES else base for alias in node.names)
    return found


def place_of(module):
    """The room, or the module on the ground floor of the package, that a module belongs to."""
    parts = module.split(".")
    if parts[0] == PACKAGE:
        return parts[1] if len(parts) > 1 else None
    return parts[0] if parts[0] == "examples" else None


def arrows():
    """Every arrow from a place to another one, with the file and the module that draw it."""
    return {
        (place_of(name), place_of(imported), name, imported)
        for name in FILES
        for imported in imports_of(name)
        if place_of(imported) not in (None, place_of(name)) and place_of(name) is not None
    }


def test_every_place_is_on_a_floor():
    places = {place_of(name) for name in FILES} - {None}
    assert places <= FLOOR_OF.keys()


@pytest.mark.parametrize("name", MODEL_MODULES)
def test_the_hub_room_imports_what_a_machine_without_the_package_has(name):
    own = {module.rpartition(".")[2] for module in MODEL_MODULES}
    for node in ast.walk(ast.parse(FILES[name].read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= MODEL_MAY_IMPORT
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module.split(".")[0] in MODEL_MAY_IMPORT
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1
            assert node.module in own


def test_the_hub_room_is_flat():
    assert [
        path for path in (ROOT / PACKAGE / "model").iterdir() if path.is_dir() and path.name != "__pycache__"
    ] == []


@pytest.mark.parametrize(
    "name", [name for name in PACKAGE_MODULES if place_of(name) in ("distillation", "evaluation")]
)
def test_training_and_measuring_know_neither_each_other_nor_the_model(name):
    others = {"distillation", "evaluation", "model"} - {place_of(name)}
    models = imports_of(name) - {f"{PACKAGE}.model.version"}  # a number
    assert {module for module in models if place_of(module) in others} == set()


def test_no_arrow_runs_up():
    assert {arrow for arrow in arrows() if FLOOR_OF[arrow[1]] < FLOOR_OF[arrow[0]]} == set()


def test_nothing_imports_a_door():
    doors = FLOORS[0]
    inside = {module for name in PACKAGE_MODULES if place_of(name) not in doors for module in imports_of(name)}
    assert {module for module in inside if place_of(module) in doors} == set()


def test_no_circle_of_rooms():
    graph = {}
    for source, target, _, _ in arrows():
        graph.setdefault(source, set()).add(target)
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_no_circle_of_modules():
    # The package's __init__ is public names only; a room that reads it would close a circle.
    graph = {name: {module for module in imports_of(name) if module in FILES and module != name} for name in FILES}
    TopologicalSorter(graph).prepare()


def test_the_reader_of_imports_sees_what_it_must():
    assert f"{PACKAGE}.model.configuration_fastast" in imports_of(f"{PACKAGE}.model.modeling_fastast")
    assert f"{PACKAGE}.model" in imports_of(PACKAGE)
    assert f"{PACKAGE}.model.version" in imports_of(PACKAGE)
    assert "torch" in imports_of(f"{PACKAGE}.model.token_merging")


@pytest.mark.parametrize("name", PACKAGE_MODULES)
def test_nothing_inside_goes_through_the_front_door(name):
    assert PACKAGE not in imports_of(name)
