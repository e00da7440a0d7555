"""Stands in for transformers' generation tests, which its source distribution leaves out."""


class GenerationTesterMixin:
    """What a model that generates has to inherit; `ModelTesterMixin` checks that the others do not."""
