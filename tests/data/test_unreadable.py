"""Clips that cannot be read: named, counted, left out."""

import pytest
from datasets import ClassLabel, Dataset

from fastast_hf.data.unreadable import leave_out_unreadable
from tests.data.conftest import write_sound


@pytest.mark.parametrize("num_proc", [None, 2])
def test_what_can_be_read_stays_in_order_and_the_rest_is_named(load, folder, num_proc):
    (folder / "b.wav").write_text("not a sound")
    part = load(eval_fold=2)["train"]
    clips, unreadable = leave_out_unreadable(part, num_proc=num_proc)
    assert clips["file_name"][:] == ["a.wav", "train/e.wav"]
    assert clips["label"][:] == [part["label"][row] for row in (0, 2)]
    assert list(unreadable) == ["b.wav"]
    assert unreadable["b.wav"].startswith(
        "`source` must be a complete sound file that libsndfile decodes, got b.wav ("
    )
    assert str(folder) not in unreadable["b.wav"]


def test_a_whole_set_stays_as_it_is(load):
    part = load(eval_fold=2)["train"]
    assert leave_out_unreadable(part) == (part, {})


def test_a_clip_that_is_too_short_for_the_model_is_none(load, folder):
    write_sound(folder / "a.wav", 0.02)
    _, unreadable = leave_out_unreadable(load(eval_fold=2)["train"])
    assert "must hold at least 25 ms" in unreadable["a.wav"]


def test_a_clip_that_was_mended_comes_back(load, folder):
    (folder / "a.wav").write_text("not a sound")
    assert len(leave_out_unreadable(load(eval_fold=2)["train"]).clips) == 2
    write_sound(folder / "a.wav")
    assert len(leave_out_unreadable(load(eval_fold=2)["train"]).clips) == 3


def test_sounds_without_names_are_counted(folder):
    sounds = [{"bytes": (folder / "a.wav").read_bytes(), "path": None}, {"bytes": b"no", "path": None}, None]
    dataset = Dataset.from_dict({"audio": sounds, "label": [0, 0, 0]}).cast_column("label", ClassLabel(names=["x"]))
    clips, unreadable = leave_out_unreadable(dataset)
    assert len(clips) == 1
    assert list(unreadable) == ["row 1", "row 2"]
    assert unreadable["row 2"] == "there is no sound in its row"


def test_a_part_without_a_clip_is_refused(load, folder):
    for name in ("c.wav", "d.wav"):
        (folder / name).write_text("not a sound")
    message = (
        r"`skip_unreadable` must leave at least one clip of each part, got 2 of 2 that cannot be read, first c\.wav: "
    )
    with pytest.raises(ValueError, match=message):
        leave_out_unreadable(load(eval_fold=2)["eval"])
