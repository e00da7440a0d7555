import pytest
import torch

from fastast_hf.evaluation.agreement import agreement


def test_agreement_is_the_slow_arithmetic():
    reference = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    logits = torch.randn(7, 5, generator=torch.Generator().manual_seed(1))
    same, divergence = 0, 0.0
    for expected, got in zip(reference.double().softmax(-1), logits.double().softmax(-1), strict=True):
        same += int(expected.argmax() == got.argmax())
        divergence += sum(float(p * (p / q).log()) for p, q in zip(expected, got, strict=True))
    result = agreement(reference, logits)
    assert result.top_answer == pytest.approx(same / 7)
    assert result.mean_kl == pytest.approx(divergence / 7)
    assert result.to_dict() == {"top_answer": result.top_answer, "mean_kl": result.mean_kl}


def test_a_model_agrees_with_itself():
    logits = torch.randn(4, 3).half()
    assert agreement(logits, logits).to_dict() == {"top_answer": 1.0, "mean_kl": 0.0}


@pytest.mark.parametrize("shape", [(4, 2), (3, 3), (3,), (0, 3)])
def test_logits_of_other_clips_or_labels_are_refused(shape):
    reference = torch.zeros(0, 3) if shape == (0, 3) else torch.zeros(4, 3)
    with pytest.raises(ValueError, match=r"`logits` must have the shape \(clips, labels\) of `reference_logits`, got"):
        agreement(reference, torch.zeros(shape))
