"""Results as a run writes them, for the tests of this room."""

import copy
from typing import Any

EXAMPLE: dict[str, Any] = {
    "schema": 1,
    "command": "distill.py --data_dir esc10 --eval_fold 1",
    "date": "2025-01-31",
    "environment": {
        "hardware": {"cpu": "A Processor", "cores": 2, "threads": 2, "gpu": None, "system": "Linux x86_64"},
        "versions": {"python": "3.11.2", "torch": "2.13.0", "transformers": "5.24.0", "fastast_hf": "0.1.0"},
        "dtype": "float32",
        "date": "2025-01-31",
        "command": "distill.py --data_dir esc10 --eval_fold 1",
    },
    "data": {"name": "ESC-10", "num_train": 320, "num_eval": 80, "labels": ["dog", "rain"], "eval_fold": 1},
    "training": {"epochs": 20, "learning_rate": 3e-4, "seed": 0, "merge_ratio": 0.25, "distillation_weight": 0.9},
    "models": {
        "teacher": {
            "base_model": "efficientat_mn04_as",
            "license": "mit",
            "num_parameters": 983_000,
            "metrics": {"accuracy": 0.9875, "map": 0.999},
            "train_seconds": 31.0,
        },
        "ast": {"num_parameters": 5_500_000},
        "fastast": {
            "base_model": "facebook/deit-tiny-patch16-224",
            "license": "apache-2.0",
            "num_parameters": 5_500_000,
            "metrics": {"accuracy": 0.9625, "map": 0.9912},
            "train_seconds": 415.2,
        },
    },
    "benchmark": {
        "batch_size": 16,
        "num_frames": 512,
        "dtype": "float32",
        "rows": {
            "ast": {
                "clips_per_second": 10.0,
                "latency_ms": 1600.0,
                "gmacs_per_clip": 4.5,
                "speed_up": 1.0,
                "mac_ratio": 1.0,
            },
            "fastast": {
                "clips_per_second": 36.0,
                "latency_ms": 444.4,
                "gmacs_per_clip": 1.125,
                "speed_up": 3.6,
                "mac_ratio": 4.0,
            },
        },
    },
}


_PADDED = {"runtime": "eager", "dtype": "float32", "num_frames": 1024, "repeats": 20}
SPEED_EXAMPLE: dict[str, Any] = {
    **{name: EXAMPLE[name] for name in ("schema", "date", "environment")},
    "kind": "speed",
    "command": "fastast benchmark ast-base --batch-size 1",
    "model": "ast-base",
    "benchmark": {
        "rows": [
            {
                **_PADDED,
                "name": "AST",
                "merging": {"merge_ratio": 0.0},
                "batch_size": 1,
                "clips_per_second": 0.8,
                "latency_ms": 1250.0,
                "latency_iqr_ms": 25.25,
                "gmacs_per_clip": 130.514,
                "speed_up": 1.0,
                "mac_ratio": 1.0,
                "share_of_mac_ratio": 1.0,
                "peak_memory_mib": 21.16,
            },
            {
                **_PADDED,
                "name": "ratio 0.25, onnxruntime",
                "merging": {"merge_ratio": 0.25},
                "runtime": "onnxruntime",
                "batch_size": 1,
                "clips_per_second": 3.0,
                "latency_ms": 333.3,
                "latency_iqr_ms": 4.0,
                "gmacs_per_clip": 32.628,
                "speed_up": 3.75,
                "mac_ratio": 4.0,
                "share_of_mac_ratio": 0.9375,
                "peak_memory_mib": None,
            },
        ]
    },
}


FRONT_END: dict[str, Any] = {
    "num_clips": 16,
    "clip_seconds": 10.24,
    "turns": 10,
    "stock_features": "numpy",
    "stock_ms_per_clip": 40.25,
    "fast_ms_per_clip": 5.0,
    "speed_up": 8.0,
    "speed_up_low": 7.75,
    "speed_up_high": 8.25,
    "largest_difference": 2.14e-5,
}


def _row(name: str, training: str, accuracy: list[float], **measured: float | str) -> dict[str, Any]:
    return {"name": name, "training": training, "accuracy": accuracy, "map": [0.95, 0.97], **measured}


COMPARISON_EXAMPLE: dict[str, Any] = {
    **{name: EXAMPLE[name] for name in ("schema", "date", "environment")},
    "kind": "comparison",
    "command": "python -m model_cards.evidence --only esc10",
    "comparison": {
        "data": "ESC-10",
        "part": "fold",
        "num_parts": 2,
        "num_clips": 160,
        "baseline": "AST",
        "rows": [
            _row("AST", "labels", [0.9, 0.925], speed_up=1.0, training_speed_up=1.0, training_peak_mib=1393.25),
            _row("FastAST, ratio 0.25, AST's weights", "labels", [0.9, 0.9], weights="AST", speed_up=3.9),
            _row("FastAST | CMKD", "labels and teacher", [0.9375, 0.95], speed_up=5.2, training_speed_up=4.0),
            _row("CNN teacher", "AudioSet, then labels", [0.95, 0.9625], speed_up=9.7),
        ],
        "pairs": [
            {
                **{"first": "FastAST | CMKD", "second": "AST", "mean": 0.03125, "low": -0.005, "high": 0.0675},
                **{"only_first": 9, "only_second": 4, "p_value": 0.267},
            },
            {"first": "FastAST | CMKD", "second": "CNN teacher", "mean": -0.01, "low": -0.02, "high": 0.0},
        ],
    },
}

QUESTIONS_EXAMPLE: dict[str, Any] = {
    **{name: EXAMPLE[name] for name in ("schema", "date", "environment")},
    "kind": "questions",
    "command": "python -m model_cards.evidence",
    "questions": [
        {
            **{"title": "Accuracy at merge ratio", "data": "Eighty clips | of one fold.", "format": "accuracy"},
            "columns": ["0", "0.25"],
            "rows": [{"name": "AST", "values": [0.9375, None]}],
        },
        {
            **{"title": "Mean KL", "data": "Eighty others.", "format": "kl", "columns": ["2x", "4x"]},
            "rows": [{"name": "tuned", "values": [0.00102, 0.02]}],
        },
        {
            **{"title": "Less KL", "data": "Eighty others.", "format": "share", "columns": ["2x", "4x"]},
            "rows": [{"name": "fold 1", "values": [0.55, 0.3]}],
        },
    ],
}


def comparison_example() -> dict[str, Any]:
    """Copy the example of a comparison."""
    return copy.deepcopy(COMPARISON_EXAMPLE)


def questions_example() -> dict[str, Any]:
    """Copy the example of questions."""
    return copy.deepcopy(QUESTIONS_EXAMPLE)


def speed_example(*, batch_sizes: tuple[int, ...] = (1,), **of_each_row: Any) -> dict[str, Any]:
    """Copy the example of speed alone; repeat its rows at each batch size, and set fields in all of them."""
    results = copy.deepcopy(SPEED_EXAMPLE)
    rows = results["benchmark"]["rows"]
    results["benchmark"]["rows"] = [{**row, "batch_size": size, **of_each_row} for size in batch_sizes for row in rows]
    return results


def example(**changes: Any) -> dict[str, Any]:
    """Copy the example and set fields by their dotted path, written with double underscores; None removes one."""
    results = copy.deepcopy(EXAMPLE)
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = results
        for key in parents:
            target = target[key]
        if value is None:
            del target[last]
        else:
            target[last] = value
    return results
