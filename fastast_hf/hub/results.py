"""The file that holds a run's numbers: what `results.json` must contain, and how it is read.

```
schema       1
command      how to repeat the run, one line
date         ISO 8601
environment  hardware {cpu, cores, threads, gpu, ...}, versions {python, torch, ...}
data         name, num_train, num_eval, labels [...]; if they apply: eval_fold, split_column, id (on the Hub), license,
             unreadable {name of a clip that was left out: why}
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
unreadable     if there were sounds: {path of one that was left out: why}
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
               beside the unmerged model, and if it was searched top_answer_searched (of the searched clips, by which max_drop
               chooses); chosen, the name of a row, which the checked clips had no say in; better_constant, null or the name,
               the mean_kl and the command (a line for a shell) of the row of one ratio or one r that these clips like better
               than the chosen one; if it applies unreadable {path of a sound that was left out: why}
```
A file of several models over several folds or seeds has `"kind": "comparison"` and

```
comparison     data, part ("fold" or "seed"), num_parts, num_clips (of all folds, or of the one division), baseline (the name
               of a row); rows [...], each with name, training (what it learnt from), accuracy and map (lists, one a part,
               0 to 1), if they are not its own weights (the name of the row that they are of), and if they were measured speed_up and training_speed_up (against the baseline) and
               training_peak_mib; pairs [...], each with first and second (names of rows), mean (difference in accuracy), over
               several parts low and high (its 95 % interval), and if answers were kept only_first, only_second, p_value
               (McNemar)
speed          if it was measured: date, environment and benchmark of the speed measurement
machines       if they are known: the processors of the runs, [...] of text, or null
```
A file of small tables, one for each question that was asked, has `"kind": "questions"` and

```
questions      [...], each with title, data (a line on what it was measured on), format (what its numbers are, see
               fastast_hf.hub.question_tables), columns [...], rows [...], each with name and values (one a column, null where
               none was measured)
```
A file of commands with what they printed has `"kind": "commands"` and

```
commands       [...], each with command and output, as text
```
"""

import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from fastast_hf.hub.command_blocks import check_commands
from fastast_hf.hub.comparison_tables import check_comparison
from fastast_hf.hub.fields import FINITE, TEXT, check_each, check_field, check_not_negative, check_numbers, check_share
from fastast_hf.hub.question_tables import check_questions
from fastast_hf.hub.speed_tables import check_speed
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
_REQUIRED_OF: dict[str, dict[str, type]] = {
    "run": {
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
    },
    "speed": {"model": str, "benchmark.rows": list},
    "tuning": {"model": str, "tuning": dict},
    "comparison": {"comparison": dict},
    "questions": {"questions": list},
    "commands": {"commands": list},
}
_REQUIRED_OF_CONDITIONS: dict[str, type] = {
    "date": str,
    "environment.hardware": dict,
    "environment.versions": dict,
    "benchmark.rows": list,
}
_ROW_FIELDS = ("clips_per_second", "latency_ms", "speed_up", "gmacs_per_clip")


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
    try:
        results = json.loads(Path(path).read_text(encoding="utf-8"))
    except (RecursionError, ValueError) as error:  # also of another encoding, or with a number of thousands of digits
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
    kind = kind_of(results)
    for path, expected in (_REQUIRED | _REQUIRED_OF[kind]).items():
        check_field(results, path, expected)
    _check_date(results["date"])
    if results.get("machines") is not None:
        check_each("machines", results["machines"], TEXT)
    _CHECKS[kind](results)


def kind_of(results: Mapping[str, Any]) -> str:
    """Tell what results are of.

    Args:
        results: Results, checked or not.

    Returns:
        "run", "speed", "tuning", "comparison", "questions" or "commands".

    Raises:
        ValueError: If they are of something else.
    """
    kind = results.get("kind", "run")
    if not isinstance(kind, str) or kind not in _REQUIRED_OF:
        raise ValueError(f"`kind` must be one of {', '.join(_REQUIRED_OF)}, got {kind!r}. Leave it out for a run.")
    return kind


def _check_run(results: Mapping[str, Any]) -> None:
    """Check what teacher, AST and FastAST are told of."""
    rows, data = results["benchmark"]["rows"], results["data"]
    check_not_negative("data", data, ("num_train", "num_eval"))
    check_each("data.labels", data["labels"], TEXT)
    check_field(results, "data.unreadable", dict, optional=True)
    check_field(results, "data.remark", str, optional=True)
    _check_names("models", results["models"])
    _check_names("benchmark.rows", rows)
    for name, model in results["models"].items():
        _check_model(f"models.{name}", model)
    for name, row in rows.items():
        check_numbers(f"benchmark.rows.{name}", row, (*_ROW_FIELDS, *({"mac_ratio"} & row.keys())))


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
    check_field(model, "metrics", dict, path=f"{path}.metrics", optional=True)
    if model.get("merge_schedule") is not None:
        check_each(f"{path}.merge_schedule", model["merge_schedule"], FINITE)
    metrics = model.get("metrics") or {}
    check_numbers(f"{path}.metrics", metrics, tuple(metrics))
    for name in ("accuracy", "map"):
        if name in metrics:
            check_share(f"{path}.metrics.{name}", metrics[name])
    check_numbers(path, model, tuple({"num_parameters", "train_seconds"} & model.keys()))


def _check_comparison(results: Mapping[str, Any]) -> None:
    """Check a comparison, and of the speed measurement that it stands on what its conditions are told from."""
    check_comparison(results["comparison"])
    if "speed" not in results:
        return
    for keys, expected in _REQUIRED_OF_CONDITIONS.items():
        check_field(results, f"speed.{keys}", expected)
    for number, row in enumerate(results["speed"]["benchmark"]["rows"]):
        path = f"speed.benchmark.rows[{number}]"
        check_field(row, "dtype", str, path=f"{path}.dtype")
        check_numbers(path, row, ("batch_size", "num_frames"))


_CHECKS: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "run": _check_run,
    "speed": check_speed,
    "tuning": lambda results: check_tuning(results["tuning"]),
    "comparison": _check_comparison,
    "questions": lambda results: check_questions(results["questions"]),
    "commands": lambda results: check_commands(results["commands"]),
}
