"""Where sound that goes on comes from: a microphone, a file played at its speed, a pipe. All give chunks of 20 ms or less."""

import io
import logging
import os
import time
import wave
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import soxr

from fastast_hf.classification.stream_formats import BegunPipe, name_format
from fastast_hf.classification.streaming import Clock
from fastast_hf.data.audio import stream_audio
from fastast_hf.data.decoding import LOWEST_RATE, mix_down

logger = logging.getLogger(__name__)

CHUNK_SECONDS = 0.02
"""Sound that arrives at a time: what a latency may be too short by."""

# Bytes from which on a WAV file's length says that nobody knew it: ffmpeg and sox write about the largest number there is.
_UNKNOWN_LENGTH = 0x7FFF0000


def file_chunks(path: str | os.PathLike[str], sampling_rate: int) -> Iterator[np.ndarray]:
    """Read a sound file, as fast as it is asked for.

    Args:
        path: Sound file.
        sampling_rate: Rate of the chunks in Hz.

    Yields:
        Chunks (samples,) float32 mono.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no complete sound; see `stream_audio`.
    """
    return stream_audio(path, sampling_rate=sampling_rate, block_seconds=CHUNK_SECONDS)


def at_real_speed(
    chunks: Iterable[np.ndarray],
    sampling_rate: int,
    *,
    clock: Clock = time.perf_counter,
    sleep: Callable[[float], Any] = time.sleep,
) -> Iterator[np.ndarray]:
    """Give chunks when they would be over if they were played from now on.

    Args:
        chunks: (samples,) each.
        sampling_rate: Their rate in Hz.
        clock: Seconds.
        sleep: Waits so many of them.

    Yields:
        The chunks.
    """
    started = clock()
    num_samples = 0
    for chunk in chunks:
        num_samples += len(chunk)
        too_early = started + num_samples / sampling_rate - clock()
        if too_early > 0:
            sleep(too_early)
        yield chunk


def pipe_chunks(
    stream: io.BufferedReader, sampling_rate: int, *, pipe_rate: int | None = None
) -> Iterator[np.ndarray]:
    """Read sound from a pipe as it comes: 16-bit PCM, raw and mono or with the header of a WAV file.

    Args:
        stream: Such as `sys.stdin.buffer`.
        sampling_rate: Rate of the chunks in Hz.
        pipe_rate: That of raw sound, if it is another one. A WAV file tells its own.

    Yields:
        Chunks (samples,) float32 mono.

    Raises:
        ValueError: It is a file of another format, a WAV file of another kind or of another rate than the one that is told;
            or that rate is below `LOWEST_RATE`.
    """
    if pipe_rate is not None and pipe_rate < LOWEST_RATE:
        raise ValueError(f"`rate` must be at least {LOWEST_RATE} Hz, got {pipe_rate}. Leave it out for the model's.")
    begun = BegunPipe(stream)
    _check_is_pcm(begun, sampling_rate)
    is_wav = begun.first(4) == b"RIFF"
    stream = io.BufferedReader(begun)
    if not is_wav:
        return _pcm_chunks(stream, pipe_rate or sampling_rate, 1, None, sampling_rate)
    try:
        with wave.open(stream) as header:  # reads up to the first sample, and leaves the pipe open
            channels, width, file_rate, num_frames = header.getparams()[:4]
    except (wave.Error, EOFError) as error:
        raise ValueError(
            f"`source` must be 16-bit PCM, got a WAV file that is not: {error}. With ffmpeg, add `-c:a pcm_s16le`."
        ) from error
    if width != 2:
        raise ValueError(
            f"`source` must be 16-bit PCM, got a WAV file of {8 * width} bits. With ffmpeg, add `-c:a pcm_s16le`."
        )
    if pipe_rate not in (None, file_rate):
        raise ValueError(f"`rate` must be that of the WAV file, {file_rate}, got {pipe_rate}. Leave it out.")
    num_bytes = 2 * channels * num_frames
    is_told = 0 < num_bytes < _UNKNOWN_LENGTH
    return _pcm_chunks(stream, file_rate, channels, num_bytes if is_told else None, sampling_rate)


def microphone_chunks(sampling_rate: int) -> Iterator[np.ndarray]:
    """Listen to the microphone that the system prefers, with the package `sounddevice`.

    Args:
        sampling_rate: Rate of the chunks in Hz.

    Yields:
        Chunks (samples,) float32 mono, without an end. Sound that the system has lost is told in the log.

    Raises:
        ImportError: The package is not installed.
        OSError: There is no PortAudio, or no microphone.
    """
    advice = "Give a sound file instead, or - for a pipe"
    try:
        import sounddevice
    except ImportError as error:
        raise ImportError(
            f"`source` must be other than a microphone where the package sounddevice is not installed. {advice}, or "
            "`pip install 'fastast_hf[realtime]'`."
        ) from error
    except OSError as error:
        raise OSError(
            f"`source` must be other than a microphone where PortAudio is not installed: {error}. {advice}, or install it "
            "(Debian: libportaudio2)."
        ) from error
    try:
        device = sounddevice.InputStream(samplerate=sampling_rate, channels=1, dtype="float32")
        device.start()
    except sounddevice.PortAudioError as error:
        raise OSError(f"`source` must be other than a microphone where there is none: {error}. {advice}.") from error
    return _read_device(device, round(CHUNK_SECONDS * sampling_rate))


def _check_is_pcm(pipe: BegunPipe, sampling_rate: int) -> None:
    name = name_format(pipe)
    if name is not None:
        raise ValueError(
            f"`source` must be 16-bit PCM, raw or as WAV, got a pipe that begins as {name}. Decode it first, for example "
            f"with `ffmpeg -i FILE -f s16le -ac 1 -ar {sampling_rate} -`, or give the file by its name."
        )


def _read_device(device: Any, num_samples: int) -> Iterator[np.ndarray]:
    try:
        while True:
            samples, is_lost = device.read(num_samples)  # (S, 1)
            if is_lost:
                logger.warning("The system has lost sound of the microphone before it could be read.")
            yield samples[:, 0].copy()
    finally:
        device.close()


def _pcm_chunks(
    stream: io.BufferedReader, pipe_rate: int, channels: int, num_bytes: int | None, sampling_rate: int
) -> Iterator[np.ndarray]:
    """Read 16-bit samples to the end that is told or that comes, mix down and resample."""
    resampler = None
    if pipe_rate != sampling_rate:
        resampler = soxr.ResampleStream(pipe_rate, sampling_rate, 1, quality="HQ")
    frame = 2 * channels
    size = frame * max(1, round(CHUNK_SECONDS * pipe_rate))
    num_read = 0
    while data := stream.read(size if num_bytes is None else min(size, num_bytes - num_read)):
        num_read += len(data)
        samples = np.frombuffer(data[: len(data) // frame * frame], dtype="<i2")
        chunk = mix_down(samples.reshape(-1, channels).astype(np.float32) / 32_768)  # (S, C) -> (S,)
        yield chunk if resampler is None else resampler.resample_chunk(chunk)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
