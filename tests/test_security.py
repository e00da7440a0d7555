"""What no file of the project does, read from its syntax: run what a stranger wrote."""

import ast

import pytest

from tests.reading_code import FILES, full_name, modules_in, options_of, origins_in, tree_of

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

# Where a user asks for code by name: a teacher of any kind, by --trust_remote_code; and the example of how a model of the Hub is
# used without this package, which demands --revision.
ASKED_FOR = {
    "fastast_hf/experiment/start.py": [
        "transformers.AutoModelForAudioClassification.from_pretrained(trust_remote_code=arguments.trust_remote_code)"
    ],
    "examples/load_saved_model.py": ["transformers.pipeline(trust_remote_code=True)"],
}


def dangers_in(tree):
    """Say what in a file could run what a stranger wrote."""
    origins = origins_in(tree)
    yield from (f"import {module}" for module in modules_in(tree) if module.split(".")[0] in PICKLING)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        name, options = full_name(call.func, origins), options_of(call)
        if name in RUNS_TEXT | FORBIDDEN_CALLS:
            yield name
        if name == "torch.load":
            if options.get("weights_only") != "True" or any(keyword.arg is None for keyword in call.keywords):
                yield "torch.load without weights_only=True"
        elif name.endswith("load_state_dict_from_url"):
            yield name
        yield from (
            f"{name}({option}={options[option]})"
            for option, harmless in {
                "allow_pickle": "False",
                "shell": "False",
                "trust_remote_code": "False",
                "use_safetensors": "True",
                **({} if name == "torch.load" else {"weights_only": "True"}),
            }.items()
            if options.get(option, harmless) != harmless
        )
    called = {call.func for call in calls}
    for node in ast.walk(tree):
        named = isinstance(node, ast.Attribute | ast.Name) and node not in called
        if named and (name := full_name(node, origins)) in {"torch.load"} | FORBIDDEN_CALLS:
            yield f"{name} under another name"


@pytest.mark.parametrize("name", FILES)
def test_nothing_runs_what_a_stranger_wrote(name):
    assert list(dangers_in(tree_of(name))) == ASKED_FOR.get(name, [])


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
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "from torch import load as read\nread(path, **{'weights_only': False})",
        "import torch as t\nt.load(path)",
        "torch.load(path, **{'weights_only': True})",
        "torch.load(path, weights_only=True, **more)",
        "read = torch.load",
        "from torch import load\nlist(map(load, paths))",
        "Model.from_pretrained(name, **{'trust_remote_code': True})",
        "from torch.hub import load_state_dict_from_url\nload_state_dict_from_url(address)",
    ],
)
def test_the_reader_of_dangers_sees_what_it_must(code):
    assert len(list(dangers_in(ast.parse(code)))) == 1


def test_the_reader_of_dangers_lets_the_rest_pass():
    code = "model.eval()\nnp.load(path)\ntorch.load(path, weights_only=True)\nsubprocess.run([program, name])\nimport json"
    assert list(dangers_in(ast.parse(code))) == []
