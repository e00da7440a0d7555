import math

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import ASTConfig, ASTForAudioClassification

from fastast_hf.evaluation.macs import count_macs, count_schedule_macs
from fastast_hf.model import FastASTConfig, FastASTForAudioClassification


def tiny_ast(**fields):
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "max_length": 64,
        "num_mel_bins": 32,
        "num_labels": 5,
    }
    return ASTForAudioClassification(ASTConfig(**(sizes | fields)))


def ast_macs(config, num_frames, batch_size=1):
    """The closed formula: patch embedding, linear layers and both attention products, and the classifier."""
    time_patches = (num_frames - config.patch_size) // config.time_stride + 1
    frequency_patches = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    patches = time_patches * frequency_patches
    tokens, hidden = patches + 2, config.hidden_size
    layer = 4 * tokens * hidden**2 + 2 * tokens * hidden * config.intermediate_size + 2 * tokens**2 * hidden
    ends = patches * config.patch_size**2 * hidden + hidden * config.num_labels
    return batch_size * (config.num_hidden_layers * layer + ends)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_count_is_the_closed_formula(attention, batch_size):
    model = tiny_ast(attn_implementation=attention)
    input_values = torch.randn(batch_size, 64, 32)
    assert count_macs(model, input_values) == ast_macs(model.config, 64, batch_size)


def test_ast_base_on_ten_seconds_matches_the_published_work():
    with torch.device("meta"):
        model = ASTForAudioClassification(ASTConfig())
        input_values = torch.empty(1, 1024, 128)
    macs = count_macs(model, input_values)
    assert macs == ast_macs(model.config, 1024)
    assert macs == pytest.approx(130.5e9, rel=5e-3)


@pytest.mark.parametrize("mask", [None, torch.zeros(1, 1, 1, 12)], ids=["plain", "float mask"])
def test_fused_attention_is_counted(mask):
    class Attention(nn.Module):
        def forward(self, x):
            return nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=mask)

    assert count_macs(Attention(), torch.randn(2, 3, 12, 8)) == 2 * (2 * 3 * 12 * 12 * 8)


def test_grouped_convolution_is_counted():
    depthwise = nn.Conv2d(8, 8, 3, groups=8)
    assert count_macs(depthwise, torch.randn(1, 8, 10, 10)) == 8 * 9 * 8 * 8


def test_compiled_model_counts_like_its_original():
    model, compiled_in_place = tiny_ast(), tiny_ast()
    compiled_in_place.compile(backend="eager")
    input_values = torch.randn(1, 64, 32)
    expected = ast_macs(model.config, 64)
    assert count_macs(torch.compile(model, backend="eager"), input_values) == expected
    assert count_macs(compiled_in_place, input_values) == expected


def test_every_submodule_keeps_its_mode():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout())
    model.train()
    model[1].eval()
    count_macs(model, torch.randn(2, 4))
    assert (model.training, model[0].training, model[1].training) == (True, True, False)


def test_mps_is_refused():
    with FakeTensorMode():
        input_values = torch.empty(1, 4, device="mps")
    with pytest.raises(ValueError, match=r"`input_values` must not lie on an MPS device, got mps\. Count on the CPU"):
        count_macs(nn.Linear(4, 4), input_values)


def test_counting_leaves_a_model_as_it_was():
    model = tiny_ast().eval()
    input_values = torch.randn(1, 64, 32)
    before = model(input_values).logits
    count_macs(model, input_values)
    assert torch.equal(model(input_values).logits, before)


@pytest.mark.parametrize(
    "merging",
    [
        {},
        {"merge_ratio": 0.25},
        {"merge_ratio": [0.0, 0.5, 0.1]},
        {"tokens_merged_per_layer": 5},
        {"tokens_merged_per_layer": [3, 0, 8]},
    ],
)
@pytest.mark.parametrize("num_frames", [16, 45, 64])
def test_what_is_worked_out_for_a_schedule_is_what_is_counted(merging, num_frames):
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
    config = FastASTConfig(**sizes, max_length=64, num_mel_bins=40, num_labels=5, frequency_stride=8, **merging)
    model = FastASTForAudioClassification(config)
    num_patches = math.prod(config.patch_grid_of(num_frames, 40))
    tokens_merged = config.merge_schedule(num_frames).tokens_merged
    expected = count_macs(model, torch.randn(1, num_frames, 40))
    assert count_schedule_macs(config, num_patches, tokens_merged) == expected
