"""Measure sound files to labels on this machine: transformers' pipeline with an AST, then what each step past it saves.

    python examples/file_to_label.py MIT/ast-finetuned-audioset-10-10-0.4593 recordings/ --limit 400

Each row has all steps of the rows above it, with the same weights: `length` computes the sound and not its padding, `front
end` makes the features in torch, `batching` is `classify_files`, which also decodes the files (the rows above get them
decoded), and `merging` merges tokens. The rows take turns on parts of the clips. The share of a step is that of its
logarithm in the logarithm of the whole speed-up: steps multiply. `ast-base` instead of a checkpoint is
AST-base with random weights: speed does not depend on them.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification, AudioClassificationPipeline

from fastast_hf import FastASTConfig, FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.classification import classify_files, find_sound_files
from fastast_hf.data import load_audio
from fastast_hf.evaluation import environment
from fastast_hf.experiment.files import write_json
from fastast_hf.hub.markdown import markdown_table
from fastast_hf.hub.results import SCHEMA, provenance
from fastast_hf.model.log_mel import count_frames

Row = Callable[[list[Path], list[np.ndarray]], list[str]]
"""Takes the files and the same sounds decoded, gives the best label of each."""


def main() -> None:
    """Print the table; with `--output`, also write the results file."""
    arguments = parse_arguments()
    paths = list(islice(find_sound_files(arguments.data_dir), arguments.limit))
    if not paths or not paths[0].is_file():
        raise SystemExit(f"`data_dir` must hold sound files, got none in {arguments.data_dir}. Check the path.")

    torch.manual_seed(0)
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    if arguments.model == "ast-base":
        ast = ASTForAudioClassification(ASTConfig(num_labels=527, attn_implementation="sdpa"))
        extractors = ASTFeatureExtractor(), FastASTFeatureExtractor()
    else:
        ast = ASTForAudioClassification.from_pretrained(arguments.model)
        extractors = tuple(
            kind.from_pretrained(arguments.model) for kind in (ASTFeatureExtractor, FastASTFeatureExtractor)
        )
    ast = ast.to(device).eval()
    fast, merging = (with_merge_ratio(ast, ratio) for ratio in (0.0, arguments.merge_ratio))
    rows = make_rows(ast, fast, merging, *extractors, arguments)
    seconds, labels = take_turns(rows, paths, extractors[0].sampling_rate, arguments.turns)

    summary = summarize(seconds, labels, len(paths))
    print(table(Path(arguments.model).name, summary))
    if arguments.output is not None:
        where_and_when = environment(device=device, dtype=ast.dtype)
        settings = ("merge_ratio", "batch_size", "num_workers", "turns")
        results = {
            "schema": SCHEMA,
            "kind": "file_to_label",
            **provenance(where_and_when),
            "model": Path(arguments.model).name,
            "data": {"name": arguments.data_dir.name, "num_clips": len(paths)},
            "benchmark": {name: getattr(arguments, name) for name in settings}
            | {"dtype": where_and_when["dtype"], "rows": summary},
        }
        write_json(arguments.output, results)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("model", help="AST checkpoint, folder or Hub name, or ast-base for random weights")
    parser.add_argument("data_dir", type=Path, help="folder of sound files")
    parser.add_argument("--limit", type=int, default=None, help="classify only so many files")
    parser.add_argument("--merge_ratio", type=float, default=0.25, help="of the last row")
    parser.add_argument("--batch_size", type=int, default=16, help="clips a forward pass in the last two rows")
    parser.add_argument("--num_workers", type=int, default=2, help="threads that decode in the last two rows")
    parser.add_argument("--turns", type=int, default=5, help="parts of the clips that the rows take turns on")
    parser.add_argument("--output", type=Path, default=None, help="results file to write")
    return parser.parse_args()


def with_merge_ratio(ast: ASTForAudioClassification, merge_ratio: float) -> FastASTForAudioClassification:
    """Give the same weights, shared, as a FastAST."""
    config = FastASTConfig(**{**ast.config.to_dict(), "merge_ratio": merge_ratio})
    config._attn_implementation = ast.config._attn_implementation
    with torch.device("meta"):
        fast = FastASTForAudioClassification(config)
    fast.load_state_dict(ast.state_dict(), assign=True)
    return fast.eval()


def make_rows(
    ast: ASTForAudioClassification,
    fast: FastASTForAudioClassification,
    merging: FastASTForAudioClassification,
    stock_extractor: ASTFeatureExtractor,
    fast_extractor: FastASTFeatureExtractor,
    arguments: argparse.Namespace,
) -> dict[str, Row]:
    """Give the rows of the table, each with one step more than the one before."""
    pipeline = AudioClassificationPipeline(model=ast, feature_extractor=stock_extractor, device=ast.device)
    rate = stock_extractor.sampling_rate
    id2label = ast.config.id2label

    def answer(inputs: dict[str, torch.Tensor]) -> str:
        input_values = inputs["input_values"].to(fast.device, fast.dtype)
        with torch.inference_mode():
            logits = fast(input_values, num_frames=inputs["num_frames"]).logits
        return id2label[int(logits.argmax())]

    def length(paths: list[Path], waveforms: list[np.ndarray]) -> Iterator[str]:
        for waveform in waveforms:
            # AST's features, less the frames that are padding
            spectrogram = stock_extractor(waveform, sampling_rate=rate, return_tensors="pt")["input_values"]
            num_frames = min(count_frames(len(waveform), rate), spectrogram.shape[1])
            heard = spectrogram[:, : max(fast.config.patch_size, num_frames)]
            yield answer({"input_values": heard, "num_frames": torch.tensor([num_frames])})

    def front_end(paths: list[Path], waveforms: list[np.ndarray]) -> Iterator[str]:
        for waveform in waveforms:
            yield answer(
                fast_extractor(
                    waveform, sampling_rate=rate, return_tensors="pt", padding="longest", device=fast.device
                )
            )

    def classify(model: FastASTForAudioClassification, paths: list[Path]) -> Iterator[str]:
        sizes = {"batch_size": arguments.batch_size, "num_workers": arguments.num_workers}
        for result in classify_files(model, fast_extractor, paths, top_k=1, on_error="raise", **sizes):
            yield result.labels[0].label

    return {
        "AST, pipeline": lambda paths, waveforms: [pipeline(waveform, top_k=1)[0]["label"] for waveform in waveforms],
        "+ length": lambda paths, waveforms: list(length(paths, waveforms)),
        "+ front end": lambda paths, waveforms: list(front_end(paths, waveforms)),
        "+ batching": lambda paths, waveforms: list(classify(fast, paths)),
        "+ merging": lambda paths, waveforms: list(classify(merging, paths)),
    }


def take_turns(
    rows: dict[str, Row], paths: list[Path], sampling_rate: int, turns: int
) -> tuple[dict[str, list[float]], dict[str, list[str]]]:
    """Run all rows on one part of the clips after the other; give each row's seconds, a part each, and its labels.

    A row more, "decoding", is what decoding takes in one thread.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ("decoding", *rows)}
    labels: dict[str, list[str]] = {name: [] for name in rows}
    for row in rows.values():  # the first clip warms up
        row(paths[:1], [load_audio(paths[0], sampling_rate=sampling_rate)])
    for part in tqdm([part for turn in range(turns) if (part := paths[turn::turns])], desc="Turns"):
        start = time.perf_counter()
        waveforms = [load_audio(path, sampling_rate=sampling_rate) for path in part]
        seconds["decoding"].append(time.perf_counter() - start)
        for name, row in rows.items():
            start = time.perf_counter()
            labels[name] += row(part, waveforms)
            seconds[name].append(time.perf_counter() - start)
    return seconds, labels


def summarize(
    seconds: dict[str, list[float]], labels: dict[str, list[str]], num_clips: int
) -> dict[str, dict[str, float]]:
    """Turn times and labels into a row of numbers each; ratios are medians over the turns, so that drift cancels out."""
    names = list(labels)
    whole = speed_up(seconds[names[0]], seconds[names[-1]])
    summary: dict[str, dict[str, float]] = {"decoding": {"ms_per_clip": 1e3 * sum(seconds["decoding"]) / num_clips}}
    for before, name in zip([names[0], *names], names, strict=False):
        step = speed_up(seconds[before], seconds[name])
        agreeing = sum(one == other for one, other in zip(labels[names[0]], labels[name], strict=True))
        summary[name] = {
            "ms_per_clip": 1e3 * sum(seconds[name]) / num_clips,
            "clips_per_second": num_clips / sum(seconds[name]),
            "speed_up": speed_up(seconds[names[0]], seconds[name]),
            "step": step,
            "share": math.log(step) / math.log(whole) if whole != 1 else 0.0,
            "agreement": agreeing / num_clips,
        }
    return summary


def speed_up(baseline: list[float], seconds: list[float]) -> float:
    """Divide the times of each turn; give the median."""
    return float(np.median(np.divide(baseline, seconds)))


def table(model: str, summary: dict[str, dict[str, float]]) -> str:
    """Write the rows as a Markdown table."""
    cells = [
        [
            name,
            f"{row['ms_per_clip']:,.1f} ms",
            *(["-"] * 4 if name == "decoding" else [f"{row[key]:.2f}x" for key in ("speed_up", "step")]),
            *([] if name == "decoding" else [f"{row[key]:.0%}" for key in ("share", "agreement")]),
        ]
        for name, row in summary.items()
    ]
    heads = [model, "A clip", "Speed-up", "This step", "Share of the speed-up", "Same label as AST"]
    return markdown_table(heads, cells)


if __name__ == "__main__":
    main()
