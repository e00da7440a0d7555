"""An archive in miniature, classified by a real process, and its undisturbed twin."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fastast_hf import FastASTFeatureExtractor
from tests.conftest import SIZES, tiny_model
from tests.faults.processes import Ended
from tests.faults.runs import Runs

CLASSIFY = "classify_archive.py"
NUM_SHARDS = 10


@dataclass
class Archives:
    """The sounds of the runs, five to a shard."""

    runs: Runs

    def __post_init__(self) -> None:
        model = self.runs.folder / "classifier"
        tiny_model(num_hidden_layers=2, merge_ratio=0.25).save_pretrained(model)
        FastASTFeatureExtractor(**SIZES).save_pretrained(model)

    def arguments(self, output: str | Path, sounds: str = "sounds") -> list[object]:
        return [
            *(sounds, "--output-dir", output, "--model", "classifier", "--cpu"),
            *("--shard-size", "5", "--batch-size", "5", "--num-workers", "1"),
        ]

    def start(self, output: str | Path, sounds: str = "sounds") -> Ended:
        return self.runs.starter.run(CLASSIFY, self.arguments(output, sounds))

    @cached_property
    def reference(self) -> Path:
        """Where it was classified undisturbed."""
        ended = self.start("labels")
        assert ended.code == 0, ended.words
        return self.runs.folder / "labels"

    def what_differs(self, output: str | Path) -> str:
        """Say what differs from the undisturbed labels, to the last bit; nothing if nothing does."""
        folder = self.runs.folder / output
        left = sorted(path.name for path in folder.iterdir())
        if left != sorted(path.name for path in self.reference.iterdir()):
            return f"other files: {left}"
        return "" if read(folder).equals(read(self.reference)) else "other labels"


def read(folder: Path) -> pa.Table:
    """Read all shards in their order."""
    return pa.concat_tables(pq.read_table(path) for path in sorted(folder.glob("shard-*.parquet")))
