"""What a sound may be given as, and what is told of what is none: by `load_audio` and `stream_audio`, which read it."""

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from fastast_hf.data.audio import load_audio, stream_audio


def test_every_kind_of_source_reads_the_same(wav):
    expected = load_audio(wav)
    assert expected.dtype == np.float32
    assert expected.shape == (8_000,)
    for source in (str(wav), wav.read_bytes(), io.BytesIO(wav.read_bytes()), {"bytes": None, "path": str(wav)}):
        np.testing.assert_array_equal(load_audio(source), expected)
    with wav.open("rb") as file:
        np.testing.assert_array_equal(load_audio(file), expected)


def test_bytes_win_over_path(wav):
    source = {"bytes": wav.read_bytes(), "path": "inside/a/parquet/file.wav"}
    np.testing.assert_array_equal(load_audio(source), load_audio(wav))


def test_missing_file(tmp_path):
    for source in (tmp_path / "gone.wav", {"bytes": None, "path": str(tmp_path / "gone.wav")}):
        with pytest.raises(
            FileNotFoundError, match=r"`source` must be an existing sound file, got '.*gone.wav'. Check"
        ):
            load_audio(source)


def test_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"`source` must be a sound file, got the folder '.*'. Pass one file"):
        load_audio(tmp_path)


@pytest.mark.skipif(not Path("/dev/zero").is_char_device(), reason="the system has no devices that are files")
def test_a_device_that_never_ends(tmp_path):
    (tmp_path / "link.wav").symlink_to("/dev/zero")
    for path in ("/dev/zero", tmp_path / "link.wav"):
        for read in (load_audio, lambda path: list(stream_audio(path))):
            with pytest.raises(
                ValueError, match=r"`source` must be a sound file, got the device '.*'.* Record it into"
            ):
                read(path)


def test_file_that_cannot_be_read(wav, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    message = (
        r"`source` must be a file that can be read, got '.*tone.wav' \(Permission denied\). Check its permissions"
    )
    with pytest.raises(PermissionError, match=message):
        load_audio(wav)


@pytest.mark.parametrize("kind", [Path, bytes, io.BytesIO])
def test_empty_file(tmp_path, kind):
    path = tmp_path / "nothing.ogg"
    path.touch()
    source = path if kind is Path else kind(b"")
    with pytest.raises(ValueError, match=r"`source` must be a sound file, got .* with 0 bytes. Copy it again"):
        load_audio(source)


def test_an_error_calls_the_sound_by_the_name_that_it_is_given():
    with pytest.raises(ValueError, match=r"got clip 7 of the talk \("):
        load_audio(b"not a sound", name="clip 7 of the talk")


def test_source_of_another_type():
    with pytest.raises(TypeError, match=r"`source` must be a path, bytes, .*, got ndarray. Waveforms that are arrays"):
        load_audio(np.zeros(10))
    with pytest.raises(
        ValueError, match=r"`source` must hold 'bytes' or a 'path', got a dict with the keys \['array'\]"
    ):
        load_audio({"array": [0.0]})
    with pytest.raises(TypeError, match=r"`source` must be a path, bytes, a binary file .*, got StringIO"):
        load_audio(io.StringIO("text"))


def test_a_stream_of_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="`source` must be an existing sound file"):
        next(stream_audio(tmp_path / "gone.wav"))
    with pytest.raises(IsADirectoryError, match="`source` must be a sound file, got the folder"):
        next(stream_audio(tmp_path))


def test_a_stream_of_a_file_that_cannot_be_read(wav, monkeypatch):
    def refuse(path, mode):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(
        PermissionError, match=r"`source` must be a file that can be read, got .* \(Permission denied\)"
    ):
        next(stream_audio(wav))


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="the system has no names for what a process has open")
def test_a_stream_of_a_shell_s_pipe(wav):
    """As `<(ffmpeg ...)` gives one."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        writer = threading.Thread(target=lambda: (pipe.write(wav.read_bytes()), pipe.close()), daemon=True)
        writer.start()
        [waveform] = stream_audio(f"/dev/fd/{reading}")
        writer.join()
    os.close(reading)
    np.testing.assert_array_equal(waveform, load_audio(wav))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("read", [load_audio, lambda path: next(stream_audio(path))], ids=["load", "stream"])
def test_a_named_pipe_is_not_waited_for(read, tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "link.wav").symlink_to("pipe.wav")
    for name in ("pipe.wav", "link.wav"):
        with pytest.raises(
            ValueError, match=rf"`source` must be a sound file, got the named pipe .*{name}', which waits"
        ):
            read(tmp_path / name)
