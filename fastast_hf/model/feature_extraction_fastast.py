"""Feature extraction for FastAST: waveforms to normalised log-mel spectrograms."""

from transformers import ASTFeatureExtractor


class FastASTFeatureExtractor(ASTFeatureExtractor):
    """AST's feature extractor under a name of its own, so that it travels with the weights of a FastAST."""


FastASTFeatureExtractor.register_for_auto_class("AutoFeatureExtractor")

__all__ = ["FastASTFeatureExtractor"]
