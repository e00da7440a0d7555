from math import floor

import pytest
from huggingface_hub.errors import StrictDataclassFieldValidationError

from fastast_hf.distillation.configuration_efficientat import EfficientATConfig, scale_channels
from fastast_hf.distillation.efficientat import EfficientATForAudioClassification
from tests.conftest import SHARED, requires_shared

RELEASED = SHARED / "models" / "efficientat_mn04_as"


@requires_shared
def test_released_weights_tell_what_they_are():
    config = EfficientATConfig.from_pretrained(RELEASED)
    assert config.width_multiplier == 0.4
    assert config.num_labels == 527
    assert config.id2label[0] == "Speech"
    assert config.problem_type == "multi_label_classification"


def test_weights_alone_tell_width_and_number_of_labels(tmp_path):
    EfficientATForAudioClassification(EfficientATConfig(width_multiplier=0.5, num_labels=4)).save_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    config = EfficientATConfig.from_pretrained(tmp_path)
    assert config.width_multiplier == 0.5
    assert config.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2", 3: "LABEL_3"}
    assert config.problem_type == "multi_label_classification"
    assert EfficientATConfig.from_pretrained(tmp_path, num_labels=2).id2label == {0: "LABEL_0", 1: "LABEL_1"}


@pytest.mark.parametrize("factor", [0.1, 0.25, 0.4, 0.5, 1.0, 1.5])
def test_channels_equal_their_twin(factor):
    for channels in range(1, 200):
        product = channels * factor
        nearest = 8 * floor(product / 8 + 0.5)  # a half goes up
        candidates = [number for number in (nearest, nearest + 8) if number >= 8 and number >= 0.9 * product]
        assert scale_channels(channels, factor) == candidates[0]


@pytest.mark.parametrize("width_multiplier", [0.0, -0.4])
def test_width_multiplier_outside_its_range(width_multiplier):
    with pytest.raises(ValueError, match=r"`width_multiplier` must be above 0, got .* Released networks have"):
        EfficientATConfig(width_multiplier=width_multiplier)


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_classifier_dropout_outside_its_range(dropout):
    with pytest.raises(ValueError, match=r"`classifier_dropout` must be in \[0, 1\), got .* Use 0 for no dropout"):
        EfficientATConfig(classifier_dropout=dropout)


def test_field_of_another_type():
    with pytest.raises(StrictDataclassFieldValidationError, match=r"'width_multiplier'"):
        EfficientATConfig(width_multiplier="0.4")
