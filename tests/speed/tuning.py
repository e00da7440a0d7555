"""What the tests of tuning share: a small model, its clips, and what schedules save it."""

import torch

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.speed.contenders import Opened
from fastast_hf.speed.schedule_savings import SavingsOfSchedules
from tests.conftest import tiny_config, tiny_model

CLIPS = torch.randn(9, 96, 36, generator=torch.Generator().manual_seed(0))
SEARCHED = CLIPS[[0, 1, 3, 4, 6, 7]]
SAVINGS = SavingsOfSchedules(tiny_config(num_hidden_layers=3), 96)


def opened(**fields):
    return Opened(
        "mine", tiny_model(num_hidden_layers=3, **fields), FastASTFeatureExtractor(num_mel_bins=36, max_length=96)
    )
