"""What a classification tells."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple


class LabelScore(NamedTuple):
    """A label and its score, as transformers' pipeline names them."""

    label: str
    score: float


@dataclass(frozen=True)
class Classification:
    """The labels of a sound file, or of one window of it.

    Attributes:
        path: The file, as pathlib writes it.
        start: Where the classified sound begins, in seconds from the beginning of the file.
        end: Where it ends, in seconds.
        labels: The best labels, best first; none where there is an error.
        is_truncated: The file goes on after `end`, and what follows was not classified, since a model hears no more than
            its `max_length` at a time. Never so with windows.
        error: What is wrong with the file, or None. From a file that breaks in the middle, windows may have come before;
            `start` and `end` are then where the sound ends that could be read.
    """

    path: str
    start: float
    end: float
    labels: tuple[LabelScore, ...]
    is_truncated: bool = False
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, each label as transformers' pipeline gives it.

        Example:
            >>> Classification("a.wav", 0.0, 5.0, (LabelScore("dog", 0.9),)).to_dict()["labels"]
            [{'label': 'dog', 'score': 0.9}]
        """
        return asdict(self) | {"labels": [label._asdict() for label in self.labels]}
