import pytest
import torch
from torch import nn

from fastast_hf.evaluation.inference import inference


def test_models_run_in_eval_mode_without_gradients():
    first, second = nn.Linear(2, 2), nn.Sequential(nn.Dropout())
    with inference(first, second):
        assert not first.training
        assert not second[0].training
        assert first(torch.zeros(1, 2)).is_inference()
    assert first.training
    assert second[0].training


def test_modes_come_back_after_an_error():
    model = nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="stop"), inference(model):
        raise RuntimeError("stop")
    assert model.training
