"""Archives of any size -> labels in shards, by one process or many, on one machine or many that share a file system.

Processes take the shards in turn and never talk to each other: what is done is what is on disk. So a run may go on with
another number of processes, the first process waits as long as the slowest needs, and no time-out can end it.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel

from fastast_hf.classification.archive_sounds import ArchiveSounds, digest_of_names
from fastast_hf.classification.classify import classify_files
from fastast_hf.classification.counting import begins_file
from fastast_hf.classification.results import Classification
from fastast_hf.classification.shards import Shards

_LOOK_EVERY = 1.0  # seconds from a look at the other processes' shards to the next
# Of a model's config: what stands under a name of its own among the settings, or does not decide an answer.
_NOT_HASHED = {"merge_ratio", "tokens_merged_per_layer", "dtype", "transformers_version", "fastast_version"}


class ArchiveProgress(NamedTuple):
    """How far a run is, all processes together.

    Attributes:
        num_files: Files of the archive.
        files_done: Files with results, also those of earlier starts. Of other processes, those in whole shards.
        files_before: Files that earlier starts have left.
        seconds: Since this start looked at what there is.
        files_in_shards: Of the files done, those on disk, which stay whatever happens.
    """

    num_files: int
    files_done: int
    files_before: int
    seconds: float
    files_in_shards: int

    @property
    def files_per_second(self) -> float:
        """Throughput of this start."""
        return (self.files_done - self.files_before) / self.seconds if self.seconds else 0.0


def classify_archive(
    model: PreTrainedModel,
    feature_extractor: Any,
    sounds: ArchiveSounds,
    output_dir: str | os.PathLike[str],
    *,
    shard_size: int = 1000,
    process_index: int = 0,
    num_processes: int = 1,
    wait_for_others: Callable[[], object] = lambda: None,
    on_progress: Callable[[ArchiveProgress], None] = lambda progress: None,
    top_k: int | None = 5,
    window: float | None = None,
    hop: float | None = None,
    batch_size: int = 16,
    num_workers: int = 2,
    padding: str | None = None,
) -> ArchiveProgress:
    """Classify this process' share of an archive, and skip the shards that are there already.

    Shard k has the files `k * shard_size` and following, and is for the process `k % num_processes`. A shard's results wait
    in memory until it is written, as many as its files have windows; apart from them and the names of the files nothing
    grows with the archive.

    Args:
        model: See `classify_files`.
        feature_extractor: See there.
        sounds: What `open_archive` gives; the same in all processes.
        output_dir: Folder of the shards, the same for all processes. For their columns see `fastast_hf.classification.shards`.
        shard_size: Files of a shard. What a process that is killed has done of a shard is done again.
        process_index: Which process this is, from 0. The first one returns when all shards are there, the others when
            theirs are.
        num_processes: Processes of the run. Where there are no more shards than processes, some have nothing to do.
        wait_for_others: Called when this process has counted the shards that are there, before it adds to them.
        on_progress: Called after each result; by the first process about each second while it waits for the others.
        top_k: See `classify_files`.
        window: See there.
        hop: See there.
        batch_size: See there. Like `num_workers` and the device it may be another when the run goes on: that changes the
            last bits of a score, no more.
        num_workers: See there.
        padding: See there.

    Returns:
        The progress at the end.

    Raises:
        OSError: A shard cannot be written.
        ValueError: The folder has shards of other sounds, another model or other options, or an argument is out of range.
    """
    if shard_size < 1:
        raise ValueError(f"`shard_size` must be at least 1, got {shard_size}. Leave it out for the default.")
    if not 0 <= process_index < num_processes:
        raise ValueError(
            f"`process_index` must be from 0 to `num_processes` - 1 = {num_processes - 1}, got {process_index}. Take both "
            "from accelerate's PartialState."
        )
    options = {"top_k": top_k, "window": window, "hop": hop, "padding": padding}
    settings = archive_settings(model, feature_extractor, sounds) | {"shard_size": shard_size} | options
    shards = Shards(output_dir, settings, num_files=len(sounds), shard_size=shard_size)
    shards.check_folder()
    finished = shards.finished()
    watch = _Watch(shards, on_progress, is_first=process_index == 0)
    wait_for_others()
    for number in range(process_index, len(shards), num_processes):
        if number in finished:
            continue
        with sounds.opened(shards.files_of(number)) as (paths, names):
            results = classify_files(
                model,
                feature_extractor,
                paths,
                top_k=top_k,
                window=window,
                hop=hop,
                batch_size=batch_size,
                num_workers=num_workers,
                padding=padding,
            )
            shards.write(number, [_named(result, names) for result in watch.counted(results)])
    if process_index == 0:
        while len(shards.finished()) < len(shards):
            watch.tell()
            time.sleep(_LOOK_EVERY)
    watch.tell()
    return watch.progress()


def archive_settings(
    model: PreTrainedModel, feature_extractor: Any, sounds: ArchiveSounds
) -> dict[str, str | int | float | list[float] | None]:
    """Say what decides the results beside the options: names where a reader knows them, digests of what is large.

    Args:
        model: The model.
        feature_extractor: Its features.
        sounds: The archive.

    Returns:
        Settings by name, as JSON knows them.
    """
    config = model.config.to_dict()
    weights = hashlib.sha256(_json({name: config[name] for name in config.keys() - _NOT_HASHED}))
    for name, tensor in sorted(model.state_dict().items()):
        weights.update(name.encode())
        weights.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return {
        # A path would travel with the shards; the weights below say which model it is.
        "model": Path(model.config.name_or_path or "").name,
        "merge_ratio": config.get("merge_ratio"),
        "tokens_merged_per_layer": config.get("tokens_merged_per_layer"),
        "dtype": str(model.dtype).removeprefix("torch."),
        "weights": weights.hexdigest()[:16],
        "feature_extractor": hashlib.sha256(_json(feature_extractor.to_dict())).hexdigest()[:16],
        "num_files": len(sounds),
        "files": digest_of_names(sounds),
    }


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, default=str).encode()


class _Watch:
    """Counts files while their results come, and looks at the other processes' shards from time to time."""

    def __init__(self, shards: Shards, on_progress: Callable[[ArchiveProgress], None], *, is_first: bool) -> None:
        self._shards = shards
        self._on_progress = on_progress
        self._is_first = is_first
        self._started = self._looked = time.monotonic()
        self._files_before = shards.num_files_finished
        self._files_of_shard = 0

    def counted(self, results: Iterator[Classification]) -> Iterator[Classification]:
        """Pass the results of a shard on."""
        previous: Classification | None = None
        for result in results:
            if begins_file(result, previous):
                self._files_of_shard += 1
            previous = result
            yield result
            self.tell()
        self._files_of_shard = 0  # the shard is written next, and counts as a whole

    def tell(self) -> None:
        """Tell the progress."""
        if self._is_first and time.monotonic() - self._looked > _LOOK_EVERY:
            self._shards.finished()
            self._looked = time.monotonic()
        self._on_progress(self.progress())

    def progress(self) -> ArchiveProgress:
        """Add up what is on disk and what is not yet."""
        return ArchiveProgress(
            num_files=self._shards.num_files,
            files_done=self._shards.num_files_finished + self._files_of_shard,
            files_before=self._files_before,
            seconds=time.monotonic() - self._started,
            files_in_shards=self._shards.num_files_finished,
        )


def _named(result: Classification, names: Mapping[str, str]) -> Classification:
    """Call a sound as its data set does, and not as the file that it was in for a while."""
    name = names.get(result.path)
    if name is None:
        return result
    return replace(result, path=name, error=result.error and result.error.replace(result.path, name))
