"""One run of the plan, from its sounds to its numbers."""

import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

from transformers import AutoModelForAudioClassification

from fastast_hf.classification import find_sound_files
from fastast_hf.distillation import CMKDTrainingArguments
from fastast_hf.evaluation import environment
from fastast_hf.experiment.answers import answers, answers_at_ratios
from fastast_hf.experiment.arguments import DataArguments, ModelArguments
from fastast_hf.experiment.files import read_json, write_json
from fastast_hf.experiment.task import compute_features, load_sounds
from fastast_hf.hub.results import SCHEMA, provenance
from fastast_hf.model import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.speed.sounds import padded_spectrograms
from model_cards.evidence.divisions import make_division
from model_cards.evidence.ideas import compare_ideas
from model_cards.evidence.places import ROOT, result_file, run_folder
from model_cards.evidence.plan import SEARCHED_SPEEDUPS, Ideas, Run, Search, Speed, Training
from model_cards.evidence.sets import RATIOS, Options
from model_cards.evidence.speed import measure

UNPROTECTED = "fastast_hf.model.layers_fastast.NUM_SPECIAL_TOKENS"
"""With one special token instead of two, the distillation token is merged like a patch, as in the paper's authors' code."""


def carry_out(run: Run, data: Path) -> None:
    """Do a run and write its numbers down.

    Args:
        run: what is done.
        data: the folder of all data sets.
    """
    print(f"== {run.name}", flush=True)
    if isinstance(run, Search):
        _search(run, data)
    elif isinstance(run, Ideas):
        _compare_ideas(run, data)
    elif isinstance(run, Speed):
        write_json(result_file(run.name), measure(run))
    else:
        _train_and_answer(run, data)


def _train_and_answer(run: Training, data: Path) -> None:
    """Train a model and let it answer at each ratio."""
    if run.teacher is not None:
        _ensure_trained(run.teacher, data)
    _train(run, data)
    folder = run_folder(run.name)
    results = read_json(folder / "results.json")
    write_json(result_file(run.name), results | {"run": run.name, **_answers_of(folder, run)})
    for checkpoint in folder.rglob("checkpoint-*"):
        shutil.rmtree(checkpoint)


def _search(run: Search, data: Path) -> None:
    """Search a schedule with `fastast tune`."""
    _ensure_trained(run.model, data)
    for division in run.divisions:
        make_division(division, data)
    told = run.options | {"output": str(run_folder(run.name)), "results": str(result_file(run.name))}
    _call([sys.executable, "-m", "fastast_hf", "tune", str(run_folder(run.model.name))], told)


def _compare_ideas(run: Ideas, data: Path) -> None:
    """Let a model answer to folds that it has not seen, merging in other ways."""
    _ensure_trained(run.model, data)
    folder = run_folder(run.model.name)
    model = FastASTForAudioClassification.from_pretrained(folder)
    extractor = FastASTFeatureExtractor.from_pretrained(folder)
    savings = tuple(map(float, SEARCHED_SPEEDUPS))
    found = {}
    for fold, division in run.divisions.items():
        paths = list(find_sound_files(make_division(division, data)))
        found[fold] = compare_ideas(model, padded_spectrograms(paths, extractor), savings)
    write_json(result_file(run.name), {"schema": SCHEMA, **provenance(environment()), "run": run.name, "folds": found})


def _ensure_trained(run: Training, data: Path) -> None:
    """Train a model again if it was lost, or was never trained."""
    if not (run_folder(run.name) / "results.json").exists():
        _train(run, data)


def _train(run: Training, data: Path) -> None:
    """Run examples/distill.py, which goes on where it was interrupted."""
    if not run.is_tuned:
        raise ValueError(f"`only` must name the tuning runs first, got {run.name}, whose settings are not chosen yet.")
    if run.division is not None:
        make_division(run.division, data)
    told = run.options | {"output_dir": str(run_folder(run.name))}
    _call([sys.executable, str(ROOT / "examples" / "distill.py")], told)


def _call(command: list[str], told: Options) -> None:
    subprocess.run([*command, *(part for name, value in told.items() for part in (f"--{name}", value))], check=True)


def _answers_of(folder: Path, run: Training) -> dict[str, dict[str, object]]:
    """Let a trained model answer its evaluation part at each merge ratio, as it is and with one thing changed; its teacher, too."""
    names = ("data_dir", "eval_fold", "split_column")
    data = DataArguments(**{name: run.options[name] for name in names if name in run.options})
    training = CMKDTrainingArguments(output_dir=str(folder), use_cpu=True)
    extractor = FastASTFeatureExtractor.from_pretrained(folder)
    task = compute_features(load_sounds(data, ModelArguments(), training), extractor, data, training)
    model = FastASTForAudioClassification.from_pretrained(folder)
    found = {"answers": answers_at_ratios(model, task, RATIOS)}
    if "-tuning-" in run.name:
        return found
    if (folder / "_teacher").exists():
        teacher = AutoModelForAudioClassification.from_pretrained(folder / "_teacher", use_safetensors=True)
        found["answers_teacher"] = answers(teacher, task)
    with mock.patch(UNPROTECTED, 1):
        found["answers_distillation_token_unprotected"] = answers_at_ratios(model, task, RATIOS)
    model.config.proportional_attention = not model.config.proportional_attention
    return found | {"answers_proportional_attention_switched": answers_at_ratios(model, task, RATIOS)}
