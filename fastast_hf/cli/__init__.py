"""The command line, `fastast ...`: a module a command, each thin over the package's functions.

A command imports what is slow to import, torch and all that needs it, when it runs.
"""

from fastast_hf.cli.app import main

__all__ = ["main"]
