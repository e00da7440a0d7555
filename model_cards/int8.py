"""Measure what int8 costs and saves the small model of a checkout, on the sounds that it has not heard (`make int8`).

    python -m model_cards.int8 [--data ../shared/data/esc10] [--output int8.json]

Nothing else may run on the machine meanwhile.
"""

import argparse
import csv
import tempfile
from pathlib import Path
from typing import Any

import torch

from fastast_hf.classification.loading import embedded_model, load_classifier
from fastast_hf.data import load_audio
from fastast_hf.evaluation import Row, compare_throughput, count_macs, eager_forward, environment, onnxruntime_forward
from fastast_hf.evaluation.runtimes import Forward
from fastast_hf.experiment.files import read_json, write_json
from fastast_hf.hub.export import export_onnx
from fastast_hf.hub.quantization import quantize_onnx
from fastast_hf.hub.results import SCHEMA, check_results, provenance
from fastast_hf.progress import late_bar

ROOT = Path(__file__).resolve().parents[1]
BATCH_SIZE = 16
REPEATS = 20


def main() -> None:
    """Export, quantize, compare, and write down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    shared = ROOT.parent / "shared"
    parser.add_argument("--data", type=Path, default=shared / "data" / "esc10", help="ESC-10")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "model_cards" / "results" / "int8.json", help="results (%(default)s)"
    )
    arguments = parser.parse_args()
    results = {
        **{"schema": SCHEMA, "kind": "questions", **provenance(environment()), "command": "make int8"},
        "questions": compare(arguments.data),
    }
    check_results(results)
    write_json(arguments.output, results)
    print(f"{arguments.output}: {len(results['questions'])} tables")


def compare(data: Path) -> list[dict[str, Any]]:
    """Compare the model in torch, as ONNX, and as ONNX in int8: right answers, speed, size."""
    folder = Path(embedded_model())
    model, extractor = load_classifier(str(folder), device="cpu")
    fold = str(read_json(folder / "results.json")["data"]["eval_fold"])
    clips, labels = held_out(data / "audio", fold, extractor, model.config.label2id)
    with tempfile.TemporaryDirectory() as work:
        whole = export_onnx(model, Path(work, "model.onnx"), feature_extractor=extractor)
        in_int8 = quantize_onnx(whole, Path(work, "int8.onnx"))
        forwards = {
            "torch, float32": eager_forward(model),
            "ONNX Runtime, float32": onnxruntime_forward(whole),
            "ONNX Runtime, int8": onnxruntime_forward(in_int8),
        }
        accuracy = [accuracy_of(forward, clips, labels) for forward in forwards.values()]
        macs = count_macs(model, clips[:BATCH_SIZE])
        rows = {name: Row(forward, clips[:BATCH_SIZE], macs) for name, forward in forwards.items()}
        speed = compare_throughput(rows, repeats=REPEATS)
        sizes = [file.stat().st_size / 2**20 for file in (folder / "model.safetensors", whole, in_int8)]
    on = f"{folder.name} on fold {fold} of ESC-10, {len(labels)} clips that it has not heard."
    speed_ups = [row.speed_up for row in speed.values()]
    return [
        table("Accuracy", on, "accuracy", list(forwards), accuracy),
        table("Times the clips/s", f"Model alone, batches of {BATCH_SIZE}, in turns.", "times", list(forwards), speed_ups),
        table("MiB of the file", "For torch the weights as they are published, in float16.", "whole", list(forwards), sizes),
    ]  # fmt: skip


def held_out(audio: Path, fold: str, extractor: Any, label2id: dict[str, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Read a fold: (clips, frames, mels) and (clips,)."""
    with (audio / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["fold"] == fold]
    rate = extractor.sampling_rate
    sounds = [load_audio(audio / row["file_name"], sampling_rate=rate) for row in late_bar(rows, desc="Sounds")]
    features = extractor(sounds, sampling_rate=rate, return_tensors="pt")
    return features["input_values"], torch.tensor([label2id[row["label"]] for row in rows])


@torch.inference_mode()
def accuracy_of(forward: Forward, clips: torch.Tensor, labels: torch.Tensor) -> float:
    """Tell how many answers are right, 0 to 1."""
    answers = torch.cat([forward(batch).argmax(dim=-1) for batch in clips.split(BATCH_SIZE)])
    return (answers == labels).float().mean().item()


def table(title: str, data: str, form: str, columns: list[str], values: list[float]) -> dict[str, Any]:
    """Write a question of a results file."""
    rows = [{"name": "fastast-tiny-esc10", "values": values}]
    return {"title": title, "data": data, "format": form, "columns": columns, "rows": rows}


if __name__ == "__main__":
    main()
