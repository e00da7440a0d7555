"""Sounds to tune on, and the options of a search that is over soon."""

import numpy as np
import soundfile

FEW = ("--trials", 2, "--device", "cpu", "--batch-size", 4)


def write_sounds(folder):
    """Write seven sounds of noise; give their folder."""
    for number in range(7):
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, 8_000 + 2_000 * number)
        soundfile.write(folder / f"{number}.wav", samples, 16_000)
    return folder
