"""What the files that travel with the weights touch: read from their syntax, and watched while they run."""

import ast
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from fastast_hf import FastASTFeatureExtractor
from tests.conftest import SIZES, tiny_model
from tests.reading_code import HUB_FILES, full_name, origins_in, tree_of

# The places that touch a file: `push_to_hub` has been called, transformers has made a folder of its own for what it is
# about to send, and the card that it drafted there gets its task.
# And: whoever opens a checkpoint has transformers read the index of its weights and the configuration of an adapter, which are
# looked at before any of them. The others hand on to the method of transformers that they are named after.
HUB_TOUCHES_FILES = {
    ("modeling_fastast.py", "_upload_modified_files"),
    *(("safe_weights.py", "check_shards"), ("adapters.py", "adapter_fields"), ("adapters.py", "path_of_base")),
    ("adapters.py", "_read_json"),
    *(("safe_weights.py", name) for name in ("from_pretrained", "load_adapter", "_load_pretrained_model")),
    *(("configuration_fastast.py", name) for name in ("get_config_dict", "save_pretrained")),
    ("feature_extraction_fastast.py", "get_feature_extractor_dict"),
}


# What every class of transformers inherits and what stands beside it: called or only named, it reaches files and the network.
TOUCHES_HUB = {
    *("from_pretrained", "save_pretrained", "push_to_hub", "save_and_push_to_hub", "_upload_modified_files"),
    *("cached_file", "cached_files", "get_checkpoint_shard_files", "hf_hub_download", "snapshot_download", "has_file"),
    *("maybe_load_adapters", "find_adapter_config_file", "load_adapter", "_load_pretrained_model"),
    *("get_config_dict", "_get_config_dict", "_dict_from_json_file", "get_feature_extractor_dict"),
    *("from_json_file", "to_json_file"),
}


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
    *TOUCHES_HUB,
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


def places_that_touch_files(tree):
    """Name the functions that touch a file or the network, or hold what of torch and numpy does; else it is the module."""
    inside = {}
    for function in ast.walk(tree):  # the innermost comes last
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            inside |= dict.fromkeys(ast.walk(function), function.name)
    origins = origins_in(tree)
    for node in ast.walk(tree):
        if touches(node, origins):
            yield inside.get(node, "<module>")


def touches(node, origins):
    """Tell whether a piece of syntax calls, names or looks up what reaches files or the network."""
    if isinstance(node, ast.Constant):
        return node.value in TOUCHES_HUB  # for `getattr` and its like
    if isinstance(node, ast.Call):
        package, *parts = full_name(node.func, origins).split(".")
        if package == "getattr" and not isinstance(node.args[1], ast.Constant):  # of a name that nobody can read here
            owner = full_name(node.args[0], origins).split(".")[0]
            return owner in ("torch", "numpy", "transformers", "super()", "cls")
        return bool(TOUCHES_FILES & {package, *parts})
    if isinstance(node, ast.Attribute | ast.Name):
        package, *parts = full_name(node, origins).split(".")
        return bool((TOUCHES_FILES if package in ("torch", "numpy") else TOUCHES_HUB) & {package, *parts})
    return False


def test_hub_files_call_nothing_that_touches_files_but_to_push_and_to_open():
    found = {(Path(name).name, function) for name in HUB_FILES for function in places_that_touch_files(tree_of(name))}
    assert found == HUB_TOUCHES_FILES


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
        ("def f():\n    from transformers import AutoModel\n    return AutoModel.from_pretrained(path)", "f"),
        ("class A:\n    def f(self):\n        return super().from_pretrained(path)", "f"),
        ("read = ASTModel.from_pretrained", "<module>"),
        ("def f():\n    return map(cached_file, paths)", "f"),
        ("from transformers.utils.hub import cached_file as found\ndef f():\n    found(path)", "f"),
        ("def f():\n    getattr(ASTModel, 'from_pretrained')(path)", "f"),
        ("def f():\n    methodcaller('from_pretrained', path)(ASTModel)", "f"),
        ("from transformers import ASTModel\ndef f(name):\n    getattr(ASTModel, name)(path)", "f"),
        ("def f():\n    model.push_to_hub(name)", "f"),
    ],
)
def test_the_reader_of_touched_files_sees_what_it_must(code, place):
    assert set(places_that_touch_files(ast.parse(code))) == {place}


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
