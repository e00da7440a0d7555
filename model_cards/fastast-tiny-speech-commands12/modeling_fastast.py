"""FastAST: an Audio Spectrogram Transformer that merges tokens in every layer.

Source: Behera et al., "FastAST", Interspeech 2024 (arXiv 2406.07676): token merging between attention and MLP of each AST
layer. Deviations: proportional attention is on, and the distillation token is protected like CLS.

The classes subclass AST's but build their own layers once: the stock constructors would build a second encoder only to throw
it away.

What happens to the tokens (their sizes, the patches in them) is handed from layer to layer as values; nothing is kept on
a module, so a call has no memory of the one before, and checkpointing and compilation see plain functions. (On CUDA, sums
over merged tokens are atomic adds in any order; `torch.use_deterministic_algorithms` fixes it.)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import nn
from transformers import ASTForAudioClassification, ASTModel
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput
from transformers.models.audio_spectrogram_transformer.modeling_audio_spectrogram_transformer import ASTMLPHead
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.hub import ModelCard
from transformers.utils.output_capturing import capture_outputs

from .clip_lengths import plan_merges_of_clips, real_tokens, real_tokens_first
from .configuration_fastast import FastASTConfig
from .layers_fastast import FastASTEmbeddings, FastASTLayer
from .merge_schedule import NUM_SPECIAL_TOKENS
from .position_embeddings import position_embeddings_converter
from .safe_weights import SafeWeightsMixin
from .token_merging import token_size_bias

# transformers renames the keys of published AST checkpoints by class name, and knows only its own classes. Its conversion
# mapping is the one hook that remote code, `from_pretrained` and all options of both share.
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
        token_sources: (batch, patches) int64, the token of `last_hidden_state` that each patch ended in, at least 2; -1
            for padding. Patches run along time first, then frequency.
        token_sizes: (batch, tokens) float32, the patches behind each token; 1 for the special tokens, 0 for padding.
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


class FastASTModel(MergeScheduleMixin, SafeWeightsMixin, ASTModel):  # type: ignore[misc]
    """AST's encoder with token merging. `merge_ratio` in the configuration decides how much."""

    config: FastASTConfig
    _no_split_modules = ["FastASTEmbeddings", "FastASTLayer"]

    def __init__(self, config: FastASTConfig) -> None:
        # Not `isinstance`: the configuration of a local folder is loaded under two names.
        if not hasattr(config, "merge_schedule"):
            raise TypeError(
                f"`config` must be a FastASTConfig, got {type(config).__name__}. Make one with "
                "`FastASTConfig.from_dict(config.to_dict())`."
            )
        super(ASTModel, self).__init__(config)  # ASTModel's own would build a second encoder only to throw it away
        self.embeddings = FastASTEmbeddings(config)
        self.layers = nn.ModuleList([FastASTLayer(config) for _ in range(config.num_hidden_layers)])
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(
        self,
        input_values: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        num_frames: torch.Tensor | None = None,
        output_token_sources: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> FastASTModelOutput:
        """Encode spectrograms.

        Args:
            input_values: (batch, frames, num_mel_bins) floating point, normalised log-mel, with at least `patch_size`
                frames and at most `max_length`.
            attention_mask: (batch, 2 + patches) of ones and zeros, one entry a token as in AST, or None. A token with 0
                is padding: it has size 0 and gets no attention, and a clip merges what the number of its other patches
                calls for.
            num_frames: (batch,) integers, the frames of each clip, as FastASTFeatureExtractor counts them with
                `padding="longest"`, or None if all are sound. What stands behind them is padding.
            output_token_sources: also return `token_sources` and `token_sizes`.
            **kwargs: `output_hidden_states`, `output_attentions`, `return_dict`, and what the attention function takes.

        Returns:
            The output. `hidden_states` shrink from layer to layer.

        Raises:
            ValueError: if the spectrogram has another shape, the attention function cannot take token sizes, the mask is
                not one entry a token, or a clip has no frames or more than the spectrogram. A compiled or exported model
                does not check the last: its graph cannot depend on what numbers `num_frames` holds.
        """
        # Counting a range keeps a number in torch.compile: with a symbol for the length, every number of the schedule would
        # be a formula, and compiling take minutes. So each length has a graph of its own.
        length = len(range(input_values.shape[1]))
        patch_grid = self._patch_grid_of(length, input_values.shape[2])
        hidden_states = self.embeddings(input_values)
        batch_size, num_tokens = hidden_states.shape[0], NUM_SPECIAL_TOKENS + math.prod(patch_grid)
        schedule = self.config.merge_schedule(length)
        if num_frames is not None:
            attention_mask = self._mask_of(num_frames, input_values, patch_grid, attention_mask)
        self._check_merging_is_possible(schedule.tokens_merged, attention_mask, (batch_size, num_tokens))

        places = torch.arange(num_tokens, device=hidden_states.device).expand(batch_size, -1)
        token_sizes = torch.ones(batch_size, num_tokens, dtype=torch.float32, device=hidden_states.device)
        is_real = None
        clip_merges: Sequence[torch.Tensor | None] = [None] * len(self.layers)
        if attention_mask is not None and attention_mask.dim() == 2:
            is_real = attention_mask != 0
            if any(schedule.tokens_merged):  # else the tokens stay where AST has them
                order = real_tokens_first(is_real)
                hidden_states = hidden_states.gather(1, order.unsqueeze(-1).expand_as(hidden_states))
                attention_mask = attention_mask.gather(1, order)
                places = torch.empty_like(order).scatter(1, order, places)
                clip_merges = self._merges_of_clips(is_real)
            token_sizes = (attention_mask != 0).to(token_sizes)
        source_map = places[:, NUM_SPECIAL_TOKENS:] if output_token_sources else None

        # Until the first merge all sizes are one: AST's own mask, mostly None, keeps the fast kernel and AST's last bit.
        layer_mask = None
        if attention_mask is not None or self.config._attn_implementation not in _ATTENTION_WITH_BIAS:
            # Without a mask it gives those None as well, but under torch.export tokens x tokens zeros.
            layer_mask = create_bidirectional_mask(
                config=self.config, inputs_embeds=hidden_states, attention_mask=attention_mask
            )
        for layer, tokens_merged, merges in zip(self.layers, schedule.tokens_merged, clip_merges, strict=True):
            hidden_states, token_sizes, source_map = layer(
                hidden_states, layer_mask, token_sizes, source_map, tokens_merged, merges, **kwargs
            )
            if tokens_merged:
                layer_mask = self._size_mask(token_sizes, hidden_states.dtype, padded=is_real is not None)
        if source_map is not None and is_real is not None:
            source_map = source_map.masked_fill(~is_real[:, NUM_SPECIAL_TOKENS:], -1)

        sequence_output = self.layernorm(hidden_states)
        return FastASTModelOutput(
            last_hidden_state=sequence_output,
            pooler_output=(sequence_output[:, 0] + sequence_output[:, 1]) / 2,
            token_sources=source_map,
            token_sizes=token_sizes if output_token_sources else None,
        )

    def _patch_grid_of(self, num_frames: int, num_mel_bins: int) -> tuple[int, int]:
        """Count the patches of a spectrogram, and refuse one that the position embeddings do not reach."""
        config = self.config
        frequency, time = config.patch_grid_of(num_frames, num_mel_bins)
        if frequency != config.patch_grid[0] or not 1 <= time <= config.patch_grid[1]:
            raise ValueError(
                f"`input_values` must have from {config.patch_size} to {config.max_length} frames and "
                f"{config.num_mel_bins} mel bins, got {num_frames} and {num_mel_bins}. Give the feature extractor the "
                "model's `max_length` and `num_mel_bins`."
            )
        return frequency, time

    def _mask_of(
        self,
        num_frames: torch.Tensor,
        input_values: torch.Tensor,
        patch_grid: tuple[int, int],
        attention_mask: torch.Tensor | None,
    ) -> torch.Tensor | None:
        """Turn the frames of each clip into an attention mask, or None if all of them are sound."""
        batch_size, length = input_values.shape[:2]
        if attention_mask is not None:
            raise ValueError(
                "`attention_mask` must be None with `num_frames`, got both. Each says what is padding: give one of them."
            )
        if num_frames.shape != (batch_size,) or num_frames.is_floating_point():
            raise ValueError(
                f"`num_frames` must be ({batch_size},) integers, one a clip, got {tuple(num_frames.shape)} "
                f'{num_frames.dtype}. Take it from the feature extractor with `padding="longest"`.'
            )
        if not torch.compiler.is_compiling():  # a graph cannot depend on what the numbers are
            shortest, longest = num_frames.min().item(), num_frames.max().item()
            if not (shortest >= 1 and longest <= length):
                raise ValueError(
                    f"`num_frames` must be between 1 and the {length} frames of `input_values`, got {shortest} to "
                    f"{longest}. Take both from one call of the feature extractor."
                )
            if shortest == length:
                return None
        return real_tokens(
            num_frames.to(input_values.device),
            patch_grid,
            patch_size=self.config.patch_size,
            time_stride=self.config.time_stride,
        )

    def _merges_of_clips(self, is_real: torch.Tensor) -> list[torch.Tensor]:
        """Count what each clip merges at each layer, (batch,) int64 each, from its tokens of sound (batch, tokens) bool."""
        return plan_merges_of_clips(
            is_real[:, NUM_SPECIAL_TOKENS:].sum(dim=1),
            len(self.layers),
            merge_ratio=self.config.merge_ratio,
            tokens_merged_per_layer=self.config.tokens_merged_per_layer,
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


class FastASTForAudioClassification(MergeScheduleMixin, SafeWeightsMixin, ASTForAudioClassification):  # type: ignore[misc]
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
        self.model_tags = ["fastast", "token-merging"]  # of the card that `push_to_hub` drafts
        self.audio_spectrogram_transformer = FastASTModel(config)
        self.classifier = ASTMLPHead(config)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_values: torch.Tensor,
        labels: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        num_frames: torch.Tensor | None = None,
        output_token_sources: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> FastASTClassifierOutput:
        """Classify spectrograms.

        Args:
            input_values: see [`FastASTModel.forward`].
            labels: (batch,) int64 for one label a clip, (batch, num_labels) float for many, or None.
            attention_mask: see [`FastASTModel.forward`].
            num_frames: see [`FastASTModel.forward`].
            output_token_sources: also return `token_sources` and `token_sizes`.
            **kwargs: see [`FastASTModel.forward`].

        Returns:
            The output: `logits` (batch, num_labels), and `loss` if labels are given.
        """
        outputs = self.audio_spectrogram_transformer(
            input_values,
            attention_mask=attention_mask,
            num_frames=num_frames,
            output_token_sources=output_token_sources,
            **kwargs,
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

    def _upload_modified_files(self, working_dir: Any, *args: Any, **kwargs: Any) -> Any:
        """Say in the card that `push_to_hub` drafts what the model is for; a task that somebody wrote there stays."""
        path = f"{working_dir}/README.md"
        card = ModelCard.load(path)
        if card.data.pipeline_tag is None:
            card.data.pipeline_tag = "audio-classification"
            card.save(path)
        return super()._upload_modified_files(working_dir, *args, **kwargs)


FastASTModel.register_for_auto_class("AutoModel")
FastASTForAudioClassification.register_for_auto_class("AutoModelForAudioClassification")

__all__ = ["FastASTClassifierOutput", "FastASTForAudioClassification", "FastASTModel", "FastASTModelOutput"]
