"""A FastAST becomes one ONNX file, all merges inside: what runs it needs no torch and no configuration.

The batch is open; length, mel bins and merge schedule are those of the model's configuration. Every entry of the file's
metadata is JSON text:

```python
session = onnxruntime.InferenceSession("fastast.onnx")
metadata = {name: json.loads(text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
(logits,) = session.run(None, {"input_values": spectrograms})
```
"""

import copy
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import ASTFeatureExtractor, PreTrainedModel

from fastast_hf.model.version import __version__
from fastast_hf.writing import naming

# The first with GELU as one operator, which saves ONNX Runtime some passes over memory. ONNX Runtime reads it since 1.17.
_OPSET = 20

# A protobuf message ends at 2 GiB; the rest is for the graph, which is far smaller.
_MOST_BYTES_OF_WEIGHTS = 2**31 - 2**26


def export_onnx(model: PreTrainedModel, path: str | Path, *, feature_extractor: ASTFeatureExtractor) -> Path:
    """Write a classifier as an ONNX file: `input_values` (batch, max_length, num_mel_bins) -> `logits` (batch, num_labels).

    Both are float32, whatever the model's dtype. The model itself is left as it is. The file is written aside and then
    renamed, so that nobody reads half of one. Where the weights come near 2 GiB, the most that one ONNX file can hold,
    they go into a second file beside it, `<name>.data`, which has to stay there.

    The metadata holds `id2label`, `problem_type`, `sampling_rate` in Hz, `max_length` in frames, `num_mel_bins`,
    `do_normalize`, `mean` and `std` of the log-mel values (normalised, they are `(x - mean) / (2 * std)`),
    `merge_ratio`, `tokens_merged_per_layer`, `tokens_merged` (what each layer merges), `proportional_attention` and
    `fastast_version`.

    Args:
        model: a FastASTForAudioClassification.
        path: the file; its folder is made if it is not there.
        feature_extractor: the model's own: its settings go into the metadata.

    Returns:
        The file.

    Raises:
        ImportError: if onnx or onnxscript is not installed.
        TypeError: if the model is no FastAST classifier.
        OSError: if it cannot be written.
        ValueError: if the feature extractor makes spectrograms of another shape, or `path` is a folder.
    """
    path = Path(path)
    _check_export(model, path, feature_extractor)
    metadata = _metadata(model, feature_extractor)
    program = _to_onnx(model)
    # Nodes remember the lines of code that they come from, with the folders of this machine.
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    ClearMetadataAndDocStringPass()(program.model)
    program.model.metadata_props.update({name: json.dumps(value) for name, value in metadata.items()})
    _write(program.model, path)
    return path


def check_export_tools(*names: str) -> None:
    """Find out before the work whether what ONNX needs is installed.

    Args:
        *names: Packages.

    Raises:
        ImportError: If one is not.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Exporting needs {' and '.join(missing)}, which is not installed. Install what ONNX needs with "
            "`pip install 'fastast_hf[onnx]'`."
        )


class _Logits(nn.Module):
    """The part of a classifier that the file holds."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_values: torch.Tensor) -> torch.Tensor:
        """Give (batch, num_labels) for (batch, max_length, num_mel_bins)."""
        return self.model(input_values).logits


def _to_onnx(model: PreTrainedModel) -> Any:
    """Trace a float32 copy on the CPU."""
    twin = copy.deepcopy(model).float().cpu()
    twin.set_attn_implementation("eager")
    # Two clips: of one, torch.export would take the batch for a constant.
    example = torch.zeros(2, model.config.max_length, model.config.num_mel_bins)
    with torch.no_grad(), _quiet_exporter():
        return torch.onnx.export(
            _Logits(twin).eval(),
            (example,),
            dynamo=True,
            opset_version=_OPSET,
            input_names=["input_values"],
            output_names=["logits"],
            dynamic_shapes={"input_values": {0: torch.export.Dim("batch")}},
            custom_translation_table={torch.ops.aten.sort.stable: _stable_sort()},
            verbose=False,
        )


def _stable_sort() -> Callable[..., Any]:
    """Make the translation of `torch.sort(stable=True)`, which torch's exporter lacks."""
    from onnx_ir import DataType
    from onnxscript import opset20

    op: Any = opset20  # its types know no tensor of which only the dtype is known

    def aten_sort_stable(values: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
        """Sort by a TopK of all: of equal values, the ONNX standard puts the one with the lower index first."""
        if values.dtype in (DataType.BOOL, DataType.UINT8):  # ONNX Runtime has no TopK for them
            values = op.Cast(values, to=DataType.INT32)
        length = op.Gather(op.Shape(values), op.Constant(value_ints=[dim]))
        return op.TopK(values, length, axis=dim, largest=int(descending), sorted=1)

    return aten_sort_stable


def _metadata(model: PreTrainedModel, feature_extractor: ASTFeatureExtractor) -> dict[str, Any]:
    """Gather what a user of the file has to know."""
    config: Any = model.config
    return {
        "id2label": {str(index): label for index, label in config.id2label.items()},
        "problem_type": config.problem_type,
        **{name: getattr(feature_extractor, name) for name in _FEATURE_FIELDS},
        **{name: getattr(config, name) for name in _MERGING_FIELDS},
        "tokens_merged": config.merge_schedule().tokens_merged,
        "fastast_version": __version__,
    }


_FEATURE_FIELDS = ("sampling_rate", "max_length", "num_mel_bins", "do_normalize", "mean", "std")
_MERGING_FIELDS = ("merge_ratio", "tokens_merged_per_layer", "proportional_attention")


def _write(model: Any, path: Path) -> None:
    """Write an ONNX model aside and rename it into its place."""
    import onnx_ir

    path.parent.mkdir(parents=True, exist_ok=True)
    size = sum(value.const_value.nbytes for value in model.graph.initializers.values())
    data_name = f"{path.name}.data" if size > _MOST_BYTES_OF_WEIGHTS else None
    with tempfile.TemporaryDirectory(prefix=f"_{path.name}.", dir=path.parent) as folder, naming(path, aside=folder):
        aside = Path(folder) / path.name
        onnx_ir.save(model, aside, external_data=data_name)
        if data_name is not None:  # first, since the other file names it
            aside.with_name(data_name).replace(path.with_name(data_name))
        aside.replace(path)


def _check_export(model: PreTrainedModel, path: Path, feature_extractor: ASTFeatureExtractor) -> None:
    """Refuse what would fail minutes later, or give a file that misleads."""
    check_export_tools("onnx", "onnxscript")
    # Not `isinstance`: a model that came with its own code has another class.
    if not hasattr(getattr(model, "config", None), "merge_schedule") or not hasattr(model, "classifier"):
        raise TypeError(
            f"`model` must be a FastASTForAudioClassification, got {type(model).__name__}. Load any AST as one with "
            "`FastASTForAudioClassification.from_pretrained`."
        )
    for name in ("max_length", "num_mel_bins"):
        ours, theirs = getattr(model.config, name), getattr(feature_extractor, name)
        if ours != theirs:
            raise ValueError(
                f"`feature_extractor` must have the model's `{name}` = {ours}, got {theirs}. Give the one that was saved "
                "with the model."
            )
    if path.is_dir():
        raise ValueError(f"`path` must be a file, got the folder {path}. Give a name such as {path / 'fastast.onnx'}.")


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep back what torch's exporter says of itself: libraries that no FastAST needs, its own deprecated calls."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\)", category=FutureWarning)
            yield
    finally:
        logger.setLevel(level)


__all__ = ["check_export_tools", "export_onnx"]
