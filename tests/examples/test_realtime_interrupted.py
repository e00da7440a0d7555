"""The end of the live classifier that is not the end of the sound: real signals to real processes, which then say no more."""

import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

PROGRAM = Path(__file__).parents[2] / "examples" / "realtime.py"
TIMEOUT = 300  # seconds that a command may take: far more than any needs
# A shell that starts the tests in the background has Python ignore Ctrl-C.
RUN = f"""
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, ".")
runpy.run_path({str(PROGRAM)!r}, run_name="__main__")
"""
MICROPHONE = """
import os, signal, time
from pathlib import Path
import numpy as np

PortAudioError = KeyError

class InputStream:
    def __init__(self, **settings):
        pass

    def start(self):
        {at_start}

    def read(self, size):
        time.sleep(size / 16_000)
        return np.zeros((size, 1), dtype=np.float32), False

    def close(self):
        Path("closed").touch()
"""


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Ten minutes, longer than any test runs, at a rate that is resampled: by an object that must not be there at the end."""
    path = tmp_path_factory.mktemp("sounds") / "long.flac"
    soundfile.write(path, np.zeros(600 * 44_100, dtype=np.int16), 44_100)
    return path


@contextmanager
def begun(folder, model, *arguments):
    """Start the program, and wait until it has shown a window."""
    command = [sys.executable, "-c", RUN, *map(str, arguments), "--model", str(model), "--window", "0.5"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([*command, "--device", "cpu"], cwd=folder, **pipes) as process:
        try:
            if "-" in arguments:
                process.stdin.write(bytes(2 * 44_100))  # a second; then this end is silent, and stays open
                process.stdin.flush()
            for start in (b"   Start", b"    0.00 - 0.50 s") if "--json" not in arguments else (b'{"start": 0.0',):
                line = process.stdout.readline()
                assert line.startswith(start), line + process.stderr.read()
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("source", ["file", "pipe", "microphone"])
def test_ctrl_c_ends_a_stream_with_its_summary_and_nothing_else(source, sound, fastast_folder, tmp_path):
    (tmp_path / "sounddevice.py").write_text(MICROPHONE.format(at_start="pass"))
    arguments = {"file": [sound], "pipe": ["-", "--rate", "44100"], "microphone": []}[source]
    with begun(tmp_path, fastast_folder, *arguments) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 0
        assert process.stderr.read() == b""
        *_, heading, line, numbers, end = process.stdout.read().decode().splitlines()
    assert " ".join(heading.split()) == "Merge ratio Windows Dropped Median latency 95 % Real-time factor"
    assert set(line.strip()) == {"─"}
    assert numbers.startswith(" model's own ")
    assert not end.strip()
    assert (tmp_path / "closed").exists() == (source == "microphone")


def test_a_reader_that_has_enough_ends_it_without_a_word(sound, fastast_folder, tmp_path):
    with begun(tmp_path, fastast_folder, sound, "--json") as process:
        process.stdout.close()
        assert process.wait(TIMEOUT) == 1
        assert process.stderr.read() == b""


def test_ctrl_c_before_the_first_sound_is_an_interruption(fastast_folder, tmp_path):
    at_start = "os.kill(os.getpid(), signal.SIGINT)"
    (tmp_path / "sounddevice.py").write_text(MICROPHONE.format(at_start=at_start))
    command = [sys.executable, "-c", RUN, "--model", str(fastast_folder), "--window", "0.5", "--device", "cpu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=TIMEOUT)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
