"""Going on, on request, from the newest checkpoint that is whole. Pushing is tested in tests/hub."""

import os

import pytest
import torch

from tests.distillation.test_checkpoints import trainer_in


def test_resuming_passes_over_a_checkpoint_that_is_cut_short(tmp_path):
    undisturbed = trainer_in(tmp_path / "undisturbed", max_steps=3)
    undisturbed.train()
    trainer_in(tmp_path / "cut").train()
    os.truncate(tmp_path / "cut" / "checkpoint-2" / "optimizer.pt", 100)
    again = trainer_in(tmp_path / "cut", max_steps=3)
    again.train(resume_from_checkpoint=True)
    for expected, found in zip(undisturbed.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_without_a_whole_checkpoint_it_says_so(tmp_path):
    trainer = trainer_in(tmp_path)
    with pytest.raises(
        ValueError, match=r"`resume_from_checkpoint` must be False without a whole checkpoint .* Start"
    ):
        trainer.train(resume_from_checkpoint=True)


@pytest.mark.parametrize(
    ("wanted", "flaw"), [("checkpoint-1", "it lacks optimizer.pt"), ("nothing", "it is no folder")]
)
def test_a_named_checkpoint_must_be_whole(wanted, flaw, tmp_path):
    trainer_in(tmp_path, max_steps=1).train()
    (tmp_path / "checkpoint-1" / "optimizer.pt").unlink()
    with pytest.raises(ValueError, match=f"`resume_from_checkpoint` must be the folder of .*{wanted}: {flaw}"):
        trainer_in(tmp_path).train(resume_from_checkpoint=str(tmp_path / wanted))
