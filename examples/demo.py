"""The main job in miniature, on generated sounds: train, distil, measure, save, and load back without the package.

    make demo

It ends with an error unless FastAST is faster than AST and the reloaded model gives the same logits. Last it lets the small
model of this checkout, which knows ten kinds of real sound, hear one of the generated ones.
"""

import argparse
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from transformers.utils.logging import set_verbosity_error

from fastast_hf import FastASTConfig
from fastast_hf.classification import classify_files
from fastast_hf.classification.loading import embedded_model, load_classifier
from fastast_hf.data import load_audio, make_synthetic_dataset
from fastast_hf.distillation import CMKDTrainingArguments, EfficientATConfig, SpectrogramAugmentation
from fastast_hf.experiment import (
    ComparisonArguments,
    DataArguments,
    ModelArguments,
    Outcome,
    TeacherArguments,
    run_experiment,
)
from fastast_hf.hub.tables import models_table

RUN = Path("runs/demo")


def main() -> None:
    """Run the demo; leave it in `runs/demo`."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    set_verbosity_error()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("fastast_hf").setLevel(logging.INFO)
    shutil.rmtree(RUN, ignore_errors=True)
    print("Generating ten classes of sound events")
    sounds = make_synthetic_dataset(RUN / "sounds", clips_per_class=100)
    outcome = train(sounds)
    print(f"\n{models_table(outcome.results)}\n")
    print("Loading the saved folder in a process that knows nothing of this package")
    wav = next((sounds / "rising_chirp").glob("*.wav"))
    reloaded = logits_without_package(outcome.folder, wav)

    speed_up = outcome.results["benchmark"]["rows"]["fastast"]["speed_up"]
    if speed_up <= 1:
        sys.exit(f"FastAST must be faster than AST, got {speed_up:.2f}x.")
    if not np.allclose(reloaded, logits_in_this_process(outcome, wav), atol=1e-5):
        sys.exit("The reloaded model must give the logits of the trained one.")
    print(
        f"FastAST is {speed_up:.2f}x faster than AST; the reloaded model gives the same logits. See {outcome.folder}."
    )
    hiss = next((sounds / "growing_noise").glob("*.wav"))
    print(f"\n{hiss.name}, generated noise, to the small model of this checkout, which was trained on real sounds:")
    for label, score in labels_of_the_small_model(hiss):
        print(f"  {score:6.1%}  {label}")


def train(sounds: Path) -> Outcome:
    """Train teacher, AST and FastAST on the generated sounds.

    Args:
        sounds: the folder with the sounds and their metadata.csv.

    Returns:
        The run's outcome; its folder is `runs/demo/fastast`.
    """
    sizes = {"hidden_size": 96, "num_hidden_layers": 6, "num_attention_heads": 3, "intermediate_size": 384}
    # AST's own range of 0.02 suits 768 channels; at 96, signals would fade from layer to layer.
    FastASTConfig(**sizes, max_length=128, initializer_range=0.08).save_pretrained(RUN / "student")
    EfficientATConfig(width_multiplier=0.4, batch_norm_momentum=0.1).save_pretrained(RUN / "teacher")
    return run_experiment(
        ModelArguments(config_name=str(RUN / "student"), merge_ratio="0.25"),
        DataArguments(data_dir=str(sounds), split_column="split"),
        TeacherArguments(
            teacher_config_name=str(RUN / "teacher"), teacher_num_train_epochs=10, teacher_learning_rate=3e-3
        ),
        ComparisonArguments(train_ast=True),
        # these events are told apart by their course in time: a roll or a mixture would make one of another
        SpectrogramAugmentation(time_roll=False, time_mask_frames=8, frequency_mask_bins=8, mixup_probability=0.0),
        CMKDTrainingArguments(
            output_dir=str(RUN / "fastast"),
            distillation_weight=0.9,
            distillation_temperature=2.0,
            num_train_epochs=12,
            per_device_train_batch_size=16,
            per_device_eval_batch_size=32,
            learning_rate=1e-3,
            lr_scheduler_type="cosine",
            warmup_steps=50,
            weight_decay=0.05,
            save_strategy="no",
            logging_strategy="epoch",
            disable_tqdm=False,
        ),
    )


def logits_in_this_process(outcome: Outcome, wav: Path) -> np.ndarray:
    """Classify a clip with the model as it was trained.

    Args:
        outcome: the run's outcome.
        wav: the clip.

    Returns:
        Logits (labels,) float32.
    """
    waveform = load_audio(wav, sampling_rate=outcome.feature_extractor.sampling_rate)
    features = outcome.feature_extractor(
        waveform, sampling_rate=outcome.feature_extractor.sampling_rate, return_tensors="pt"
    )
    with torch.inference_mode():
        return outcome.student(**features).logits[0].numpy()


def logits_without_package(folder: Path, wav: Path) -> np.ndarray:
    """Classify a clip with the saved folder, in a process that cannot import this package.

    Args:
        folder: the saved model.
        wav: the clip.

    Returns:
        Logits (labels,) float32.
    """
    output = RUN / "reloaded_logits.npy"
    program = Path(__file__).with_name("load_saved_model.py")
    command = [sys.executable, str(program), str(folder), str(wav), "--without-package", "--logits", str(output)]
    subprocess.run(command, check=True)
    return np.load(output)


def labels_of_the_small_model(wav: Path) -> list[tuple[str, float]]:
    """Classify a clip with the model that comes with a checkout.

    Args:
        wav: the clip.

    Returns:
        Its three best labels with their scores.
    """
    (result,) = classify_files(*load_classifier(embedded_model()), [wav], top_k=3)
    return [(label.label, label.score) for label in result.labels]


if __name__ == "__main__":
    main()
