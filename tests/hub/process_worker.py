"""What `test_pushing.py` pushes, in processes whose Hub is the loopback Hub.

`python -m tests.hub.process_worker models FOLDER` leaves its findings in FOLDER; so does `trainings`, and then trains and
pushes until somebody ends the process, or goes away.
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

from fastast_hf import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.distillation import CMKDTrainer, CMKDTrainingArguments
from tests.conftest import TINY, tiny_input, tiny_model
from tests.loopback_routes import TOKEN
from tests.without_package import waveform

MERGE_RATIO = 0.25
STRATEGIES = ("every_save", "checkpoint", "end")
SLOW = "slow"  # a repository whose Hub takes its time


def feature_extractor() -> FastASTFeatureExtractor:
    return FastASTFeatureExtractor(max_length=TINY["max_length"], num_mel_bins=TINY["num_mel_bins"])


def error_of(action: Callable[[], Any]) -> str:
    """Run what must fail; give the kind of its error and its words."""
    try:
        action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("it succeeded")


def push_models(folder: Path) -> dict[str, Any]:
    """Push a model and its feature extractor, and what a reader of them pushes again; meet a Hub that fails."""
    model, extractor = tiny_model(merge_ratio=MERGE_RATIO), feature_extractor()
    with torch.inference_mode():
        np.save(folder / "logits.npy", model(tiny_input()).logits)
        features = extractor(waveform(), sampling_rate=16_000, return_tensors="pt")
        np.save(folder / "scores.npy", model(**features).logits.softmax(-1)[0])
    commits = {"model": model.push_to_hub("fast").oid, "feature_extractor": extractor.push_to_hub("fast").oid}

    for name in ("fast", "pointer"):
        again = AutoModelForAudioClassification.from_pretrained(f"you/{name}", trust_remote_code=True)
        assert isinstance(again, FastASTForAudioClassification), "the package's class, where the package is"
        extractor_again = AutoFeatureExtractor.from_pretrained(f"you/{name}", trust_remote_code=True)
        for thing in (again, extractor_again):
            thing.push_to_hub(f"{name}-again-with")
            thing.save_pretrained(folder / f"{name}-again")

    model.push_to_hub("secret", private=True)
    told = {
        "no token": error_of(lambda: model.push_to_hub("nothing", token=False)),
        "wrong token": error_of(lambda: extractor.push_to_hub("nothing", token="hf_wrong")),
        "another's name": error_of(lambda: model.push_to_hub("somebody/else")),
        "private": error_of(lambda: FastASTForAudioClassification.from_pretrained("you/secret", token=False)),
    }
    other = tiny_model(merge_ratio=MERGE_RATIO, seed=1)
    told["commit"] = error_of(lambda: other.push_to_hub("flaky"))
    other.push_to_hub("flaky")
    extractor.push_to_hub("flaky")
    return {"commits": commits, "told": told}


def trainer(folder: Path, name: str, **changes: Any) -> CMKDTrainer:
    """Make a trainer that saves at every step and pushes to a repository of this name."""
    columns = {"input_values": tiny_input(8).tolist(), "labels": [index % 5 for index in range(8)]}
    settings = {
        **{"push_to_hub": True, "hub_model_id": name, "hub_strategy": "every_save", "hub_token": TOKEN},
        "hub_always_push": True,  # every save is pushed: a step waits for the push of the one before
        **{"max_steps": 2, "save_strategy": "steps", "save_steps": 1, "per_device_train_batch_size": 4},
        **{"distillation_weight": 0.0, "use_cpu": True, "dataloader_pin_memory": False, "disable_tqdm": True},
    }
    return CMKDTrainer(
        tiny_model(merge_ratio=MERGE_RATIO, problem_type="single_label_classification"),
        CMKDTrainingArguments(folder / name, **settings | changes),
        train_dataset=Dataset.from_dict(columns).with_format("torch"),
        processing_class=feature_extractor(),
    )


def push_trainings(folder: Path) -> dict[str, Any]:
    """Train and push by each strategy; meet a Hub that refuses a push in the background."""
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("fastast_hf").addHandler(handler)
    for strategy in STRATEGIES:
        training = trainer(folder, strategy, hub_strategy=strategy)
        training.train()
        training.push_to_hub(tags=["birds"])
    assert logged == [], logged
    trainer(folder, SLOW, hub_strategy="checkpoint", max_steps=3).train()
    trainer(folder, "refused").train()
    wrong = error_of(lambda: trainer(folder, "nothing", hub_token="hf_wrong"))
    return {"logged": logged, "told": {"wrong token": wrong}}


def train_until_killed(folder: Path) -> None:
    """Train, save and push for longer than any test waits."""
    trainer(folder, "killed", max_steps=10_000, hub_always_push=False, save_total_limit=1).train()


def end_with_parent() -> None:
    """End this process as soon as the one that started it is gone, and with it the other end of our standard input."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    what, where = sys.argv[1], Path(sys.argv[2])
    findings = {"models": push_models, "trainings": push_trainings}[what](where)
    (where / f"{what}.json").write_text(json.dumps(findings))
    if what == "trainings":
        train_until_killed(where)
