"""How close a model's answers are to a reference model's."""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Agreement:
    """How close a model's answers are to a reference model's.

    Attributes:
        top_answer: Share of clips with the same best label, 0 to 1.
        mean_kl: KL(reference || model) in nats, mean over clips.
    """

    top_answer: float
    mean_kl: float

    def to_dict(self) -> dict[str, float]:
        """Return the fields as a dictionary for JSON."""
        return asdict(self)


def agreement(reference_logits: torch.Tensor, logits: torch.Tensor) -> Agreement:
    """Compare a model's answers with a reference model's on the same clips.

    Args:
        reference_logits: `(clips, labels)`, for example of the unmerged model.
        logits: `(clips, labels)` of the model in question.

    Returns:
        The share of clips with the same best label, and the mean KL divergence of the softmax distributions.

    Raises:
        ValueError: If the logits are not two tables of the same, non-empty shape.

    Example:
        >>> agreement(torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])).top_answer
        0.5
    """
    if logits.shape != reference_logits.shape or logits.ndim != 2 or logits.numel() == 0:
        raise ValueError(
            "`logits` must have the shape (clips, labels) of `reference_logits`, got "
            f"{tuple(logits.shape)} and {tuple(reference_logits.shape)}. Run both models on the same clips."
        )
    same = reference_logits.argmax(dim=-1) == logits.argmax(dim=-1)  # (C,)
    kl = F.kl_div(
        F.log_softmax(logits.double(), dim=-1),
        F.log_softmax(reference_logits.double(), dim=-1),
        reduction="batchmean",
        log_target=True,
    )
    # Rounding can leave equal distributions a hair below zero, where no divergence lies.
    return Agreement(top_answer=same.double().mean().item(), mean_kl=max(kl.item(), 0.0))
