"""EfficientAT as a transformers model: the convolutional teacher, MobileNetV3-Large on spectrograms.

torchvision's MobileNetV3 is not built upon: its squeeze-and-excitation differs from the released network's, and its wheels do
not load beside every torch.
"""

from typing import Any, NamedTuple

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils.generic import can_return_tuple

from fastast_hf.distillation.configuration_efficientat import EfficientATConfig, scale_channels


class _BlockSettings(NamedTuple):
    """One row of MobileNetV3-Large's table; channels at width 1."""

    kernel_size: int
    expanded_channels: int
    out_channels: int
    squeeze_excitation: bool
    activation: type[nn.Module]
    stride: int


# Howard et al. 2019 (arXiv 1905.02244), table 1.
_BLOCKS = (
    _BlockSettings(3, 16, 16, False, nn.ReLU, 1),
    _BlockSettings(3, 64, 24, False, nn.ReLU, 2),
    _BlockSettings(3, 72, 24, False, nn.ReLU, 1),
    _BlockSettings(5, 72, 40, True, nn.ReLU, 2),
    _BlockSettings(5, 120, 40, True, nn.ReLU, 1),
    _BlockSettings(5, 120, 40, True, nn.ReLU, 1),
    _BlockSettings(3, 240, 80, False, nn.Hardswish, 2),
    _BlockSettings(3, 200, 80, False, nn.Hardswish, 1),
    _BlockSettings(3, 184, 80, False, nn.Hardswish, 1),
    _BlockSettings(3, 184, 80, False, nn.Hardswish, 1),
    _BlockSettings(3, 480, 112, True, nn.Hardswish, 1),
    _BlockSettings(3, 672, 112, True, nn.Hardswish, 1),
    _BlockSettings(5, 672, 160, True, nn.Hardswish, 2),
    _BlockSettings(5, 960, 160, True, nn.Hardswish, 1),
    _BlockSettings(5, 960, 160, True, nn.Hardswish, 1),
)


class EfficientATForAudioClassification(PreTrainedModel):
    """Tag sounds with a MobileNetV3-Large on the spectrograms that AST takes.

    Source: Schmid et al. 2023, "Efficient Large-Scale Audio Tagging via Transformer-to-CNN Knowledge Distillation"
    (arXiv 2211.04772); Howard et al. 2019, "Searching for MobileNetV3" (arXiv 1905.02244). Deviation: the input is
    AST's front end (16 kHz, normalised by AST's mean and deviation) instead of EfficientAT's own (32 kHz), so that
    teacher and student see the same view.

    The released tensors load under their own names. A new head: `from_pretrained(path, num_labels=10,
    id2label=..., label2id=..., problem_type="single_label_classification", ignore_mismatched_sizes=True)`.
    """

    config: EfficientATConfig
    config_class = EfficientATConfig
    base_model_prefix = "efficientat"
    main_input_name = "input_values"
    input_modalities = ["audio"]
    _no_split_modules = ["InvertedResidual"]

    def __init__(self, config: EfficientATConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.features = _build_features(config)
        self.classifier = nn.Sequential(  # the released names count these places
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(_embedding_size(config), config.hidden_size),
            nn.Hardswish(),
            nn.Dropout(config.classifier_dropout),
            nn.Linear(config.hidden_size, config.num_labels) if config.num_labels else nn.Identity(),
        )
        self.post_init()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Open a checkpoint as `PreTrainedModel.from_pretrained` does, from safetensors alone: a pickle can run code.

        Args:
            pretrained_model_name_or_path: A folder, or a name on the Hub.
            *args: What `PreTrainedModel.from_pretrained` takes.
            **kwargs: What `PreTrainedModel.from_pretrained` takes.

        Returns:
            The model, or the model and what was found of it.

        Raises:
            OSError: If there is no such checkpoint, or its weights are pickled.
        """
        return super().from_pretrained(pretrained_model_name_or_path, *args, **{**kwargs, "use_safetensors": True})

    # No `**kwargs` here: with them the stock Trainer takes the loss for one that is scaled for gradient accumulation.
    @can_return_tuple
    def forward(self, input_values: Tensor, labels: Tensor | None = None) -> SequenceClassifierOutput:
        """Classify a batch of spectrograms of any common length.

        Args:
            input_values: (batch, frames, mel bins) float, AST's normalised log-mel spectrogram.
            labels: (batch,) int64 class indices, or (batch, classes) float for many labels a clip.

        Returns:
            The logits (batch, classes), and the loss where labels are given.
        """
        spectrogram = input_values.to(self.dtype).transpose(1, 2).unsqueeze(1)  # (B, 1, M, T)
        logits = self.classifier(self.features(spectrogram))  # (B, C)
        loss = None if labels is None else self.loss_function(labels, logits, self.config)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    def freeze_base_model(self) -> None:
        """Train the classifier alone from now on: the convolutions keep their weights and running statistics."""
        self.features.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "EfficientATForAudioClassification":
        """Set the mode of training or evaluation; frozen convolutions stay in evaluation mode.

        Args:
            mode: Whether to train.

        Returns:
            The model.
        """
        super().train(mode)
        if not any(parameter.requires_grad for parameter in self.features.parameters()):
            self.features.eval()
        return self

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out")


class InvertedResidual(nn.Module):
    """Expand, filter each channel by itself, weigh the channels, project; add the input where the shapes agree."""

    def __init__(self, in_channels: int, settings: _BlockSettings, config: EfficientATConfig) -> None:
        super().__init__()
        expanded = scale_channels(settings.expanded_channels, config.width_multiplier)
        out_channels = scale_channels(settings.out_channels, config.width_multiplier)
        self.is_residual = settings.stride == 1 and in_channels == out_channels
        layers: list[nn.Module] = []
        if expanded != in_channels:
            layers.append(_convolution(in_channels, expanded, config, activation=settings.activation))
        layers.append(
            _convolution(
                expanded,
                expanded,
                config,
                kernel_size=settings.kernel_size,
                stride=settings.stride,
                groups=expanded,
                activation=settings.activation,
            )
        )
        if settings.squeeze_excitation:
            layers.append(ConcurrentSqueezeExcitation(expanded))
        layers.append(_convolution(expanded, out_channels, config))
        self.block = nn.Sequential(*layers)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Apply the block: (B, C, M, T) -> (B, C', M', T')."""
        output = self.block(hidden_states)
        return hidden_states + output if self.is_residual else output


class ConcurrentSqueezeExcitation(nn.Module):
    """Hold the squeeze-and-excitation layer where the released tensor names place it.

    EfficientAT can weigh channels, mels and frames at once; the released networks weigh channels alone.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conc_se_layers = nn.ModuleList([SqueezeExcitation(channels)])

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Weigh the channels: (B, C, M, T) -> (B, C, M, T)."""
        return self.conc_se_layers[0](hidden_states)


class SqueezeExcitation(nn.Module):
    """Weigh each channel by a gate in (0, 1) computed from all channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = scale_channels(channels, 1 / 4)
        self.fc1 = nn.Linear(channels, squeezed)
        self.fc2 = nn.Linear(squeezed, channels)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Weigh the channels: (B, C, M, T) -> (B, C, M, T)."""
        means = hidden_states.mean(dim=(2, 3))  # (B, C)
        gates = self.fc2(self.fc1(means).relu()).sigmoid()  # (B, C)
        return hidden_states * gates[:, :, None, None]


def _build_features(config: EfficientATConfig) -> nn.Sequential:
    channels = scale_channels(_BLOCKS[0].out_channels, config.width_multiplier)
    stem = _convolution(1, channels, config, kernel_size=3, stride=2, activation=nn.Hardswish)
    layers: list[nn.Module] = [stem]
    for settings in _BLOCKS:
        layers.append(InvertedResidual(channels, settings, config))
        channels = scale_channels(settings.out_channels, config.width_multiplier)
    layers.append(_convolution(channels, _embedding_size(config), config, activation=nn.Hardswish))
    return nn.Sequential(*layers)


def _convolution(
    in_channels: int,
    out_channels: int,
    config: EfficientATConfig,
    *,
    kernel_size: int = 1,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] | None = None,
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels, eps=config.batch_norm_eps, momentum=config.batch_norm_momentum),
    ]
    if activation is not None:
        layers.append(activation())
    return nn.Sequential(*layers)


def _embedding_size(config: EfficientATConfig) -> int:
    return 6 * scale_channels(_BLOCKS[-1].out_channels, config.width_multiplier)
