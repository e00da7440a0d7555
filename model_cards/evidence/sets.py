"""The data sets, the rows of their tables, and the settings that are tried: what runs are told, and nothing of their order."""

from typing import NamedTuple

Options = dict[str, str]
"""Arguments of examples/distill.py, without the dashes."""


def on_labels(*rates: str) -> dict[str, Options]:
    """Give candidates for rows without a teacher."""
    return {f"lr{rate}": {"learning_rate": rate} for rate in rates}


def taught(*settings: tuple[str, str, str]) -> dict[str, Options]:
    """Give candidates for rows with a teacher: learning rate, weight and temperature."""
    names = ("learning_rate", "distillation_weight", "distillation_temperature")
    labels = [f"lr{rate}-weight{weight}" for rate, weight, _ in settings]
    return dict(zip(labels, (dict(zip(names, values, strict=True)) for values in settings), strict=True))


class SoundSet(NamedTuple):
    """A data set and what all of its runs share.

    Attributes:
        options: length, epochs, augmentation.
        parts: what a row is repeated over: folds, or seeds of one division.
        merge_ratio: of the rows that train with merging.
        merge_ratio_stride16: of settings that are tried, and of ablations.
        teacher: how the CNN learns the labels.
        candidates: settings that are tried for a row, as many with a teacher (True) as without; of equals the first is
            taken.
    """

    options: Options
    parts: dict[str, Options]
    merge_ratio: str
    merge_ratio_stride16: str
    teacher: Options
    candidates: dict[bool, dict[str, Options]]


SETS = {
    "esc10": SoundSet(
        options={"max_length": "512", "num_train_epochs": "20"},
        parts={f"fold{fold}": {"eval_fold": str(fold)} for fold in range(1, 6)},
        merge_ratio="0.4",
        merge_ratio_stride16="0.35",
        teacher={"teacher_freeze_base_model": "True", "teacher_num_train_epochs": "20"},
        candidates={
            False: on_labels("3e-4", "1e-4", "6e-4", "5e-5"),
            True: taught(
                *(("3e-4", "0.9", "2"), ("3e-4", "0.5", "1")),
                *(("6e-4", "0.9", "2"), ("1e-4", "0.9", "2")),
            ),
        },
    ),
    "speech": SoundSet(
        # AST's masks for Speech Commands; a word that is rolled over its end is another word
        options={
            **{"max_length": "128", "num_train_epochs": "20"},
            **{"time_roll": "False", "frequency_mask_bins": "48", "time_mask_frames": "48"},
        },
        parts={f"seed{seed}": {"split_column": "split", "seed": str(seed)} for seed in range(1, 4)},
        merge_ratio="0.2",
        merge_ratio_stride16="0.15",
        # frozen, what AudioSet taught it tells words apart badly
        teacher={"teacher_freeze_base_model": "False", "teacher_num_train_epochs": "20"},
        candidates={
            False: on_labels("3e-4", "1e-4", "5e-5"),
            True: taught(("3e-4", "0.9", "2"), ("1e-4", "0.9", "2"), ("1e-4", "0.5", "1")),
        },
    ),
}

RATIOS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.275, 0.3, 0.35, 0.4, 0.45, 0.5)
"""What every trained model is run at, merging or not while it was trained."""

STRIDE_10 = {"frequency_stride": "10", "time_stride": "10"}
STRIDE_16 = {"frequency_stride": "16", "time_stride": "16"}
LABELS = {"distillation_weight": "0"}

ROWS: dict[str, Options] = {
    "fastast-cmkd": STRIDE_10 | {"merge_ratio": "RATIO"},  # its teacher teaches the other row, too
    "ast": STRIDE_10 | LABELS,
    "fastast": STRIDE_10 | LABELS | {"merge_ratio": "RATIO"},
    "ast-stride16": STRIDE_16 | LABELS,
    "fastast-cmkd-long": STRIDE_10 | {"merge_ratio": "RATIO", "num_train_epochs": "60"},
    "ast-cmkd": STRIDE_10,
}

LAST_ROWS = {"esc10": ("fastast-cmkd-long", "ast-cmkd"), "speech": ("ast-cmkd",)}
"""Rows that come when all others are done: one of three times the epochs, and the costliest."""

FIRST_ROWS = [row for row in ROWS if row not in LAST_ROWS["esc10"]]
"""Rows that the claims rest on."""

TUNED_AS = {"ast-stride16": "ast", "ast-cmkd": "fastast-cmkd", "fastast-cmkd-long": "fastast-cmkd"}
"""Rows without tuning runs of their own, and whose settings they take over."""

RECIPE: Options = {
    "per_device_train_batch_size": "16",
    "weight_decay": "0.05",
    "warmup_steps": "0.1",
    "lr_scheduler_type": "cosine",
    "benchmark_repeats": "1",
    "logging_strategy": "epoch",
    "save_strategy": "epoch",
    "save_total_limit": "1",
}

ABLATIONS: dict[str, Options] = {
    "base": {},
    "labels-weigh-half": {"distillation_weight": "0.5"},
    "teacher-alone": {"distillation_weight": "1"},
    "temperature1": {"distillation_temperature": "1"},
    "temperature4": {"distillation_temperature": "4"},
    "ratio0": {"merge_ratio": "0"},
    "ratio0.15": {"merge_ratio": "0.15"},
    "ratio0.45": {"merge_ratio": "0.45"},
    "no-proportional-attention": {"proportional_attention": "False"},
    "self-distillation": {},
}
"""What differs from the row "fastast-cmkd", settings included, at stride 16. The last has AST as its teacher."""

ABLATIONS_IN_WORDS = {
    "labels-weigh-half": "distillation weight 0.5",
    "teacher-alone": "distillation weight 1: the teacher alone",
    "temperature1": "temperature 1",
    "temperature4": "temperature 4",
    "ratio0": "ratio 0",
    "ratio0.15": "ratio 0.15",
    "ratio0.45": "ratio 0.45",
    "no-proportional-attention": "without proportional attention",
    "self-distillation": "AST in place of the CNN",
}
"""What tables call the runs; the base they call by its settings."""
