import copy
import json

import pytest
import torch
from transformers import HfArgumentParser

from fastast_hf.distillation.training_arguments import CMKDTrainingArguments


def test_arguments_have_the_papers_values_and_parse(tmp_path):
    (parsed,) = HfArgumentParser(CMKDTrainingArguments).parse_args_into_dataclasses(
        ["--output_dir", str(tmp_path), "--distillation_temperature", "2"]
    )
    assert parsed.distillation_weight == 0.5
    assert parsed.distillation_temperature == 2.0
    assert CMKDTrainingArguments(tmp_path).distillation_temperature == 1.0
    assert json.loads(parsed.to_json_string())["distillation_weight"] == 0.5


def test_distillation_weight_outside_its_range(tmp_path):
    with pytest.raises(ValueError, match=r"`distillation_weight` must be between 0 and 1, got 1\.5"):
        CMKDTrainingArguments(tmp_path, distillation_weight=1.5)


def test_distillation_temperature_outside_its_range(tmp_path):
    with pytest.raises(ValueError, match=r"`distillation_temperature` must be above 0 and finite, got 0"):
        CMKDTrainingArguments(tmp_path, distillation_temperature=0)


def test_a_token_is_not_written_into_files(tmp_path):
    arguments = CMKDTrainingArguments(tmp_path, hub_token="hf_secret", distillation_weight=0.25)
    torch.save(arguments, tmp_path / "training_args.bin")  # as the Trainer does, before it pushes the folder
    assert b"hf_secret" not in (tmp_path / "training_args.bin").read_bytes()
    assert arguments.hub_token == "hf_secret"
    for duplicate in (copy.copy(arguments), copy.deepcopy(arguments)):
        assert duplicate.hub_token == "hf_secret"
        assert duplicate.distillation_weight == 0.25
    assert torch.load(tmp_path / "training_args.bin", weights_only=False).distillation_weight == 0.25
