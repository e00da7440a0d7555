"""Turn a trained model of the evidence into a folder that is ready for the Hub.

    python -m model_cards.evidence.publish esc10

It is a FastAST with a teacher of the first fold or seed, on ESC-10 the one of 60 epochs: what its part of the data says of it
was not seen in training. It computes in float32; its weights are stored in float16 if each clip of that part keeps its label.
Called again when the training's folder is gone, it writes code, results and card anew, and the weights stay.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file

from fastast_hf.experiment.files import read_json, write_json
from fastast_hf.hub.model_card import write_model_card
from fastast_hf.hub.results import load_results
from fastast_hf.model import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.speed.sounds import padded_spectrograms
from fastast_hf.visualization import plot_comparison
from model_cards.evidence import places
from model_cards.evidence.divisions import AUDIO
from model_cards.evidence.sets import SETS

START = {"base_model": "facebook/deit-tiny-patch16-224", "license": "apache-2.0"}
TEACHER = {"base_model": "EfficientAT mn04_as", "license": "mit"}
LICENSE = "apache-2.0"
PICTURE = "comparison.png"


class Published(NamedTuple):
    """A model that is published.

    Attributes:
        folder: its name.
        run: the training, of the first fold or seed.
        ast: the training of AST on the same part.
        data: what the results tell of its data: name, licence, and what a reader of the numbers has to know.
    """

    folder: str
    run: str
    ast: str
    data: dict[str, str]


MODELS = {
    "esc10": Published(
        "fastast-tiny-esc10",
        "esc10-fold1-fastast-cmkd-long",
        "esc10-fold1-ast",
        {
            "name": "ESC-10",
            "license": "cc-by-3.0",
            "remark": "The model is the first fold's of those trained over 60 epochs, chosen when the same fold's of 20 were known; its "
            "teacher, mn04_as, had learnt the labels for those. AST learnt over 20 epochs, and this fold is its worst: over all folds "
            "the difference is not told from zero.",
        },
    ),
    "speech": Published(
        "fastast-tiny-speech-commands12",
        "speech-seed1-fastast-cmkd",
        "speech-seed1-ast",
        {
            "name": "3,000 clips of the 12-class test set of Speech Commands v0.02",
            "license": "cc-by-4.0",
            "remark": "No speaker is in both parts. The division is this project's, so the numbers are not comparable with "
            "published ones. The model is the first seed's, where it is below AST; over all seeds the mean is above, and the "
            "difference is not told from zero. The teacher is smaller, faster and as accurate.",
        },
    ),
}


def main() -> None:
    """Publish one model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set_name", choices=tuple(MODELS), help="whose sounds the model knows")
    parser.add_argument(
        "--data", type=Path, default=places.ROOT.parent / "shared" / "data", help="esc10, speech_commands12"
    )
    arguments = parser.parse_args()
    folder = publish(arguments.set_name, arguments.data, places.ROOT / "model_cards")
    print(f"{folder}: {sum(path.stat().st_size for path in folder.iterdir()) / 2**20:.1f} MiB")


def publish(set_name: str, data: Path, parent: Path) -> Path:
    """Make the folder of a model.

    Args:
        set_name: whose sounds it knows.
        data: the folder of all data sets.
        parent: where the folder goes; an older one is replaced.

    Returns:
        The folder.
    """
    published = MODELS[set_name]
    place, summary = parent / published.folder, places.RESULTS.parent / f"{set_name}.json"
    is_trained_here = places.run_folder(published.run).exists()
    source = places.run_folder(published.run) if is_trained_here else place
    results, comparison = results_of(set_name), load_results(summary) if summary.exists() else None
    folder = parent / f"_{published.folder}" / published.folder  # aside, under its name, which is the card's title
    shutil.rmtree(folder.parent, ignore_errors=True)
    FastASTForAudioClassification.from_pretrained(source, dtype=torch.float32).save_pretrained(folder)
    FastASTFeatureExtractor.from_pretrained(source).save_pretrained(folder)
    if is_trained_here:
        _store_in_float16_if_labels_stay(folder, _sounds(published, data / AUDIO[set_name]))
    else:
        shutil.copyfile(place / "model.safetensors", folder / "model.safetensors")
    write_json(folder / "results.json", results)
    if comparison is not None:
        plot_comparison(comparison, folder / PICTURE)
    write_card(folder, results, comparison)
    shutil.rmtree(place, ignore_errors=True)
    folder.rename(place)
    folder.parent.rmdir()
    return place


def write_card(folder: Path, results: dict[str, Any], comparison: dict[str, Any] | None) -> None:
    """Write the card of a published model."""
    picture = PICTURE if comparison is not None else None
    write_model_card(folder, results, license=LICENSE, comparison=comparison, picture=picture)


def results_of(set_name: str) -> dict[str, Any]:
    """Give the results of the run, with licences, and with the speed that was measured on a quiet machine."""
    published = MODELS[set_name]
    results: dict[str, Any] = read_json(places.result_file(published.run))
    speed = load_results(places.result_file(f"speed-{set_name}"))
    names = {
        "teacher": "CNN teacher",
        "ast": "AST",
        "fastast": f"FastAST, ratio {float(SETS[set_name].merge_ratio):g}",
    }
    rows = {row["name"]: row for row in speed["benchmark"]["rows"]}
    return {
        **{name: results[name] for name in ("schema", "command", "training")},
        **{name: speed[name] for name in ("date", "environment")},
        "data": results["data"] | published.data,
        "models": {
            "fastast": _untimed(results["models"]["fastast"]) | START,
            "teacher": _untimed(results["models"]["teacher"]) | TEACHER,
            "ast": {"metrics": read_json(places.result_file(published.ast))["models"]["fastast"]["metrics"]},
        },
        "benchmark": {
            **{name: rows["AST"][name] for name in ("batch_size", "num_frames", "dtype")},
            "rows": {name: rows[row] for name, row in names.items()},
        },
    }


def _untimed(model: dict[str, Any]) -> dict[str, Any]:
    """Leave out how long the training took, which other work on the machine has slowed."""
    return {name: value for name, value in model.items() if name != "train_seconds"}


def _sounds(published: Published, audio: Path) -> list[Path]:
    """List the sounds that judge."""
    return [audio / name for name in read_json(places.result_file(published.run))["answers"]["clips"]]


def _store_in_float16_if_labels_stay(folder: Path, paths: list[Path]) -> None:
    """Store the weights of a model in half the bytes, unless a sound would be given another label."""
    file = folder / "model.safetensors"
    features = padded_spectrograms(paths, FastASTFeatureExtractor.from_pretrained(folder))
    weights, labels = load_file(file), _labels_of(folder, features)
    save_file({name: weight.half() for name, weight in weights.items()}, file, {"format": "pt"})
    if not torch.equal(labels, _labels_of(folder, features)):
        save_file(weights, file, {"format": "pt"})


def _labels_of(folder: Path, features: torch.Tensor) -> torch.Tensor:
    """Give the index of each clip's best label, computed in float32."""
    model = FastASTForAudioClassification.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        return torch.cat([model(batch).logits.argmax(dim=-1) for batch in features.split(16)])


if __name__ == "__main__":
    main()
