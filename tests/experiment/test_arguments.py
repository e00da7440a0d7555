"""Settings of a run: read from a command line, and told apart."""

import pytest
from transformers import HfArgumentParser

from fastast_hf.distillation import CMKDTrainingArguments, SpectrogramAugmentation
from fastast_hf.experiment.arguments import (
    ComparisonArguments,
    DataArguments,
    ModelArguments,
    TeacherArguments,
    deciding_settings,
    parse_schedule,
    told_settings,
)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("0.25", float, 0.25),
        ("0", float, 0.0),
        ("40", int, 40),
        ("0.1,0.2, 0", float, [0.1, 0.2, 0.0]),
        ("[20, 10]", int, [20, 10]),
        (None, float, None),
    ],
)
def test_schedules_are_read(text, kind, expected):
    assert parse_schedule("merge_ratio", text, kind) == expected


@pytest.mark.parametrize(("text", "kind"), [("a lot", float), ("0.25", int), ("1,,2", int), ("", float)])
def test_other_text_is_no_schedule(text, kind):
    with pytest.raises(ValueError, match=f"`merge_ratio` must be {kind.__name__}s separated by commas"):
        parse_schedule("merge_ratio", text, kind)


def test_a_command_line_becomes_fields():
    parser = HfArgumentParser((ModelArguments, DataArguments, TeacherArguments, ComparisonArguments))
    model, data, teacher, comparison = parser.parse_args_into_dataclasses(
        [
            "--model_name_or_path",
            "a",
            "--merge_ratio",
            "0.1,0.2",
            "--max_length",
            "512",
            "--proportional_attention",
            "False",
            "--data_dir",
            "sounds",
            "--eval_fold",
            "1",
            "--teacher_name_or_path",
            "b",
            "--teacher_freeze_base_model",
            "--train_ast",
        ]
    )
    assert model.merging_fields() == {
        **{"merge_ratio": [0.1, 0.2], "tokens_merged_per_layer": None, "proportional_attention": False}
    }
    assert ModelArguments(tokens_merged_per_layer="7").merging_fields() == {
        **{"tokens_merged_per_layer": 7, "merge_ratio": 0.0}
    }
    assert ModelArguments().merging_fields() == {}, "the checkpoint's own schedule stays"
    assert model.embedding_fields() == {"max_length": 512}
    assert (data.eval_fold, teacher.teacher_freeze_base_model, comparison.train_ast) == (1, True, True)


def test_settings_tell_what_decides_and_nothing_else(tmp_path):
    settings = deciding_settings(
        ModelArguments(merge_ratio="0.25", token="secret", model_name_or_path=str(tmp_path / "start")),
        DataArguments(data_dir="sounds", eval_fold=1),
        SpectrogramAugmentation(mixup_probability=0.0),
        CMKDTrainingArguments(
            output_dir=str(tmp_path), hub_token="secret", learning_rate=3e-4, save_strategy="epoch", use_cpu=True
        ),
    )
    assert settings["model_name_or_path"] == str(tmp_path / "start"), "two folders of one name are two starts"
    assert told_settings(settings) == {
        **{"merge_ratio": "0.25", "model_name_or_path": "start", "data_dir": "sounds", "eval_fold": 1},
        **{"mixup_probability": 0.0, "learning_rate": 3e-4, "use_cpu": True, "num_train_epochs": 3.0, "seed": 42},
        **{"per_device_train_batch_size": 8, "gradient_accumulation_steps": 1},
        **{"distillation_weight": 0.5, "distillation_temperature": 1.0},
    }
