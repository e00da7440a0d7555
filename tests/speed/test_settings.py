"""What is measured if nothing is said, what rows that makes, and what is refused."""

from types import SimpleNamespace

import pytest
import torch

from fastast_hf.speed import settings as module
from fastast_hf.speed.settings import Variant, list_variants, schedule_name, speed_settings
from tests.conftest import tiny_config, tiny_model


def on_device(device, **fields):
    """What the settings ask a model."""
    return SimpleNamespace(config=tiny_config(**fields), device=torch.device(device))


def test_on_a_cpu_rows_are_eager_and_in_float32():
    settings = speed_settings(tiny_model())
    assert settings.schedules == [{"merge_ratio": 0.25}]
    assert (settings.batch_sizes, settings.dtypes, settings.runtimes) == ((1, 8), (torch.float32,), ("eager",))
    assert (settings.num_frames, settings.repeats) == ((96,), 20)


def test_on_cuda_there_are_compiled_rows_and_bfloat16_too():
    settings = speed_settings(on_device("cuda"))
    assert settings.dtypes == (torch.float32, torch.bfloat16)
    assert settings.runtimes == ("eager", "compiled")


@pytest.mark.parametrize(
    ("own", "schedule"),
    [
        ({"merge_ratio": 0.15}, {"merge_ratio": 0.15}),
        ({"merge_ratio": [0.0, 0.1, 0.2]}, {"merge_ratio": [0.0, 0.1, 0.2]}),
        ({"tokens_merged_per_layer": 4}, {"tokens_merged_per_layer": 4}),
        ({"tokens_merged_per_layer": 0}, {"merge_ratio": 0.25}),
    ],
)
def test_the_model_s_own_schedule_comes_first(own, schedule):
    assert speed_settings(on_device("cpu", **own)).schedules == [schedule]


def test_what_is_given_replaces_what_suits():
    given = {"batch_sizes": [16], "dtypes": [torch.bfloat16], "runtimes": ["compiled"], "num_frames": [40]}
    settings = speed_settings(
        tiny_model(merge_ratio=0.1), merge_ratios=[0.2], tokens_merged_per_layer=[5], repeats=3, **given
    )
    assert settings.schedules == [{"tokens_merged_per_layer": 5}, {"merge_ratio": 0.2}]
    assert {name: getattr(settings, name) for name in given} == given
    assert settings.repeats == 3


def test_each_schedule_and_none_is_a_row_in_each_form():
    model = tiny_model()
    settings = speed_settings(
        model,
        merge_ratios=[0.25, 0.0, 0.25],
        tokens_merged_per_layer=[5],
        dtypes=[torch.float32, torch.bfloat16],
        runtimes=["eager", "onnxruntime"],
        num_frames=[96, 40],
    )
    variants = list_variants(settings, model.config)
    schedules = ("unmerged", "r 5", "ratio 0.25")
    forms = ("", ", onnxruntime", ", bfloat16", ", 40 frames", ", bfloat16, 40 frames")
    assert list(variants) == [schedule + form for form in forms for schedule in schedules]
    assert variants["r 5, bfloat16, 40 frames"] == Variant({"tokens_merged_per_layer": 5}, torch.bfloat16, "eager", 40)


@pytest.mark.parametrize(
    ("merging", "name"),
    [
        ({}, "unmerged"),
        ({"merge_ratio": 0.0}, "unmerged"),
        ({"tokens_merged_per_layer": 0}, "unmerged"),
        ({"merge_ratio": 0.125}, "ratio 0.125"),
        ({"tokens_merged_per_layer": 40}, "r 40"),
        ({"merge_ratio": [0.1, 0.2]}, "own schedule"),
        ({"tokens_merged_per_layer": [1, 2]}, "own schedule"),
    ],
)
def test_a_schedule_has_a_short_name(merging, name):
    assert schedule_name(merging) == name


@pytest.mark.parametrize(
    ("device", "given", "message"),
    [
        ("cpu", {"batch_sizes": [0]}, r"`batch_size` must be at least 1, got 0\."),
        ("cpu", {"num_frames": [15]}, r"`num_frames` must be from 16, one patch, to .* = 96, got 15\."),
        ("cpu", {"num_frames": [97]}, r"`num_frames` must be from 16, one patch, to .* = 96, got 97\."),
        ("cuda", {"runtimes": ["onnxruntime"]}, r"`runtime` must be eager or compiled on cuda, got onnxruntime"),
        (
            "cpu",
            {"runtimes": ["onnxruntime"], "dtypes": [torch.bfloat16]},
            r"`runtime` onnxruntime must come with float32 and .* = 96, got dtypes bfloat16 and num_frames 96\. Add",
        ),
        (
            "cpu",
            {"runtimes": ["onnxruntime"], "num_frames": [40, 50]},
            r"`runtime` onnxruntime must come with .* got dtypes float32 and num_frames 40, 50\. Add them",
        ),
    ],
)
def test_what_makes_no_row_is_refused(device, given, message):
    with pytest.raises(ValueError, match=message):
        speed_settings(on_device(device), **given)


def test_a_compiler_is_looked_for_where_it_is_needed(monkeypatch):
    asked = []
    monkeypatch.setattr(module, "check_compiler", asked.append)
    speed_settings(tiny_model(), runtimes=["eager"])
    assert asked == []
    speed_settings(tiny_model(), runtimes=["eager", "compiled"])
    assert asked == [torch.device("cpu")]


def test_onnx_runtime_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"`runtime` onnxruntime needs onnxruntime, .* `pip install 'fastast_hf\[on"):
        speed_settings(tiny_model(), runtimes=["onnxruntime"])
