"""The command line, `fastast ...`: a module a command, each thin over the package's functions.

`import fastast_hf` brings torch and transformers, so that a module imports them, `fastast_hf.model` and `fastast_hf.hub` at its
top. What costs half a second and more on top of that, a command imports when it runs: the rooms that bring datasets
(`classification`, `data`), with them scikit-learn and peft (`distillation`, `evaluation`, `speed`, `experiment`) or matplotlib
(`visualization`), and ONNX.
"""

from fastast_hf.cli.app import main

__all__ = ["main"]
