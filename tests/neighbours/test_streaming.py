"""A streaming set of `datasets` trains: sounds are read, decoded and turned into features while the training goes on."""

import numpy as np
import pytest
import torch
from datasets import IterableDataset, load_dataset
from transformers import TrainerCallback

from fastast_hf.data import load_audio
from fastast_hf.distillation import CMKDTrainer, EfficientATConfig, EfficientATForAudioClassification
from tests.neighbours.sounds import EXTRACTOR, LABELS, arguments, losses, new_student, write_sounds

STEPS = 20
KINDS = ("growing_noise", "slow_pulses")  # two of ten are learnt in seconds


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    return write_sounds(tmp_path_factory.mktemp("streaming") / "sounds", clips_per_class=10)


def stream(sounds, kinds=KINDS):
    """Read the metadata row by row, shuffle it, and make the features of a clip when its turn comes."""

    def to_features(row):
        rate = EXTRACTOR.sampling_rate
        waveform = load_audio(sounds / row["file_name"], sampling_rate=rate)
        features = EXTRACTOR(waveform, sampling_rate=rate, return_tensors="np", padding="max_length")
        return {"input_values": features["input_values"][0], "labels": LABELS["label2id"][row["label"]]}

    rows = load_dataset("csv", data_files=str(sounds / "metadata.csv"), split="train", streaming=True)
    rows = rows.filter(lambda row: row["split"] == "train" and row["label"] in kinds).shuffle(seed=0, buffer_size=100)
    return rows.map(to_features, remove_columns=["file_name", "label", "split"]).with_format("torch")


class StopAt(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step == self.step


def train(folder, sounds, *, kinds=KINDS, resume=False, callbacks=None, **changes):
    torch.manual_seed(1)
    teacher = EfficientATForAudioClassification(EfficientATConfig(width_multiplier=0.1, **LABELS))
    trainer = CMKDTrainer(
        new_student(),
        arguments(folder, **{"max_steps": STEPS, "distillation_weight": 0.3, **changes}),
        train_dataset=stream(sounds, kinds),
        teacher=teacher,
        callbacks=callbacks,
    )
    trainer.train(resume_from_checkpoint=resume or None)
    return trainer


def test_a_stream_with_a_live_teacher_trains(sounds, tmp_path):
    assert isinstance(stream(sounds), IterableDataset)
    trainer = train(tmp_path, sounds)
    assert trainer.state.global_step == STEPS
    assert trainer.state.epoch > 2, "16 clips in batches of 8: the stream was read again and again"
    assert np.mean(losses(trainer)[-6:]) < 0.8 * np.mean(losses(trainer)[:6])
    assert all(entry["distillation_loss"] > 0 for entry in trainer.state.log_history if "loss" in entry)


def test_a_stream_is_taken_up_again_where_it_was_left(sounds, tmp_path):
    """In its first pass: of a stream that does not know its length, the stock Trainer takes `max_steps` for one pass."""
    settings = {"kinds": LABELS["label2id"], "max_steps": 6, "save_strategy": "steps", "save_steps": 3}
    undisturbed = train(tmp_path / "undisturbed", sounds, **settings)
    train(tmp_path / "resumed", sounds, callbacks=[StopAt(3)], **settings)
    resumed = train(tmp_path / "resumed", sounds, resume=True, **settings)
    for expected, found in zip(undisturbed.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_a_stream_needs_to_be_told_how_many_steps(sounds, tmp_path):
    with pytest.raises(ValueError, match="max_steps"):
        train(tmp_path, sounds, max_steps=-1)
