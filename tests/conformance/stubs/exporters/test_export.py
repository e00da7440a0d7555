"""Stands in for transformers' export tests, which its source distribution leaves out."""


class ExportTesterMixin:
    """The base of `ModelTesterMixin` that would add them."""
