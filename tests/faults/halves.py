"""Half-written files: caches, records, shards, stored logits. None is read as if it were whole."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq

from tests.faults.archives import Archives
from tests.faults.damage import empty_end, flip, truncate
from tests.faults.outcomes import Outcome
from tests.faults.processes import ROOT
from tests.faults.runs import GONE_ON_FROM, Runs, is_same

KIND = "Half-written cache or record"

IN_THE_CACHE = {
    "the features in the cache": ("cache-*.arrow", "in the cache cannot be read, and is computed again"),
    "the copy of metadata.csv in the cache": ("csv-train.arrow", "in the cache could not be read, and was made again"),
    "dataset_info.json in the cache": ("dataset_info.json", "in the cache could not be read, and was made again"),
}
GONE_ON_WITH = {
    "trainer_state.json of a checkpoint": (
        f"checkpoint-{GONE_ON_FROM}/trainer_state.json",
        "is passed over: trainer_state.json",
    ),
    "config.json of a checkpoint": (f"checkpoint-{GONE_ON_FROM}/config.json", "is passed over: config.json"),
    "the digests of a checkpoint": (f"checkpoint-{GONE_ON_FROM}/_sha256.json", "is passed over: _sha256.json"),
    "the record of the teacher": ("_teacher/_record.json", "_record.json cannot be read"),
    "config.json of the teacher": ("_teacher/config.json", "config.json cannot be read"),
}


def halve_files(runs: Runs, archives: Archives) -> Iterator[Outcome]:
    """Cut one file at a time and start the same command again."""
    for index, name in enumerate(IN_THE_CACHE):
        yield halve_cache(runs, f"cut-cache-{index}", name)
    for index, damage in enumerate((empty_end, flip)):
        yield halve_cache(runs, f"altered-cache-{index}", "the features in the cache", damage)
    for index, name in enumerate(GONE_ON_WITH):
        yield halve_record(runs, f"cut-{index}", name)
    yield halve_settings(runs)
    yield halve_results(runs)
    yield damage_shard(archives, "cut-labels", "cut short", truncate)
    yield damage_shard(archives, "altered-labels", "with one byte changed", alter_page)
    yield from damage_stored_logits(runs)


def halve_cache(
    runs: Runs, run: str, name: str, damage: Callable[[Path, random.Random], object] = truncate
) -> Outcome:
    """Damage files of the cache while the run is in the middle."""
    pattern, words = IN_THE_CACHE[name]
    runs.in_the_middle(run)
    cache = runs.copied_cache(f"cache-of-{run}")
    paths = list(cache.rglob(pattern))
    assert paths
    for path in paths:
        damage(path, runs.rng)
    how = "" if damage is truncate else f", {(damage.__doc__ or '').partition('.')[0].lower()}"
    return _go_on(runs, run, f"{name}{how}", words, cache=cache)


def halve_record(runs: Runs, run: str, name: str) -> Outcome:
    """Cut a small file of a run in the middle."""
    file, words = GONE_ON_WITH[name]
    truncate(runs.in_the_middle(run) / file, runs.rng)
    return _go_on(runs, run, name, words)


def halve_settings(runs: Runs) -> Outcome:
    """Cut the file that says whose folder it is: the run refuses, and goes on once the user has said that it is his."""
    file = runs.in_the_middle("cut-settings") / "_settings.json"
    truncate(file, runs.rng)
    said = runs.start("cut-settings").not_said("_settings.json cannot be read", "remove that file and start again")
    file.unlink()
    trouble = said or runs.start("cut-settings").trouble or runs.what_differs("cut-settings")
    return Outcome(KIND, "_settings.json of a run", not trouble, trouble)


def halve_results(runs: Runs) -> Outcome:
    """Cut results.json: `fastast card` refuses it, and the next start of the run writes it anew."""
    run = runs.finished("cut-results")
    truncate(run / "results.json", runs.rng)
    card = subprocess.run(
        [sys.executable, "-m", "fastast_hf", "card", run],
        cwd=runs.folder,
        env=runs.starter.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = (
        "" if card.returncode > 0 and "must be JSON" in " ".join(card.stderr.split()) else f"card said {card.stderr!r}"
    )
    trouble = said or runs.start("cut-results").trouble or runs.what_differs("cut-results")
    if not trouble and json.loads((run / "results.json").read_text())["schema"] != 1:
        trouble = "results.json was not written anew"
    return Outcome(KIND, "results.json", not trouble, trouble)


def damage_shard(archives: Archives, output: str, how: str, damage) -> Outcome:
    """Damage a shard and lose the two after it: it must be made again, and so be told."""
    folder = archives.runs.folder / output
    folder.mkdir()
    for path in archives.reference.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    shards = sorted(folder.iterdir())
    damage(shards[4], archives.runs.rng)
    for path in shards[5:7]:
        path.unlink()
    ended = archives.start(output)
    trouble = ended.trouble or ended.left_unsaid("is not whole, and is made again") or archives.what_differs(output)
    return Outcome(KIND, f"a shard {how}", not trouble, trouble)


def alter_page(path: Path, rng: random.Random) -> None:
    """Change a byte of a page, the last one of a column."""
    group = pq.read_metadata(path).row_group(0)
    column = group.column(rng.randrange(group.num_columns))
    start = column.dictionary_page_offset or column.data_page_offset
    data = bytearray(path.read_bytes())
    data[start + column.total_compressed_size - 1] ^= 0xFF
    path.write_bytes(data)


def damage_stored_logits(runs: Runs) -> Iterator[Outcome]:
    """Damage logits of a teacher that were stored: the training refuses them, and goes well with new ones."""
    assert runs.reference.is_dir()
    assert _train_from_stored(runs, "stored-reference").returncode == 0
    expected = runs.folder / "stored-reference" / "model.safetensors"
    for how, damage in (("cut short", truncate), ("with one byte changed", alter_page)):
        run = f"stored {how}".replace(" ", "-")
        (runs.folder / run).mkdir()
        table = runs.folder / run / "teacher.parquet"
        table.write_bytes((expected.parent / table.name).read_bytes())
        damage(table, runs.rng)
        refused = _train_from_stored(runs, run)
        trouble = ""
        if refused.returncode <= 0 or "must be a whole Parquet file" not in " ".join(refused.stderr.split()):
            trouble = f"it ended with {refused.returncode} and was to refuse"
        table.unlink()
        again = _train_from_stored(runs, run)
        if not trouble and (again.returncode or not is_same(expected, runs.folder / run / "model.safetensors")):
            trouble = f"it ended with {again.returncode}, or with other weights"
        yield Outcome(KIND, f"stored teacher logits {how}", not trouble, trouble)


def _train_from_stored(runs: Runs, run: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "tests.faults.stored_worker", runs.folder, run],
        cwd=ROOT,
        env=runs.starter.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _go_on(runs: Runs, run: str, name: str, words: str, **options) -> Outcome:
    ended = runs.start(run, **options)
    trouble = ended.trouble or ended.left_unsaid(words) or runs.what_differs(run)
    return Outcome(KIND, name, not trouble, trouble)
