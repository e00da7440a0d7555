"""The bars of a module, written down: what a terminal would show if the work took long."""

from contextlib import contextmanager
from types import SimpleNamespace


def recorded(monkeypatch, module):
    """Let a module tell its bars to a list, each with its name, its total and all steps."""
    bars = []

    @contextmanager
    def late_bar(*, total, desc, unit):
        assert unit == "clip"
        steps = []
        bars.append((desc, total, steps))
        yield SimpleNamespace(update=steps.append)

    monkeypatch.setattr(module, "late_bar", late_bar)
    return bars
