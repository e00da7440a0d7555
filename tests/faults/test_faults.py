"""One fault of each kind that is fast, in real processes; `python -m tests.faults` injects them all.

A Hub that fails is met in tests/hub/test_pushing.py, a run that is killed in tests/experiment/test_processes.py.
"""

import random

import pytest

from fastast_hf.classification.shards import Shards
from fastast_hf.experiment.files import read_json, write_json
from tests.faults.archives import CLASSIFY, Archives
from tests.faults.clips import break_archive, break_copy
from tests.faults.damage import empty_end, flip, truncate
from tests.faults.disks import ROOMY, mounted, remount, why_no_mounts
from tests.faults.halves import damage_shard
from tests.faults.runs import Runs
from tests.faults.weights import damage_checkpoint


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    runs = Runs(tmp_path_factory.mktemp("faults"), random.Random(0))
    yield runs
    runs.starter.close()


@pytest.fixture(scope="module")
def archives(runs):
    return Archives(runs)


def test_a_killed_archive_goes_on(archives):
    assert archives.reference.is_dir()
    starter = archives.runs.starter
    arguments = archives.arguments("killed")
    ended = starter.kill(CLASSIFY, arguments, "writing a shard", 3, random.Random(0))
    assert ended.was_killed, ended.words
    assert archives.start("killed").trouble == ""
    assert archives.what_differs("killed") == ""


def test_a_shard_that_was_cut_is_made_again(archives):
    outcome = damage_shard(archives, "cut", "cut short", truncate)
    assert outcome.survived, outcome


def test_unreadable_clips_of_an_archive_are_named(archives):
    break_copy(archives.runs, "broken-sounds")
    outcomes = list(break_archive(archives))
    assert [outcome.survived for outcome in outcomes] == [True] * 3, outcomes


def test_a_checkpoint_with_zeros_at_its_end_is_passed_over(runs):
    outcome = damage_checkpoint(runs, "checkpoint", "model.safetensors", empty_end)
    assert outcome.survived, outcome


def test_a_full_disk_and_one_gone_read_only_leave_what_was_there(tmp_path):
    if (reason := why_no_mounts(tmp_path)) is not None:
        pytest.skip(reason)
    with mounted(tmp_path / "disk", "64k") as disk:
        write_json(disk / "a.json", {"old": 1})
        with pytest.raises(OSError, match="No space left on device"):
            write_json(disk / "a.json", {"new": "x" * 2**17})
        shards = Shards(disk, {}, num_files=1, shard_size=1)
        (disk / "filler").write_bytes(bytes(60 * 2**10))
        with pytest.raises(OSError, match="No space left on device"):
            shards.write(0, [])
        remount(disk, "ro")
        with pytest.raises(OSError, match="Read-only file system"):
            write_json(disk / "a.json", {"new": 1})
        assert sorted(path.name for path in disk.iterdir()) == ["a.json", "filler"]
        assert read_json(disk / "a.json") == {"old": 1}
        remount(disk, f"rw,size={ROOMY}")
        shards.write(0, [])
        assert shards.finished() == {0}


@pytest.mark.parametrize("damage", [truncate, flip, empty_end])
def test_damage_is_damage(tmp_path, damage):
    for seed in range(20):
        path = tmp_path / "file"
        path.write_bytes(random.Random(seed).randbytes(1000))
        before = path.read_bytes()
        damage(path, random.Random(seed))
        after = path.read_bytes()
        assert after != before
        assert len(after) < 1000 if damage is truncate else len(after) == 1000
