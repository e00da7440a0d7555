"""The layers of a FastAST: AST's, with tokens merged between attention and MLP.

Source: Behera et al., "FastAST", Interspeech 2024 (arXiv 2406.07676). What happens to the tokens (their sizes, the patches in
them) goes in and out as values; nothing is kept on a module.
"""

from typing import Unpack

import torch
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.audio_spectrogram_transformer.modeling_audio_spectrogram_transformer import (
    ASTMLP,
    ASTAttention,
    ASTEmbeddings,
    ASTLayer,
    eager_attention_forward,
)
from transformers.utils import TransformersKwargs

from .configuration_fastast import FastASTConfig
from .merge_schedule import NUM_SPECIAL_TOKENS
from .position_embeddings import first_columns
from .token_merging import PaddedClips, bipartite_soft_matching, merge_source_map, merge_tokens


class FastASTEmbeddings(ASTEmbeddings):
    """AST's embeddings, which also take a spectrogram shorter than the position grid."""

    def forward(self, input_values: torch.Tensor) -> torch.Tensor:
        """Embed patches and special tokens.

        Args:
            input_values: (batch, frames, num_mel_bins), see [`FastASTModel.forward`].

        Returns:
            (batch, 2 + patches, hidden).
        """
        patches = self.patch_embeddings(input_values)  # (B, P, D)
        special = torch.cat([self.cls_token, self.distillation_token], dim=1).expand(patches.shape[0], -1, -1)
        grid = self.config.patch_grid_of(*input_values.shape[-2:])
        positions: torch.Tensor = self.position_embeddings
        if grid != self.config.patch_grid:
            positions = first_columns(positions, self.config.patch_grid, grid[1])
        return self.dropout(torch.cat([special, patches], dim=1) + positions)


class FastASTAttention(ASTAttention):
    """AST's attention, which also returns the keys that tokens are matched by."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
        """Attend.

        Args:
            hidden_states: (batch, tokens, hidden).
            attention_mask: what the attention function takes, broadcast to (batch, heads, tokens, tokens).
            **kwargs: passed on to the attention function.

        Returns:
            The output (batch, tokens, hidden), the attention weights or None, the keys (batch, heads, tokens, head_dim).
        """
        input_shape = hidden_states.shape[:-1]
        head_shape = (*input_shape, -1, self.head_dim)
        query = self.q_proj(hidden_states).view(head_shape).transpose(1, 2)
        key = self.k_proj(hidden_states).view(head_shape).transpose(1, 2)
        value = self.v_proj(hidden_states).view(head_shape).transpose(1, 2)

        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)
        dropout = self.attention_dropout if self.training else 0.0
        output, weights = attend(
            self, query, key, value, attention_mask, dropout=dropout, scaling=self.scaling, **kwargs
        )
        output = self.o_proj(output.reshape(*input_shape, -1).contiguous())
        return output, weights, key


class FastASTLayer(ASTLayer):
    """AST's layer with token merging between attention and MLP."""

    def __init__(self, config: FastASTConfig) -> None:
        super(ASTLayer, self).__init__()  # ASTLayer's own would build an attention only to throw it away
        self.attention = FastASTAttention(config)
        self.layernorm_before = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.layernorm_after = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = ASTMLP(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        token_sizes: torch.Tensor,
        source_map: torch.Tensor | None,
        tokens_merged: int,
        clip_merges: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Attend, merge the most alike tokens, and transform what is left.

        All tensors are positional arguments, as reentrant gradient checkpointing needs them.

        Args:
            hidden_states: (batch, tokens, hidden).
            attention_mask: what the attention function takes, or None.
            token_sizes: (batch, tokens) float32.
            source_map: (batch, patches) int64, or None if nobody asks for it.
            tokens_merged: tokens that go.
            clip_merges: (batch,) int64, how many of them each clip merges where padding goes too, see `PaddedClips`; None
                if there is no padding.
            **kwargs: passed on to the attention function.

        Returns:
            Hidden states (batch, tokens - merged, hidden), token sizes and source map after the layer.
        """
        residual = hidden_states
        hidden_states = self.layernorm_before(hidden_states)
        hidden_states, _, keys = self.attention(hidden_states, attention_mask, **kwargs)
        hidden_states = self.dropout(hidden_states)
        hidden_states = hidden_states + residual

        if tokens_merged:
            clips = None
            if clip_merges is not None:
                clips = PaddedClips((token_sizes[:, NUM_SPECIAL_TOKENS:] > 0).sum(dim=1), clip_merges)
            matching = bipartite_soft_matching(keys, tokens_merged, num_special_tokens=NUM_SPECIAL_TOKENS, clips=clips)
            hidden_states, token_sizes = merge_tokens(hidden_states, token_sizes, matching)
            source_map = source_map if source_map is None else merge_source_map(source_map, matching)

        residual = hidden_states
        hidden_states = self.layernorm_after(hidden_states)
        hidden_states = self.mlp(hidden_states)
        hidden_states = self.dropout(hidden_states)
        hidden_states = hidden_states + residual
        return hidden_states, token_sizes, source_map


__all__ = ["FastASTAttention", "FastASTEmbeddings", "FastASTLayer"]
