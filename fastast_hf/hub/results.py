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
More fields than these do no harm. A file of speed alone has `"kind": "speed"`, `model`, the name of what was measured,
instead of data, training and models, and rows of any name in its benchmark.
"""

import json
import math
from collections.abc import Mapping
from datetime import date
from numbers import Real
from pathlib import Path
from typing import Any

SCHEMA = 1

MODEL_NAMES = {"teacher": "Teacher", "ast": "AST", "fastast": "FastAST"}
"""The models that results may hold, in the order of the tables, and how tables call them."""

_REQUIRED: dict[str, type] = {
    "command": str,
    "date": str,
    "environment.hardware": dict,
    "environment.versions": dict,
    "benchmark.batch_size": int,
    "benchmark.num_frames": int,
    "benchmark.dtype": str,
    "benchmark.rows": dict,
}
_REQUIRED_OF_A_RUN: dict[str, type] = {
    "data.name": str,
    "data.num_train": int,
    "data.num_eval": int,
    "data.labels": list,
    "training": dict,
    "models": dict,
    "models.fastast": dict,
}
_ROW_FIELDS = ("clips_per_second", "latency_ms", "speed_up", "gmacs_per_clip")
_RATIO_FIELDS = {"mac_ratio", "share_of_mac_ratio"}


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
    of_its_kind = {"model": str} if is_speed(results) else _REQUIRED_OF_A_RUN
    for path, expected in (_REQUIRED | of_its_kind).items():
        _check_field(results, path, expected)
    _check_date(results["date"])
    if not is_speed(results):
        _check_names("models", results["models"])
        _check_names("benchmark.rows", results["benchmark"]["rows"])
        for name, model in results["models"].items():
            _check_model(f"models.{name}", model)
    for name, row in results["benchmark"]["rows"].items():
        _check_numbers(f"benchmark.rows.{name}", row, (*_ROW_FIELDS, *(_RATIO_FIELDS & row.keys())))


def is_speed(results: Mapping[str, Any]) -> bool:
    """Tell results of speed alone from those of a run."""
    return results.get("kind") == "speed"


def _check_field(results: Mapping[str, Any], path: str, expected: type) -> None:
    """Check that a dotted path leads to a value of the expected type."""
    value: Any = results
    for key in path.split("."):
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
        if name in metrics and not 0 <= metrics[name] <= 1:
            raise ValueError(
                f"`{path}.metrics.{name}` must lie in [0, 1], got {metrics[name]}. Give a share, not per cent."
            )
    _check_numbers(path, model, tuple({"num_parameters", "train_seconds"} & model.keys()))


def _check_numbers(path: str, values: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Check that the named values are there and are finite numbers."""
    for name in names:
        value = values.get(name)
        if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
            raise ValueError(
                f"`{path}.{name}` must be a finite number, got {value!r}. Leave out what was not measured."
            )
