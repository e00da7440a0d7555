"""Sound files as libsndfile decodes them, read forward and mixed down block by block.

Nothing is sized by what a header promises: a file that tells of hours and holds a second takes the memory of a second.
"""

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

LOWEST_RATE = 40
"""In Hz: it holds tones below 20 Hz, which nobody hears and no mel filter of AST takes. A lower one is a broken header, and a
second of it would become many thousand samples out of few."""

# Of a block, channels together: a header may tell of any rate and any number of channels.
_MOST_SAMPLES = 2**24
# The same where a file goes on after the length that it tells, as codecs without one do.
_MOST_UNTOLD = 2**14

# libsndfile asks for more memory than there is; soundfile or NumPy for what cannot be.
_DECODING_ERRORS = (soundfile.SoundFileError, MemoryError, ValueError)


class ForwardSoundFile(soundfile.SoundFile):
    """A sound file that is read from its beginning to its end.

    soundfile seeks to where it is after each read, which FLAC of untold length and codecs of telephones cannot.
    """

    def seekable(self) -> bool:
        """Say no, so that it does not."""
        return False


def open_sound_file(source: Path | io.BytesIO, name: str) -> ForwardSoundFile:
    """Open a sound file.

    Args:
        source: A file, or the bytes of one. A file is opened by its descriptor: through a Python file every read would take
            the GIL; and of a path, soundfile knows none that is not UTF-8, and libsndfile takes anything that is called .au for
            the sound of a telephone.
        name: What errors call it.

    Returns:
        The file, which its reader closes.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no sound that libsndfile decodes, or its rate is below `LOWEST_RATE`.
    """
    try:
        file = ForwardSoundFile(source if isinstance(source, io.BytesIO) else _descriptor(source))
    except OSError as error:
        raise not_read(error, name) from error
    except _DECODING_ERRORS as error:
        raise _not_decoded(error, name) from error
    if file.samplerate < LOWEST_RATE:
        file.close()
        raise ValueError(
            f"`source` must have a sampling rate of at least {LOWEST_RATE} Hz, got {name} with {file.samplerate} Hz, which "
            "holds nothing to hear. Check its header, and write the file again at its true rate."
        )
    return file


def _descriptor(path: Path) -> int | Path:
    """Open a file for libsndfile, whose C library on Windows knows no descriptor of Python's."""
    with path.open("rb") as file:
        return path if sys.platform == "win32" else os.dup(file.fileno())


def read_blocks(file: soundfile.SoundFile, name: str, *, seconds: float) -> Iterator[np.ndarray]:
    """Decode a file to its end.

    Args:
        file: At its beginning.
        name: What errors call it.
        seconds: Sound of a block, at most.

    Yields:
        Blocks (samples,) float32, the mean of the channels, none of them empty.

    Raises:
        ValueError: The file cannot be decoded from there on.
    """
    most = max(1, min(round(seconds * file.samplerate), _MOST_SAMPLES // file.channels))
    num_read = 0
    while True:
        told = file.frames - num_read
        try:
            num_samples = min(most, told if told > 0 else max(1, _MOST_UNTOLD // file.channels))
            block = file.read(num_samples, dtype="float32", always_2d=True)  # (S, C)
        except _DECODING_ERRORS as error:
            raise _not_decoded(error, name) from error
        if not len(block):
            return
        num_read += len(block)
        yield mix_down(block)


def mix_down(samples: np.ndarray) -> np.ndarray:
    """Average the channels of a recording.

    Args:
        samples: Floats of shape (samples, channels), the layout of soundfile.

    Returns:
        Waveform of shape (samples,), float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what leaves float32 is told as infinite
        return samples.mean(axis=1, dtype=np.float32)  # (S, C) -> (S,)


def not_read(error: OSError, name: str) -> OSError:
    """Say that the system does not give a file."""
    return type(error)(
        f"`source` must be a file that can be read, got {name} ({error.strerror}). Check its permissions and its disk."
    )


def _not_decoded(error: BaseException, name: str) -> ValueError:
    reason = getattr(error, "error_string", error)  # without the name of the buffer
    return ValueError(
        f"`source` must be a complete sound file that libsndfile decodes, got {name} ({reason}). "
        "Check that it is audio and was copied whole; convert other formats, "
        "for example with `ffmpeg -i in.m4a out.wav`."
    )
