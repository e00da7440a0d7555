"""Broken and odd sounds, sent through every way to a label: `python -m tests.odd_sounds`."""
