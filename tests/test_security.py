"""What no file of the project does, read from its syntax; and what the files that travel with the weights touch when they run."""

import ast
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from fastast_hf import FastASTFeatureExtractor
from tests.conftest import SIZES, tiny_model

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    str(path.relative_to(ROOT)): path
    for folder in ("fastast_hf", "examples", "model_cards")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
HUB_FILES = [name for name in FILES if name.startswith("fastast_hf/model/")]

PICKLING = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_CALLS = {
    "os.system",
    "os.popen",
    "yaml.load",
    "pandas.read_pickle",
    "pd.read_pickle",
    "importlib.import_module",
}

# All that the Hub files import of the standard library: arithmetic, types, patterns and words. What reaches a file or the
# network (os, pathlib, io, socket, urllib, ...) is not among it, and has to be argued for here.
HUB_STANDARD_LIBRARY = {
    *("collections.abc", "dataclasses", "functools", "math", "numbers", "re", "typing"),
    "warnings",  # log_mel.py keeps back one of transformers' own
}
# Of transformers they import classes to build on and functions on tensors; beside these, what is next to its files.
HUB_TRANSFORMERS_HUB = {"modeling_fastast.py": {"ModelCard"}}
# The one place that touches a file: `push_to_hub` has been called, transformers has made a folder of its own for what it is
# about to send, and the card that it drafted there gets its task.
HUB_TOUCHES_FILES = {("modeling_fastast.py", "_upload_modified_files")}
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
    *("cached_file", "hf_hub_download", "snapshot_download"),
}


def tree_of(name):
    return ast.parse(FILES[name].read_text())


def modules_in(tree):
    """Name every module that is imported, at the top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


def dangers_in(tree):
    """Say what in a file could run what a stranger wrote."""
    yield from (f"import {module}" for module in modules_in(tree) if module.split(".")[0] in PICKLING)
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if name in RUNS_TEXT | FORBIDDEN_CALLS:
            yield name
        if name == "torch.load" and "weights_only" not in keywords:
            yield "torch.load without weights_only"
        yield from (
            f"{name}({option}={keywords[option]})"
            for option, harmless in {
                "allow_pickle": "False",
                "shell": "False",
                "weights_only": "True",
                "use_safetensors": "True",
            }.items()
            if keywords.get(option, harmless) != harmless
        )


@pytest.mark.parametrize("name", FILES)
def test_nothing_runs_what_a_stranger_wrote(name):
    assert list(dangers_in(tree_of(name))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "def f():\n    from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=safe)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
        "exec(text)",
        "yaml.load(text)",
        "subprocess.run(line, shell=True)",
        "os.system(line)",
        "Model.from_pretrained(name, use_safetensors=None)",
        "Model.from_pretrained(name, weights_only=False)",
    ],
)
def test_the_reader_of_dangers_sees_what_it_must(code):
    assert len(list(dangers_in(ast.parse(code)))) == 1


def test_the_reader_of_dangers_lets_the_rest_pass():
    code = "model.eval()\nnp.load(path)\ntorch.load(path, weights_only=True)\nsubprocess.run([program, name])\nimport json"
    assert list(dangers_in(ast.parse(code))) == []


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
        if isinstance(node, ast.ImportFrom) and node.module == "transformers.utils.hub"
        for alias in node.names
    }
    assert of_the_hub == HUB_TRANSFORMERS_HUB.get(Path(name).name, set())


def functions_that_touch_files(tree):
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        called = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
        names = {func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", None) for func in called}
        if names & TOUCHES_FILES:
            yield function.name


def test_hub_files_call_nothing_that_touches_files_but_to_push():
    found = {
        (Path(name).name, function) for name in HUB_FILES for function in functions_that_touch_files(tree_of(name))
    }
    assert found == HUB_TOUCHES_FILES


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
