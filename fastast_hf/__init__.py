"""FastAST for Hugging Face transformers: a faster Audio Spectrogram Transformer.

Importing the package registers its classes with the `Auto*` factories of transformers.
"""

from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoModelForAudioClassification

from fastast_hf.model import (
    FastASTConfig,
    FastASTFeatureExtractor,
    FastASTForAudioClassification,
    FastASTModel,
    MergeSchedule,
)
from fastast_hf.model.version import __version__

AutoConfig.register(FastASTConfig.model_type, FastASTConfig)
AutoModel.register(FastASTConfig, FastASTModel)
AutoModelForAudioClassification.register(FastASTConfig, FastASTForAudioClassification)
AutoFeatureExtractor.register(FastASTConfig, FastASTFeatureExtractor)

__all__ = [
    "FastASTConfig",
    "FastASTFeatureExtractor",
    "FastASTForAudioClassification",
    "FastASTModel",
    "MergeSchedule",
    "__version__",
]
