"""Clips that cannot be read, found before anything is computed, so that a set can go without them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset, Features, Value
from datasets.fingerprint import Hasher

from fastast_hf.data.audio import load_audio
from fastast_hf.data.caches import drop_broken_cache, with_digests
from fastast_hf.data.datasets import FILE_NAME
from fastast_hf.data.features import FEATURES_VERSION


class Readable(NamedTuple):
    """A part without what cannot be read.

    Attributes:
        clips: The others, in their order.
        unreadable: Why each of those cannot be read, by its name.
    """

    clips: Dataset
    unreadable: dict[str, str]


def leave_out_unreadable(
    dataset: Dataset, *, sampling_rate: int = 16_000, num_proc: int | None = None, desc: str = "Trying all clips"
) -> Readable:
    """Read every clip once, and leave out those that `load_audio` refuses.

    What was found is cached under a fingerprint of the clips, like their features.

    Args:
        dataset: A part from `load_audio_dataset`.
        sampling_rate: Rate of the model in Hz, which decides whether a clip is too short.
        num_proc: Processes. Default: this one.
        desc: Text before the progress bar.

    Returns:
        The clips that can be read, and what is wrong with the others.

    Raises:
        ValueError: No clip can be read.
    """
    fingerprint = Hasher.hash([dataset._fingerprint, "readable", sampling_rate, FEATURES_VERSION])
    drop_broken_cache(dataset, fingerprint)
    tried = dataset.map(
        _try_clip,
        with_indices=True,
        fn_kwargs={"sampling_rate": sampling_rate},
        remove_columns=dataset.column_names,
        features=Features(name=Value("string"), error=Value("string")),
        new_fingerprint=fingerprint,
        num_proc=num_proc,
        desc=desc,
    )
    with_digests(tried)
    errors = tried["error"][:]
    unreadable = {name: error for name, error in zip(tried["name"][:], errors, strict=True) if error is not None}
    if unreadable and None not in errors:
        name, error = next(iter(unreadable.items()))
        raise ValueError(
            f"`skip_unreadable` must leave at least one clip of each part, got {len(errors)} of {len(errors)} that cannot be "
            f"read, first {name}: {error}"
        )
    readable = np.flatnonzero([error is None for error in errors])
    return Readable(dataset.select(readable) if unreadable else dataset, unreadable)


def _try_clip(clip: Mapping[str, Any], row: int, *, sampling_rate: int) -> dict[str, str | None]:
    sound = clip["audio"] or {}
    path = sound.get("path")
    name = str(clip.get(FILE_NAME) or path or f"row {row}")
    if path is None and sound.get("bytes") is None:
        return {"name": name, "error": "there is no sound in its row"}
    try:
        load_audio(sound, sampling_rate=sampling_rate, name=name)
    except (OSError, ValueError) as error:
        return {"name": name, "error": str(error).replace(str(path), name)}
    return {"name": name, "error": None}
