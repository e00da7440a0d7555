"""The Hub room: these files travel with the weights, so they import nothing but torch, numpy and transformers."""

from fastast_hf.model.configuration_fastast import FastASTConfig
from fastast_hf.model.feature_extraction_fastast import FastASTFeatureExtractor
from fastast_hf.model.merge_schedule import MergeSchedule
from fastast_hf.model.modeling_fastast import FastASTForAudioClassification, FastASTModel

__all__ = [
    "FastASTConfig",
    "FastASTFeatureExtractor",
    "FastASTForAudioClassification",
    "FastASTModel",
    "MergeSchedule",
]
