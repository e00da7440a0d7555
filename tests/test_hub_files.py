"""What the files that travel with the weights touch: read from their syntax, and watched while they run."""

import ast
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from fastast_hf import FastASTFeatureExtractor
from tests.conftest import SIZES, tiny_model
from tests.reading_code import FILES, full_name, modules_in, origins_in, tree_of

HUB_FILES = [name for name in FILES if name.startswith("fastast_hf/model/")]


# All that the Hub files import of the standard library: arithmetic, types, patterns and words. What reaches a file or the
# network (os, pathlib, io, socket, urllib, ...) is not among it, and has to be argued for here.
HUB_STANDARD_LIBRARY = {
    *("collections.abc", "dataclasses", "functools", "math", "numbers", "re", "typing"),
    "warnings",  # log_mel.py keeps back one of transformers' own
}


TRANSFORMERS_TOUCHES_FILES = {"transformers.utils.hub", "transformers.integrations.peft"}


# Of transformers they import classes to build on and functions on tensors; beside these, what is next to its files.
HUB_TRANSFORMERS_HUB = {
    "modeling_fastast.py": {"ModelCard"},
    "safe_weights.py": {"cached_file", "get_checkpoint_shard_files", "maybe_load_adapters"},
}


# The places that touch a file: `push_to_hub` has been called, transformers has made a folder of its own for what it is
# about to send, and the card that it drafted there gets its task.
# And: whoever opens a checkpoint has transformers read the index of its weights, which is looked at before any of them.
HUB_TOUCHES_FILES = {("modeling_fastast.py", "_upload_modified_files"), ("safe_weights.py", "check_shards")}


TOUCHES_FILES = {
    *(
        "open",
        "read",
        "write",
        "load",
        "save",
        "read_text",
        "write_text",
        "read_bytes",
        "write_bytes",
        "tofile",
        "fromfile",
    ),
    *("memmap", "unlink", "mkdir", "rename", "glob", "exists", "is_file", "is_dir", "request", "urlopen", "connect"),
    *("cached_file", "get_checkpoint_shard_files", "maybe_load_adapters", "hf_hub_download", "snapshot_download"),
    *(
        "savetxt",
        "loadtxt",
        "genfromtxt",
        "savez",
        "savez_compressed",
        "save_file",
        "load_file",
        "load_state_dict_from_url",
        "from_file",
        "fromregex",
        "open_memmap",
        "load_library",
    ),
}


@pytest.mark.parametrize("name", [name for name in HUB_FILES if not name.endswith("__init__.py")])
def test_a_hub_file_imports_nothing_that_reaches_files_or_the_network(name):
    imported = set(modules_in(tree_of(name)))
    assert {module for module in imported if module.split(".")[0] in sys.stdlib_module_names} <= HUB_STANDARD_LIBRARY
    assert {module.split(".")[0] for module in imported} - sys.stdlib_module_names <= {
        "torch",
        "numpy",
        "transformers",
    }
    of_the_hub = {
        alias.name
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.ImportFrom) and node.module in TRANSFORMERS_TOUCHES_FILES
        for alias in node.names
    }
    assert of_the_hub == HUB_TRANSFORMERS_HUB.get(Path(name).name, set())


def places_that_touch_files(tree):
    """Name the functions that touch a file or the network, or hold what of torch and numpy does; else it is the module."""
    inside = {}
    for function in ast.walk(tree):  # the innermost comes last
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            inside |= dict.fromkeys(ast.walk(function), function.name)
    origins = origins_in(tree)
    for node in ast.walk(tree):
        called = isinstance(node, ast.Call)
        if not called and not isinstance(node, ast.Attribute | ast.Name):
            continue
        package, *parts = full_name(node.func if called else node, origins).split(".")
        touches = (
            TOUCHES_FILES & {package, *parts} if called else package in ("torch", "numpy") and TOUCHES_FILES & {*parts}
        )
        if called and package == "getattr" and full_name(node.args[0], origins) in ("torch", "numpy"):
            touches = True  # of a name that nobody can read here
        if touches:
            yield inside.get(node, "<module>")


def unknown_modules_in(tree):
    """Name what a Hub file uses of torch and numpy that is not among the parts which compute."""
    origins = origins_in(tree)
    used = {full_name(node, origins) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used |= {*modules_in(tree), *origins.values()}
    for name in sorted(used):
        package, *parts = name.split(".")
        if package in ("torch", "numpy") and parts and ".".join(parts) not in HUB_COMPUTES[package]:
            yield from (name for part in parts[:1] if part in MODULES_OF[package] - {*HUB_COMPUTES[package]})


MODULES_OF = {
    package.__name__: {name for name in dir(package) if isinstance(getattr(package, name), ModuleType)}
    for package in (torch, np)
}


HUB_COMPUTES = {"torch": {"nn", "fft", "compiler", "finfo"}, "numpy": {"random"}}
"""Parts of torch and numpy that reach neither files nor the network."""


def test_hub_files_call_nothing_that_touches_files_but_to_push_and_to_open():
    found = {(Path(name).name, function) for name in HUB_FILES for function in places_that_touch_files(tree_of(name))}
    assert found == HUB_TOUCHES_FILES


@pytest.mark.parametrize("name", HUB_FILES)
def test_hub_files_take_of_torch_and_numpy_what_computes(name):
    assert list(unknown_modules_in(tree_of(name))) == []


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("X = torch.load(path, weights_only=True)", "<module>"),
        ("class A:\n    x = open(path)", "<module>"),
        ("async def f():\n    open(path)", "f"),
        ("def f():\n    np.savetxt(path, np.loadtxt(path))", "f"),
        ("from torch import load as read\ndef f():\n    read(path)", "f"),
        ("def f():\n    def g():\n        open(path)", "g"),
        ("read = torch.load", "<module>"),
        ("def f():\n    return map(np.fromfile, paths)", "f"),
        ("def f(name):\n    getattr(torch, name)(path)", "f"),
        ("def f():\n    torch.from_file(path)", "f"),
    ],
)
def test_the_reader_of_touched_files_sees_what_it_must(code, place):
    assert set(places_that_touch_files(ast.parse(code))) == {place}


@pytest.mark.parametrize(
    "code", ["from torch.hub import load_state_dict_from_url", "torch.hub.list(name)", "import torch.distributed as d"]
)
def test_the_reader_of_modules_sees_what_it_must(code):
    assert list(unknown_modules_in(ast.parse(code))) != []


@contextmanager
def touching_nothing():
    """Fail where the interpreter opens a file or a connection, whoever asks for it."""
    touched = []
    _watched.append(touched)
    try:
        yield
    finally:
        _watched.remove(touched)
    assert touched == []


_watched: list[list] = []


def _tell(event, details):
    if _watched and (
        event == "open" or event.split(".")[0] in ("os", "socket", "subprocess", "shutil", "urllib", "http")
    ):
        _watched[-1].append((event, details))


def test_from_waveforms_to_logits_no_file_and_no_connection_is_opened():
    extractor, model = FastASTFeatureExtractor(**SIZES), tiny_model(merge_ratio=0.25)
    sounds = [np.random.default_rng(0).normal(size=samples).astype(np.float32) for samples in (8_000, 12_000)]

    def listen():
        with torch.no_grad():
            features = extractor(sounds, sampling_rate=16_000, return_tensors="pt", padding="longest")
            return model(**features, output_token_sources=True).logits

    listen()  # the first time, torch reads modules of its own
    sys.addaudithook(_tell)
    with touching_nothing():
        listen()
        model.set_merge_ratio(0.4)
        listen()
    with pytest.raises(AssertionError, match="open"), touching_nothing():
        Path(__file__).open().close()
