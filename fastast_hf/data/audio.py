"""Decode, mix down and resample: any sound file becomes float32 mono at the model's rate.

soundfile decodes (WAV, FLAC, Ogg Vorbis, Opus, MP3, AIFF, ...) and soxr resamples. `datasets.Audio` is only ever used
with `decode=False`: its decoder needs torchcodec and FFmpeg, whose wheels do not load beside every torch.
"""

import io
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import soxr

from fastast_hf.data.decoding import not_read, open_sound_file, read_blocks
from fastast_hf.data.sources import AudioSource, is_file_with_bytes, path_of, read_source
from fastast_hf.data.truncation import describe_cut
from fastast_hf.model.waveforms import LOUDEST

MIN_SECONDS = 0.025
"""One analysis window of AST; a shorter sound makes no frame of a spectrogram."""

_BLOCK_SECONDS = 60.0


def load_audio(source: AudioSource, *, sampling_rate: int = 16_000, name: str | None = None) -> np.ndarray:
    """Read a sound as mono float32 at one sampling rate.

    Channels are averaged, so a mono file and its stereo copy read the same. Integer files come as floats in [-1, 1);
    float files keep their scale. A file that was cut short is refused where its format tells: Ogg, FLAC, WAV, RF64, W64,
    AIFF, CAF, AU, and MP3 with a Xing or Info header. Files written into a pipe and rarer formats read as the part that is
    there; MP3 files without such a header, as far as libsndfile guesses their length.

    Args:
        source: Path, bytes of a sound file, open binary file, or a `{"bytes", "path"}` dict, where bytes win.
        sampling_rate: Rate of the result in Hz.
        name: What errors call the sound. Default: its path, where it has one.

    Returns:
        Waveform of shape (samples,), float32, finite, at least one analysis window (25 ms) long, and no louder than a
        feature extractor takes (1e12; full scale is 1).

    Raises:
        FileNotFoundError: The path does not exist.
        OSError: The path is a folder, or the file cannot be read.
        TypeError: `source` is none of the kinds above.
        ValueError: The file cannot be decoded, was cut short, is shorter than one analysis window, has a rate below 40 Hz,
            holds samples that are NaN, infinite or too loud, is longer than there is memory for, or is a device or a named
            pipe.
    """
    path = path_of(source)
    if path is not None and is_file_with_bytes(path):
        name = name or repr(str(path))
        waveform, file_rate = _decode_file(path, name)
    else:
        data, called = read_source(source)
        name = name or called
        waveform, file_rate = _decode(data, name)
    _check_samples(waveform, name)
    waveform = resample(waveform, file_rate, sampling_rate)
    _check_length(len(waveform), sampling_rate, name)
    _check_samples(waveform, name)  # again: the filter goes a little beyond what it is given
    return waveform


def stream_audio(
    path: str | os.PathLike[str], *, sampling_rate: int = 16_000, block_seconds: float = 10.0
) -> Iterator[np.ndarray]:
    """Read a sound file piece by piece: the blocks of `load_audio`, in the memory of one.

    Put together they are what `load_audio` gives, to the last bits of a float. What is wrong with a file is told where it is
    met, so of a broken file blocks may come before the error: a file that was cut short is refused at once (Ogg, WAV
    and other files of chunks) or at its end (MP3).

    Args:
        path: Sound file. A pipe of a shell, which has no length, is read whole, as one block.
        sampling_rate: Rate of the result in Hz.
        block_seconds: Sound that is read at a time, in seconds.

    Yields:
        Blocks (samples,) float32, finite and not too loud, of about `block_seconds`.

    Raises:
        FileNotFoundError: See `load_audio`, as for all errors.
        OSError: See there.
        ValueError: See there.
    """
    path = Path(path)
    if not is_file_with_bytes(path):  # a pipe, or nothing to read, for which there are words already
        yield load_audio(path, sampling_rate=sampling_rate)
        return
    name = repr(str(path))
    num_read = num_given = 0
    with open_sound_file(path, name) as file:
        _check_whole(path, name, frames_told=file.frames, frames_read=file.frames)
        resampler = _resampler(file.samplerate, sampling_rate)
        for block in read_blocks(file, name, seconds=block_seconds):  # (S,)
            num_read += len(block)
            _check_samples(block, name)
            if resampler is not None:
                block = resampler.resample_chunk(block)
                _check_samples(block, name)
            num_given += len(block)
            yield block
        if resampler is not None:
            block = resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
            _check_samples(block, name)
            num_given += len(block)
            yield block
        _check_whole(path, name, frames_told=file.frames, frames_read=num_read)
    _check_length(num_given, sampling_rate, name)


def resample(waveform: np.ndarray, source_rate: int, target_rate: int) -> np.ndarray:
    """Resample a mono waveform with soxr at its high-quality setting.

    Args:
        waveform: Shape (samples,), float32.
        source_rate: Rate of `waveform` in Hz.
        target_rate: Rate of the result in Hz.

    Returns:
        Shape (about samples * target_rate / source_rate,), float32; `waveform` itself where the rates agree.

    Raises:
        ValueError: `target_rate` is not positive.

    >>> resample(np.zeros(44_100, dtype=np.float32), 44_100, 16_000).shape
    (16000,)
    """
    _check_rate(target_rate)
    if source_rate == target_rate:
        return waveform
    return soxr.resample(waveform, source_rate, target_rate, quality="HQ")


def _decode_file(path: Path, name: str) -> tuple[np.ndarray, int]:
    """Decode a file as `_decode` does its bytes, without holding these."""
    with open_sound_file(path, name) as file:
        _check_whole(path, name, frames_told=file.frames, frames_read=file.frames)
        try:
            blocks = list(read_blocks(file, name, seconds=_BLOCK_SECONDS))
            waveform = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)
        except MemoryError as error:
            raise ValueError(
                f"`source` must be a sound that fits into memory, got {name} with {file.frames / file.samplerate:,.0f} s. "
                "Read it piece by piece, by `stream_audio` or in windows."
            ) from error
        _check_whole(path, name, frames_told=file.frames, frames_read=len(waveform))
        return waveform, file.samplerate


def _decode(data: bytes, name: str) -> tuple[np.ndarray, int]:
    """Decode a whole file to a waveform (S,) at its own rate, in Hz."""
    if not data:
        raise ValueError(f"`source` must be a sound file, got {name} with 0 bytes. Copy it again, or leave it out.")
    with open_sound_file(io.BytesIO(data), name) as file:
        blocks = list(read_blocks(file, name, seconds=_BLOCK_SECONDS))
        frames_told, file_rate = file.frames, file.samplerate
    waveform = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)
    cut = describe_cut(data, frames_told=frames_told, frames_read=len(waveform))
    if cut is not None:
        raise _cut_short(cut, name)
    return waveform, file_rate


def _resampler(source_rate: int, target_rate: int) -> soxr.ResampleStream | None:
    """Make what `resample` does for blocks, or None where the rates agree."""
    _check_rate(target_rate)
    return None if source_rate == target_rate else soxr.ResampleStream(source_rate, target_rate, 1, quality="HQ")


def _check_whole(path: Path, name: str, *, frames_told: int, frames_read: int) -> None:
    """Refuse a file that was cut short, looking only at the bytes that tell."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            cut = describe_cut(cast(bytes, data), frames_told=frames_told, frames_read=frames_read)
    except OSError as error:
        raise not_read(error, name) from error
    if cut is not None:
        raise _cut_short(cut, name)


def _check_length(num_samples: int, sampling_rate: int, name: str) -> None:
    least = max(1, int(MIN_SECONDS * sampling_rate))
    if num_samples < least:
        raise ValueError(
            f"`source` must hold at least {MIN_SECONDS * 1000:g} ms, one analysis window ({least} samples at "
            f"{sampling_rate} Hz), got {name} with {num_samples} samples. Leave it out, or pad it with silence."
        )


def _check_samples(waveform: np.ndarray, name: str) -> None:
    """Refuse samples that no feature extractor can use."""
    loudest = np.abs(waveform).max(initial=0)
    if loudest <= LOUDEST:  # which a NaN is not
        return
    bad = int(np.count_nonzero(~np.isfinite(waveform)))
    if bad:
        raise ValueError(
            f"`source` must hold finite samples, got {name} with {bad} NaN or infinite samples of {waveform.size}. "
            "Write the file again, for example as 16-bit PCM."
        )
    raise ValueError(
        f"`source` must hold samples from about -1 to 1, got {name} with {loudest:g}. Divide them by their full scale and "
        "write the file again, for example as 16-bit PCM."
    )


def _check_rate(target_rate: int) -> None:
    if target_rate <= 0:
        raise ValueError(
            f"`sampling_rate` must be a positive number of Hz, got {target_rate}. "
            "Pass the `sampling_rate` of the feature extractor."
        )


def _cut_short(cut: str, name: str) -> ValueError:
    return ValueError(
        f"`source` must be a complete sound file, got {name}, which was cut short: {cut}. Copy it again; if there is "
        "no more of it, write what is left to a new file, for example with `ffmpeg -i in.ogg out.wav`."
    )
