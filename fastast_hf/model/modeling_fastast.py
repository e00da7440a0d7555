"""FastAST: an Audio Spectrogram Transformer that merges tokens in every layer.

Source: Behera et al., "FastAST", Interspeech 2024 (arXiv 2406.07676): token merging between attention and MLP of each AST
layer. Deviations: proportional attention is on, and the distillation token is protected like CLS.

What happens to the tokens (their sizes, the patches in them) is handed from layer to layer as values; nothing is kept on
a module, so a call has no memory of the one before, and checkpointing and compilation see plain functions. (On CUDA, sums
over merged tokens are atomic adds in any order; `torch.use_deterministic_algorithms` fixes it.)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import torch
from torch import nn
from transformers import ASTForAudioClassification, ASTModel
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.audio_spectrogram_transformer.modeling_audio_spectrogram_transformer import (
    ASTMLP,
    ASTAttention,
    ASTEmbeddings,
    ASTLayer,
    ASTMLPHead,
    eager_attention_forward,
)
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_fastast import FastASTConfig
from .merge_schedule import NUM_SPECIAL_TOKENS
from .position_embeddings import position_embeddings_converter
from .token_merging import bipartite_soft_matching, merge_source_map, merge_tokens, token_size_bias

# transformers renames the keys of published AST checkpoints by class name, and knows only its own classes.
register_checkpoint_conversion_mapping(
    "FastASTModel",
    [*get_checkpoint_conversion_mapping("ASTModel"), position_embeddings_converter()],
    overwrite=True,
)

# The attention functions that add a float mask to the scores, which carries the token sizes.
_ATTENTION_WITH_BIAS = ("eager", "sdpa")


@dataclass
class FastASTModelOutput(BaseModelOutputWithPooling):
    """What a FastASTModel returns: AST's output and, on request, where the patches went.

    Attributes:
        token_sources: (batch, patches) int64, the token of `last_hidden_state` that each patch ended in, at least 2.
            Patches run along time first, then frequency.
        token_sizes: (batch, tokens) float32, the patches behind each token; 1 for the special tokens.
    """

    token_sources: torch.Tensor | None = None
    token_sizes: torch.Tensor | None = None


@dataclass
class FastASTClassifierOutput(SequenceClassifierOutput):
    """What a FastASTForAudioClassification returns: a classifier's output and, on request, where the patches went.

    Attributes:
        token_sources: (batch, patches) int64, see [`FastASTModelOutput`].
        token_sizes: (batch, tokens) float32, see [`FastASTModelOutput`].
    """

    token_sources: torch.Tensor | None = None
    token_sizes: torch.Tensor | None = None


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
        padded: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Attend, merge the most alike tokens, and transform what is left.

        All tensors are positional arguments, as reentrant gradient checkpointing needs them.

        Args:
            hidden_states: (batch, tokens, hidden).
            attention_mask: what the attention function takes, or None.
            token_sizes: (batch, tokens) float32.
            source_map: (batch, patches) int64, or None if nobody asks for it.
            tokens_merged: tokens to merge away.
            padded: whether some of the token sizes may be 0.
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
            matching = bipartite_soft_matching(
                keys,
                tokens_merged,
                num_special_tokens=NUM_SPECIAL_TOKENS,
                token_sizes=token_sizes if padded else None,
            )
            hidden_states, token_sizes = merge_tokens(hidden_states, token_sizes, matching, padded=padded)
            source_map = source_map if source_map is None else merge_source_map(source_map, matching)

        residual = hidden_states
        hidden_states = self.layernorm_after(hidden_states)
        hidden_states = self.mlp(hidden_states)
        hidden_states = self.dropout(hidden_states)
        hidden_states = hidden_states + residual
        return hidden_states, token_sizes, source_map


class MergeScheduleMixin:
    """Change the merge schedule of a model that is already loaded."""

    config: FastASTConfig

    def set_merge_ratio(self, merge_ratio: float | list[float]) -> None:
        """Merge another share of the tokens from the next call on.

        Args:
            merge_ratio: one number for all layers or one a layer, each in [0, 0.5]. 0 turns merging off.

        A compiled model is compiled again for each schedule; past eight, `torch.compile` asks for a higher
        `torch._dynamo.config.recompile_limit`.

        Raises:
            ValueError: if a ratio is out of range; the message names the layer, and the old schedule stays.
        """
        self.config.set_merge_schedule(merge_ratio=merge_ratio)

    def set_tokens_merged_per_layer(self, tokens_merged_per_layer: int | list[int]) -> None:
        """Merge another number of tokens, the papers' `r`, from the next call on.

        Args:
            tokens_merged_per_layer: one ceiling for all layers, or one exact number a layer.

        Raises:
            ValueError: if a list is impossible at `max_length`; the message names the layer, and the old schedule
                stays.
        """
        self.config.set_merge_schedule(tokens_merged_per_layer=tokens_merged_per_layer)


class FastASTModel(MergeScheduleMixin, ASTModel):
    """AST's encoder with token merging. `merge_ratio` in the configuration decides how much."""

    config: FastASTConfig
    _no_split_modules = ["ASTEmbeddings", "FastASTLayer"]

    def __init__(self, config: FastASTConfig) -> None:
        # Not `isinstance`: the configuration of a local folder is loaded under two names.
        if not hasattr(config, "merge_schedule"):
            raise TypeError(
                f"`config` must be a FastASTConfig, got {type(config).__name__}. Make one with "
                "`FastASTConfig.from_dict(config.to_dict())`."
            )
        super(ASTModel, self).__init__(config)  # ASTModel's own would build a second encoder only to throw it away
        self.embeddings = ASTEmbeddings(config)
        self.layers = nn.ModuleList([FastASTLayer(config) for _ in range(config.num_hidden_layers)])
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(
        self,
        input_values: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        output_token_sources: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> FastASTModelOutput:
        """Encode spectrograms.

        Args:
            input_values: (batch, max_length, num_mel_bins) floating point, normalised log-mel.
            attention_mask: (batch, 2 + patches) of ones and zeros, one entry a token as in AST, or None. A token with 0
                is padding: it has size 0, is merged away first, changes no other token and gets no attention.
            output_token_sources: also return `token_sources` and `token_sizes`.
            **kwargs: `output_hidden_states`, `output_attentions`, `return_dict`, and what the attention function takes.

        Returns:
            The output. `hidden_states` shrink from layer to layer.

        Raises:
            ValueError: if the spectrogram has another shape, the attention function cannot take token sizes, or the mask
                is not one entry a token.
        """
        self._check_length(input_values)
        hidden_states = self.embeddings(input_values)
        # From the configuration: taken from a tensor, torch.compile might make every number of the schedule a symbol.
        num_patches = math.prod(self.config.patch_grid)
        batch_size, num_tokens = hidden_states.shape[0], NUM_SPECIAL_TOKENS + num_patches
        schedule = self.config.merge_schedule()
        self._check_merging_is_possible(schedule.tokens_merged, attention_mask, (batch_size, num_tokens))

        token_sizes = torch.ones(batch_size, num_tokens, dtype=torch.float32, device=hidden_states.device)
        padded = False
        if attention_mask is not None and attention_mask.dim() == 2:
            padded, token_sizes = True, (attention_mask != 0).to(token_sizes)
        source_map = None
        if output_token_sources:
            source_map = torch.arange(NUM_SPECIAL_TOKENS, num_tokens, device=hidden_states.device)
            source_map = source_map.expand(batch_size, num_patches)

        # Until the first merge all sizes are one: AST's own mask, mostly None, keeps the fast kernel and AST's last bit.
        layer_mask = create_bidirectional_mask(
            config=self.config, inputs_embeds=hidden_states, attention_mask=attention_mask
        )
        for layer, tokens_merged in zip(self.layers, schedule.tokens_merged, strict=True):
            hidden_states, token_sizes, source_map = layer(
                hidden_states, layer_mask, token_sizes, source_map, tokens_merged, padded, **kwargs
            )
            if tokens_merged:
                layer_mask = self._size_mask(token_sizes, hidden_states.dtype, padded=padded)

        sequence_output = self.layernorm(hidden_states)
        return FastASTModelOutput(
            last_hidden_state=sequence_output,
            pooler_output=(sequence_output[:, 0] + sequence_output[:, 1]) / 2,
            token_sources=source_map,
            token_sizes=token_sizes if output_token_sources else None,
        )

    def _check_length(self, input_values: torch.Tensor) -> None:
        """Refuse a spectrogram whose patches are not those that the position embeddings were made for."""
        patch_grid = self.config.patch_grid_of(*input_values.shape[-2:])
        if patch_grid != self.config.patch_grid:
            raise ValueError(
                f"`input_values` must have {self.config.max_length} frames and {self.config.num_mel_bins} mel bins, got "
                f"{input_values.shape[-2]} and {input_values.shape[-1]}. Give the feature extractor the model's "
                "`max_length` and `num_mel_bins`."
            )

    def _size_mask(self, token_sizes: torch.Tensor, dtype: torch.dtype, *, padded: bool) -> torch.Tensor | None:
        """What tells the attention about token sizes, or None if nothing needs telling."""
        proportional = self.config.proportional_attention
        return token_size_bias(token_sizes, dtype, proportional=proportional) if proportional or padded else None

    def _check_merging_is_possible(
        self, tokens_merged: Sequence[int], attention_mask: torch.Tensor | None, shape: tuple[int, int]
    ) -> None:
        """Refuse what would silently leave token sizes or padding out of the attention."""
        if not any(tokens_merged):
            return
        if attention_mask is not None and attention_mask.shape != shape:
            raise ValueError(
                f"`attention_mask` must have the shape (batch, tokens) = {shape} when tokens are merged, got "
                f"{tuple(attention_mask.shape)}. Give one entry a token, or set `merge_ratio=0`."
            )
        implementation = self.config._attn_implementation
        needs_bias = self.config.proportional_attention or attention_mask is not None
        if needs_bias and implementation not in _ATTENTION_WITH_BIAS:
            raise ValueError(
                f"`attn_implementation` must be one of {', '.join(_ATTENTION_WITH_BIAS)} to merge tokens, got "
                f"{implementation}, which takes no bias for the token sizes or the padding. Load the model with "
                '`attn_implementation="sdpa"`, or set `proportional_attention=False` and give no mask.'
            )


class FastASTForAudioClassification(MergeScheduleMixin, ASTForAudioClassification):
    """AST's classifier with token merging. Opens any AST checkpoint, and stock AST opens what it saves.

    Example:
    ```python
    >>> from fastast_hf import FastASTConfig, FastASTForAudioClassification
    >>> config = FastASTConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    >>> model = FastASTForAudioClassification(config)
    >>> model.set_merge_ratio(0.25)

    ```
    """

    config: FastASTConfig
    _no_split_modules = FastASTModel._no_split_modules

    def __init__(self, config: FastASTConfig) -> None:
        super(ASTForAudioClassification, self).__init__(config)
        self.num_labels = config.num_labels
        self.audio_spectrogram_transformer = FastASTModel(config)
        self.classifier = ASTMLPHead(config)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_values: torch.Tensor,
        labels: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        output_token_sources: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> FastASTClassifierOutput:
        """Classify spectrograms.

        Args:
            input_values: see [`FastASTModel.forward`].
            labels: (batch,) int64 for one label a clip, (batch, num_labels) float for many, or None.
            attention_mask: see [`FastASTModel.forward`].
            output_token_sources: also return `token_sources` and `token_sizes`.
            **kwargs: see [`FastASTModel.forward`].

        Returns:
            The output: `logits` (batch, num_labels), and `loss` if labels are given.
        """
        outputs = self.audio_spectrogram_transformer(
            input_values, attention_mask=attention_mask, output_token_sources=output_token_sources, **kwargs
        )
        logits = self.classifier(outputs.pooler_output)
        return FastASTClassifierOutput(
            loss=None if labels is None else self.loss_function(labels, logits, self.config, **kwargs),
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            token_sources=outputs.token_sources,
            token_sizes=outputs.token_sizes,
        )


FastASTModel.register_for_auto_class("AutoModel")
FastASTForAudioClassification.register_for_auto_class("AutoModelForAudioClassification")

__all__ = ["FastASTClassifierOutput", "FastASTForAudioClassification", "FastASTModel", "FastASTModelOutput"]
