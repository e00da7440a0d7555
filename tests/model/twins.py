"""What tests of the model share: schedules, masks, and a slow twin in plain loops."""

import pytest
import torch
from transformers import ASTForAudioClassification, ASTModel

from fastast_hf import FastASTForAudioClassification, FastASTModel
from fastast_hf.model.merge_schedule import plan_merges
from tests.model.test_token_merging import naive_matching, naive_merge, naive_source_map

SPECIAL = 2
PATCHES = 27
STOCK = {FastASTModel: ASTModel, FastASTForAudioClassification: ASTForAudioClassification}
SCHEDULES = [
    {"merge_ratio": 0.1},
    {"merge_ratio": 0.25},
    {"merge_ratio": 0.5},
    {"merge_ratio": [0.0, 0.5, 0.2]},
    {"tokens_merged_per_layer": 4},
    {"tokens_merged_per_layer": 100},
    {"tokens_merged_per_layer": [0, 13, 7]},
]

both_classes = pytest.mark.parametrize("model_class", [FastASTModel, FastASTForAudioClassification])
both_attentions = pytest.mark.parametrize("attention", ["eager", "sdpa"])
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=str)


def time_mask(frames_kept, batch_size=2):
    """Keep the first time patches of a tiny clip, and both special tokens."""
    grid = torch.zeros(3, 9, dtype=torch.int64)
    grid[:, :frames_kept] = 1
    mask = torch.cat([torch.ones(SPECIAL, dtype=torch.int64), grid.flatten()])
    return mask.expand(batch_size, -1)


def naive_forward(model, tokens, match=naive_matching):
    """Classify one clip from its embeddings (N, D), as the paper's text does it: logits, token sources and token sizes."""
    base, config = model.base_model, model.config
    heads = config.num_attention_heads
    schedule = plan_merges(
        len(tokens) - SPECIAL,
        config.num_hidden_layers,
        merge_ratio=config.merge_ratio,
        tokens_merged_per_layer=config.tokens_merged_per_layer,
    )
    x, sizes = tokens, torch.ones(len(tokens))
    sources = torch.arange(SPECIAL, len(x))
    for layer, merged in zip(base.layers, schedule.tokens_merged, strict=True):
        attention, normed = layer.attention, layer.layernorm_before(x)
        q, k, v = (
            projection(normed).unflatten(-1, (heads, -1)).transpose(0, 1)  # (H, N, C)
            for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        out = []
        for head in range(heads):
            scores = q[head] @ k[head].T / q.shape[-1] ** 0.5
            weights = sizes * scores.exp() if config.proportional_attention else scores.exp()
            out.append(weights / weights.sum(-1, keepdim=True) @ v[head])
        x = x + attention.o_proj(torch.cat(out, dim=-1))
        matching = match(k, merged)
        sources = torch.tensor(naive_source_map(sources, *matching))
        x, sizes = naive_merge(x, sizes, *matching)
        x, sizes = x.float(), sizes.float()
        x = x + layer.mlp(layer.layernorm_after(x))
    x = base.layernorm(x)
    return model.classifier((x[0] + x[1]) / 2), sources, sizes
