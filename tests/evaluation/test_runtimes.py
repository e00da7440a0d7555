from types import SimpleNamespace

import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch._inductor.exc import InvalidCxxCompiler

from fastast_hf.evaluation.runtimes import check_compiler, compiled_forward, eager_forward, onnxruntime_forward
from tests.evaluation.test_macs import tiny_ast


@pytest.fixture
def double_file(tmp_path):
    """A file that adds its input to itself, written by hand."""
    node = helper.make_node("Add", ["input_values", "input_values"], ["logits"])
    taken, given = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in ("input_values", "logits")
    )
    graph = helper.make_graph([node], "double", [taken], [given])
    path = tmp_path / "double.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def test_an_eager_model_gives_its_logits():
    model = tiny_ast().eval()
    input_values = torch.randn(2, 64, 32)
    with torch.inference_mode():
        assert torch.equal(eager_forward(model)(input_values), model(input_values).logits)


def test_a_model_is_compiled_as_one_graph_for_each_shape(monkeypatch):
    told = {}

    def compile(model, **settings):
        told.update(settings)
        return model

    monkeypatch.setattr(torch, "compile", compile)
    model = tiny_ast().eval()
    input_values = torch.randn(2, 64, 32)
    assert torch.equal(compiled_forward(model)(input_values), model(input_values).logits)
    assert told == {"fullgraph": True, "dynamic": False, "options": {"cpp_wrapper": True}}


def test_on_cuda_the_kernels_become_graphs(monkeypatch):
    told = {}
    monkeypatch.setattr(torch, "compile", lambda model, **settings: told.update(settings))
    compiled_forward(SimpleNamespace(parameters=lambda: iter([SimpleNamespace(is_cuda=True)])))
    assert told["mode"] == "reduce-overhead"


def test_many_models_of_one_class_can_be_compiled(monkeypatch):
    with torch._dynamo.config.patch(recompile_limit=8):
        compiled = [compiled_forward(tiny_ast().eval()) for _ in range(2)]
        assert torch._dynamo.config.recompile_limit == 256
    assert len(compiled) == 2


def test_a_missing_compiler_is_told_in_words_on_the_cpu(monkeypatch):
    def find():
        raise InvalidCxxCompiler

    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", find)
    with pytest.raises(
        ImportError, match=r"`runtime` compiled needs a C\+\+ compiler on the CPU, got none\. Install one"
    ):
        check_compiler(torch.device("cpu"))
    check_compiler(torch.device("cuda"))
    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", lambda: "g++")
    check_compiler(torch.device("cpu"))


def test_onnx_runtime_takes_tensors_and_as_many_threads_as_torch(double_file, monkeypatch):
    real, told = onnxruntime.InferenceSession, []

    def open_session(path, options, **settings):
        told.append(options)
        return real(path, options, **settings)

    monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)
    input_values = torch.randn(2, 3)
    assert torch.equal(onnxruntime_forward(double_file)(input_values), 2 * input_values)
    (options,) = told
    assert options.intra_op_num_threads == torch.get_num_threads()
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"
