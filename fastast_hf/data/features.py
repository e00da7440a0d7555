"""From clips to features: the waveforms of a part become `input_values` and `labels`, once, in a cache."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from datasets import Array2D, ClassLabel, Dataset, Features, List, Value
from datasets.fingerprint import Hasher

from fastast_hf.data.audio import load_audio
from fastast_hf.data.caches import drop_broken_cache, with_digests
from fastast_hf.data.labels import label_names, multi_hot, problem_type

FEATURES_VERSION = 2
"""Raise it when decoding, resampling or what is refused changes, so that cached features are computed again."""


class SpectrogramFeatureExtractor(Protocol):
    """What `extract_features` needs of a feature extractor: AST's has it."""

    sampling_rate: int

    def __call__(
        self, raw_speech: Any, sampling_rate: int | None, return_tensors: Any, *, padding: str
    ) -> Mapping[str, Any]:
        """Turn waveforms into `input_values` of shape (batch, frames, mels)."""

    def to_json_string(self) -> str:
        """Write down all settings."""


def extract_features(
    dataset: Dataset,
    feature_extractor: SpectrogramFeatureExtractor,
    *,
    batch_size: int = 32,
    num_proc: int | None = None,
    desc: str = "Extracting features",
) -> Dataset:
    """Compute the features of every clip once, for a Trainer with `default_data_collator`.

    The result is cached under a fingerprint of the clips and of the feature extractor's settings: a rerun with the
    same sounds reads it back; a changed sound file, label or setting computes it again.

    Args:
        dataset: A part from `load_audio_dataset`.
        feature_extractor: AST's or one like it: called with a list of float32 waveforms, `sampling_rate` and
            `return_tensors="np"` and `padding="max_length"`, it gives `input_values` of one shape for clips of any length.
        batch_size: Clips per call of the feature extractor.
        num_proc: Processes. Default: this one.
        desc: Text before the progress bar.

    Returns:
        Columns `input_values` (frames, mels) float32 and `labels`, int64 for one label a clip or (classes,) float32 of
        zeros and ones for many, in torch format. Columns other than `audio` and `label` come along, `file_name` and
        `teacher_logits` among them.

    Raises:
        ValueError: A clip cannot be read, or the feature extractor refuses it; the message names it. A column is called as
            the features are.
    """
    _check_columns(dataset)
    sampling_rate = feature_extractor.sampling_rate
    silence = [np.zeros(sampling_rate, dtype=np.float32)]
    shape = feature_extractor(silence, sampling_rate=sampling_rate, return_tensors="np", padding="max_length")[
        "input_values"
    ].shape[1:]
    names = label_names(dataset)
    multi_label = problem_type(dataset) == "multi_label_classification"
    # Settings, not the extractor itself: its hash would change with anything that it caches between calls.
    settings = [type(feature_extractor).__name__, feature_extractor.to_json_string(), FEATURES_VERSION]
    fingerprint = Hasher.hash([dataset._fingerprint, *settings])
    drop_broken_cache(dataset, fingerprint)
    others = {name: feature for name, feature in dataset.features.items() if name not in ("audio", "label")}
    features = dataset.map(
        _extract_batch,
        batched=True,
        batch_size=batch_size,
        writer_batch_size=batch_size,
        with_indices=True,
        fn_kwargs={"feature_extractor": feature_extractor, "num_labels": len(names) if multi_label else None},
        remove_columns=["audio", "label"],
        # Array2D reads back as one block; nested lists take four times as long.
        features=Features(
            input_values=Array2D(shape, "float32"),
            labels=List(Value("float32"), length=len(names)) if multi_label else ClassLabel(names=names),
            **others,
        ),
        new_fingerprint=fingerprint,
        num_proc=num_proc,
        desc=desc,
    )
    return with_digests(features).with_format("torch")


def _check_columns(dataset: Dataset) -> None:
    taken = [name for name in dataset.column_names if name in ("input_values", "labels")]
    if taken:
        raise ValueError(
            f"`dataset` must have no column `{taken[0]}`, which is what a column of the features is called, got the "
            f"columns {dataset.column_names}. Rename or remove it."
        )


def _extract_batch(
    batch: dict[str, list],
    rows: list[int],
    feature_extractor: SpectrogramFeatureExtractor,
    num_labels: int | None,
) -> dict[str, Any]:
    rate = feature_extractor.sampling_rate
    names = [_name_sound(sound, row) for sound, row in zip(batch["audio"], rows, strict=True)]
    waveforms = [
        load_audio(sound, sampling_rate=rate, name=name) for sound, name in zip(batch["audio"], names, strict=True)
    ]
    try:
        values = feature_extractor(waveforms, sampling_rate=rate, return_tensors="np", padding="max_length")[
            "input_values"
        ]  # (B, T, M)
    except ValueError:
        _name_refused(waveforms, names, feature_extractor)
        raise
    labels = batch["label"] if num_labels is None else multi_hot(batch["label"], num_labels)
    return {"input_values": values.astype(np.float32), "labels": labels}


def _name_sound(sound: Mapping[str, Any] | None, row: int) -> str:
    """Say what errors call a sound; a column that was never cast to `Audio` may lack a key."""
    path, data = (sound.get("path"), sound.get("bytes")) if sound is not None else (None, None)
    if path is None and data is None:
        raise ValueError(f"`audio` must hold a sound in every row, got none in row {row}. Leave the row out.")
    return repr(path) if path else f"the sound in row {row}"


def _name_refused(
    waveforms: list[np.ndarray], names: list[str], feature_extractor: SpectrogramFeatureExtractor
) -> None:
    """Find the clip that a feature extractor refuses, which it counts and cannot name."""
    for waveform, name in zip(waveforms, names, strict=True):
        try:
            feature_extractor(
                [waveform], sampling_rate=feature_extractor.sampling_rate, return_tensors="np", padding="max_length"
            )
        except ValueError as error:
            raise ValueError(
                f"`audio` must hold clips that the feature extractor takes, got {name}: {error}"
            ) from error
