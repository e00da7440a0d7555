"""The file that holds a run's numbers: what `results.json` must contain, and how it is read.

```
schema       1
command      how to repeat the run, one line
date         ISO 8601
environment  hardware {cpu, cores, threads, gpu, ...}, versions {python, torch, ...}
data         name, num_train, num_eval, labels [...]; if they apply: eval_fold, split_column, id (on the Hub), license
training     every argument that decides the outcome: epochs, learning_rate, seed, merge_ratio, ...
models       fastast, and if they apply teacher and ast, each with any of:
             base_model, num_parameters, metrics {accuracy, map, in 0 to 1}, train_seconds, license (of base_model),
             merge_schedule [tokens merged at each layer, for the benchmark's num_frames]
benchmark    batch_size, num_frames, dtype, rows {model: {clips_per_second, latency_ms, speed_up, gmacs_per_clip,
             and if it applies mac_ratio}}
```
More fields than these do no harm. A file of speed alone has `"kind": "speed"` and no data, training or models, but

```
model          the name of what was measured
random_weights true if what the model answers means nothing; false or left out otherwise
against        the name of the baseline, if it is another model than this one unmerged
benchmark      rows [...], each with name, runtime, dtype, num_frames, batch_size, merging {a field of FastASTConfig},
               clips_per_second, latency_ms (median), latency_iqr_ms, speed_up, gmacs_per_clip, mac_ratio,
               share_of_mac_ratio; if they apply speed_up_low and speed_up_high (quartiles over the turns),
               peak_memory_mib, agreement (0 to 1, with the baseline's top answers on num_clips sounds). The first row of a
               batch size is the baseline of the others.
file_to_label  if it was measured: see fastast_hf.hub.file_to_label_tables
front_end      if it was measured: num_clips, clip_seconds, turns, stock_features ("numpy" or "torchaudio"),
               stock_ms_per_clip, fast_ms_per_clip, speed_up, speed_up_low, speed_up_high, largest_difference (of the
               log-mel before normalisation)
```
A file of a search for a merge schedule has `"kind": "tuning"`, `model` and

```
tuning         speedup or max_drop; num_clips_searched, num_clips_checked, num_frames, trials, seconds, seed; rows [...], each
               with name, merging {a field of FastASTConfig}, mac_ratio, mean_kl and top_answer (0 to 1) of the checked clips
               beside the unmerged model; chosen, the name of a row
```
"""

import json
import math
from collections.abc import Mapping
from datetime import date
from numbers import Real
from pathlib import Path
from typing import Any

from fastast_hf.hub.file_to_label_tables import check_file_to_label
from fastast_hf.hub.tuning_tables import check_tuning

SCHEMA = 1

MODEL_NAMES = {"teacher": "Teacher", "ast": "AST", "fastast": "FastAST"}
"""The models that results may hold, in the order of the tables, and how tables call them."""

_REQUIRED: dict[str, type] = {
    "command": str,
    "date": str,
    "environment.hardware": dict,
    "environment.versions": dict,
}
_REQUIRED_OF_SPEED: dict[str, type] = {"model": str, "benchmark.rows": list}
_REQUIRED_OF_TUNING: dict[str, type] = {"model": str, "tuning": dict}
_REQUIRED_OF_A_RUN: dict[str, type] = {
    "benchmark.batch_size": int,
    "benchmark.num_frames": int,
    "benchmark.dtype": str,
    "benchmark.rows": dict,
    "data.name": str,
    "data.num_train": int,
    "data.num_eval": int,
    "data.labels": list,
    "training": dict,
    "models": dict,
    "models.fastast": dict,
}
_ROW_FIELDS = ("clips_per_second", "latency_ms", "speed_up", "gmacs_per_clip")
_FIELDS_OF_A_SPEED_ROW = (
    *_ROW_FIELDS,
    "latency_iqr_ms",
    "mac_ratio",
    "share_of_mac_ratio",
    "batch_size",
    "num_frames",
)
_OPTIONAL_FIELDS_OF_A_SPEED_ROW = ("agreement", "peak_memory_mib", "speed_up_high", "speed_up_low")
_FIELDS_OF_A_FRONT_END = (
    *("num_clips", "clip_seconds", "turns", "stock_ms_per_clip", "fast_ms_per_clip"),
    *("speed_up", "speed_up_low", "speed_up_high", "largest_difference"),
)


def provenance(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields that say how, when and where numbers came about.

    Args:
        environment: as `fastast_hf.evaluation.environment` describes this process.

    Returns:
        `command`, `date` and `environment`.
    """
    return {"command": environment["command"], "date": environment["date"], "environment": dict(environment)}


def load_results(path: Path | str) -> dict[str, Any]:
    """Read and check a results file.

    Args:
        path: A JSON file as this module describes it.

    Returns:
        The results.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is no JSON or its content does not fit.
    """
    text = Path(path).read_text(encoding="utf-8")
    try:
        results = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"`{Path(path).name}` must be JSON, got: {error}. Write it with `json.dump`.") from error
    check_results(results)
    return results


def check_results(results: Mapping[str, Any]) -> None:
    """Check that results hold everything that tables and cards are rendered from.

    Args:
        results: See the module.

    Raises:
        ValueError: Naming the first field that is missing, of the wrong type or out of range.
    """
    if not isinstance(results, Mapping) or results.get("schema") != SCHEMA:
        found = results.get("schema") if isinstance(results, Mapping) else type(results).__name__
        raise ValueError(f"`schema` must be {SCHEMA}, got {found!r}. Run the command again with this version.")
    of_its_kind = _REQUIRED_OF_A_RUN
    if is_speed(results):
        of_its_kind = _REQUIRED_OF_SPEED
    elif is_tuning(results):
        of_its_kind = _REQUIRED_OF_TUNING
    for path, expected in (_REQUIRED | of_its_kind).items():
        _check_field(results, path, expected)
    _check_date(results["date"])
    if is_speed(results):
        _check_speed(results)
    elif is_tuning(results):
        check_tuning(results["tuning"])
    else:
        _check_run(results)


def is_speed(results: Mapping[str, Any]) -> bool:
    """Tell results of speed alone from those of a run."""
    return results.get("kind") == "speed"


def is_tuning(results: Mapping[str, Any]) -> bool:
    """Tell results of a search for a merge schedule from those of a run."""
    return results.get("kind") == "tuning"


def _check_run(results: Mapping[str, Any]) -> None:
    """Check what teacher, AST and FastAST are told of."""
    rows = results["benchmark"]["rows"]
    _check_names("models", results["models"])
    _check_names("benchmark.rows", rows)
    for name, model in results["models"].items():
        _check_model(f"models.{name}", model)
    for name, row in rows.items():
        _check_numbers(f"benchmark.rows.{name}", row, (*_ROW_FIELDS, *({"mac_ratio"} & row.keys())))


def _check_speed(results: Mapping[str, Any]) -> None:
    """Check the rows of a speed measurement, the part from file to label and the front end."""
    rows = results["benchmark"]["rows"]
    if not rows:
        raise ValueError("`benchmark.rows` must hold at least one row, got none. Run `fastast benchmark` again.")
    for number, row in enumerate(rows):
        path = f"benchmark.rows[{number}]"
        if not isinstance(row, Mapping):
            raise ValueError(f"`{path}` must be a dictionary, got {row!r}. Run `fastast benchmark` again.")
        for name in ("name", "dtype", "runtime"):
            _check_field(row, name, str, path=f"{path}.{name}")
        measured = tuple(name for name in _OPTIONAL_FIELDS_OF_A_SPEED_ROW if row.get(name) is not None)
        _check_numbers(path, row, (*_FIELDS_OF_A_SPEED_ROW, *measured))
        if "agreement" in measured:
            _check_share(f"{path}.agreement", row["agreement"])
    if "random_weights" in results and not isinstance(results["random_weights"], bool):
        raise ValueError(
            f"`random_weights` must be true or false, got {results['random_weights']!r}. Leave it out for trained weights."
        )
    if "file_to_label" in results:
        check_file_to_label(results["file_to_label"])
    if "front_end" in results:
        _check_front_end(results)


def _check_front_end(results: Mapping[str, Any]) -> None:
    """Check what the two feature extractors take."""
    _check_field(results, "front_end", dict)
    part = results["front_end"]
    _check_numbers("front_end", part, _FIELDS_OF_A_FRONT_END)
    if part.get("stock_features") not in ("numpy", "torchaudio"):
        raise ValueError(
            f'`front_end.stock_features` must be "numpy" or "torchaudio", got {part.get("stock_features")!r}. Run `fastast '
            "benchmark` again."
        )


def _check_field(results: Mapping[str, Any], keys: str, expected: type, *, path: str | None = None) -> None:
    """Check that dotted keys lead to a value of the expected type; `path` is what a message calls them."""
    value: Any = results
    path = path or keys
    for key in keys.split("."):
        if not isinstance(value, Mapping) or key not in value:
            raise ValueError(f"`{path}` must be given, got nothing. See fastast_hf.hub.results for the fields.")
        value = value[key]
    if not isinstance(value, expected) or isinstance(value, bool):
        raise ValueError(
            f"`{path}` must be of type {expected.__name__}, got {value!r}. See fastast_hf.hub.results for the fields."
        )


def _check_date(text: str) -> None:
    try:
        date.fromisoformat(text[:10])
    except ValueError as error:
        raise ValueError(f"`date` must be an ISO 8601 date, got {text!r}. Write it as 2025-01-31.") from error


def _check_names(path: str, models: Mapping[str, Any]) -> None:
    for name, value in models.items():
        if name not in MODEL_NAMES or not isinstance(value, Mapping):
            raise ValueError(
                f"`{path}` must hold dictionaries named {', '.join(MODEL_NAMES)}, got {name!r}. Rename or remove it."
            )


def _check_model(path: str, model: Mapping[str, Any]) -> None:
    """Check the optional numbers of one model."""
    metrics = model.get("metrics") or {}
    _check_numbers(f"{path}.metrics", metrics, tuple(metrics))
    for name in ("accuracy", "map"):
        if name in metrics:
            _check_share(f"{path}.metrics.{name}", metrics[name])
    _check_numbers(path, model, tuple({"num_parameters", "train_seconds"} & model.keys()))


def _check_share(path: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"`{path}` must lie in [0, 1], got {value}. Give a share, not per cent.")


def _check_numbers(path: str, values: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Check that the named values are there and are finite numbers."""
    for name in names:
        value = values.get(name)
        if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
            raise ValueError(
                f"`{path}.{name}` must be a finite number, got {value!r}. Leave out what was not measured."
            )
