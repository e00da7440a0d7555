"""The configuration of EfficientAT, which is inferred where a folder has the released weights only."""

import json
from pathlib import Path
from typing import Any

from huggingface_hub.dataclasses import strict
from safetensors import safe_open
from transformers import PreTrainedConfig
from transformers.utils import CONFIG_NAME, SAFE_WEIGHTS_NAME

AUDIOSET_LABELS_NAME = "audioset_labels.json"

HIDDEN_SIZE = 1280
"""Units of the classifier's hidden layer, at width 1."""

_DOWNLOAD_OPTIONS = (
    *("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token"),
    *("trust_remote_code", "_from_auto", "_from_pipeline"),
)


@strict
class EfficientATConfig(PreTrainedConfig):
    """Describe an EfficientAT network.

    A folder with weights but no config.json, as EfficientAT was released, is read too: the width follows from the
    tensors' shapes, the labels from `audioset_labels.json`, and the problem is AudioSet's, multi-label.

    Args:
        width_multiplier (`float`, *optional*, defaults to 1.0): Factor on the channels of MobileNetV3-Large, above 0.
            The released mn04 has 0.4, mn10 has 1.0.
        classifier_dropout (`float`, *optional*, defaults to 0.2): Dropout before the last layer, in [0, 1).
        batch_norm_eps (`float`, *optional*, defaults to 0.001): Added to the variance by batch normalisation.
        batch_norm_momentum (`float`, *optional*, defaults to 0.01): A batch's share in the running statistics.
        initializer_range (`float`, *optional*, defaults to 0.01): Standard deviation of new linear weights.

    Raises:
        ValueError: If a field is outside its range.

    Example:
        >>> EfficientATConfig(width_multiplier=0.4, num_labels=10).hidden_size
        512
    """

    model_type = "efficientat"

    width_multiplier: float | int = 1.0
    classifier_dropout: float | int = 0.2
    batch_norm_eps: float = 1e-3
    batch_norm_momentum: float = 0.01
    initializer_range: float = 0.01

    def __post_init__(self, **kwargs: Any) -> None:
        """Refuse values outside their range."""
        super().__post_init__(**kwargs)
        if not self.width_multiplier > 0:
            raise ValueError(
                f"`width_multiplier` must be above 0, got {self.width_multiplier}. Released networks have 0.4 to 4.0."
            )
        if not 0 <= self.classifier_dropout < 1:
            raise ValueError(
                f"`classifier_dropout` must be in [0, 1), got {self.classifier_dropout}. Use 0 for no dropout."
            )

    @property
    def hidden_size(self) -> int:
        """Units of the classifier's hidden layer."""
        return scale_channels(HIDDEN_SIZE, self.width_multiplier)

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: Any, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read config.json, or infer it where a local folder has the released weights only.

        Args:
            pretrained_model_name_or_path: A folder, a file or a Hub name, as for every transformers configuration.
            **kwargs: Options of the download and values that replace the file's.

        Returns:
            The configuration as a dictionary, and the keywords that were not used.
        """
        folder = Path(pretrained_model_name_or_path, kwargs.get("subfolder") or "")
        weights = folder / SAFE_WEIGHTS_NAME
        if (folder / CONFIG_NAME).exists() or not weights.exists():
            return super().get_config_dict(pretrained_model_name_or_path, **kwargs)
        config = _infer_config(weights)
        if "num_labels" in kwargs or "id2label" in kwargs:
            del config["id2label"], config["label2id"]  # the caller's labels take their place
        return config, {key: value for key, value in kwargs.items() if key not in _DOWNLOAD_OPTIONS}


def scale_channels(channels: int, factor: float) -> int:
    """Scale a number of channels as MobileNetV3 does.

    Args:
        channels: Channels at factor 1.
        factor: Above 0.

    Returns:
        The multiple of 8 nearest to the product, at least 8; the next one where that is below 90 % of the product.

    Example:
        >>> scale_channels(16, 0.4), scale_channels(24, 0.4), scale_channels(1280, 0.4)
        (8, 16, 512)
    """
    product = channels * factor
    rounded = max(8, int(product + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * product else rounded


def _infer_config(weights: Path) -> dict[str, Any]:
    """Read from the released tensors what their config.json would say."""
    with safe_open(weights, framework="pt") as tensors:
        hidden_size = tensors.get_slice("classifier.2.weight").get_shape()[0]
        num_labels = tensors.get_slice("classifier.5.weight").get_shape()[0]
    labels_file = weights.with_name(AUDIOSET_LABELS_NAME)
    if labels_file.exists():
        labels = json.loads(labels_file.read_text(encoding="utf-8"))
    else:
        labels = [f"LABEL_{index}" for index in range(num_labels)]
    return {
        "model_type": EfficientATConfig.model_type,
        "width_multiplier": hidden_size / HIDDEN_SIZE,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
        "problem_type": "multi_label_classification",
    }
