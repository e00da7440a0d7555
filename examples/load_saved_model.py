"""Classify a sound with a saved FastAST through plain transformers.

    python examples/load_saved_model.py runs/demo/fastast sound.wav

The folder brings its own code, so this needs transformers, torch, soundfile and soxr, not fastast_hf. A model on
the Hub needs `--revision`, the commit whose code you have read: `trust_remote_code=True` would else run whatever is there today.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch


def main() -> None:
    """Print the labels of one sound file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder or Hub name of the model")
    parser.add_argument("sound", help="sound file")
    parser.add_argument("--revision", default=None, help="commit of a model on the Hub, must be given there")
    parser.add_argument("--logits", default=None, help="also write the logits to this .npy file")
    parser.add_argument("--without-package", action="store_true", help="make sure that fastast_hf is not used")
    arguments = parser.parse_args()
    if arguments.revision is None and not Path(arguments.model).is_dir():
        parser.error(
            f"--revision must be given unless the model is a folder, got none for {printable(arguments.model)}. Name the "
            "commit whose code you have read, or a folder that exists."
        )
    if arguments.without_package:
        sys.modules["fastast_hf"] = None  # type: ignore[assignment]  # any import of it now fails

    try:
        samples, file_rate = soundfile.read(arguments.sound, dtype="float32", always_2d=True)
        from transformers import pipeline  # only now, so that nothing can have imported the package before

        classify = pipeline(
            "audio-classification", model=arguments.model, trust_remote_code=True, revision=arguments.revision
        )
    except (OSError, ValueError, soundfile.SoundFileError) as error:  # soundfile's is a RuntimeError
        sys.exit("Error: " + "\n".join(map(printable, str(error).splitlines())))
    sampling_rate = classify.feature_extractor.sampling_rate
    waveform = soxr.resample(samples.mean(axis=1), file_rate, sampling_rate)  # the pipeline's own needs torchaudio
    for answer in classify({"raw": waveform, "sampling_rate": sampling_rate}):
        print(f"{answer['score']:6.1%}  {printable(answer['label'])}")

    if arguments.logits is not None:
        features = classify.feature_extractor(waveform, sampling_rate=sampling_rate, return_tensors="pt")
        with torch.inference_mode():
            np.save(arguments.logits, classify.model(**features).logits[0].numpy())


def printable(text: str) -> str:
    """Write what a terminal would obey as an escape: labels come from whoever made the model."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


if __name__ == "__main__":
    main()
