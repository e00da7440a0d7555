"""The card of a model that was converted and not trained: where its weights come from, and what may be said of it."""

import re
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData

from fastast_hf.hub.markdown import escape_markdown
from fastast_hf.hub.model_card import TAGS, TASK
from fastast_hf.hub.repositories import is_repo_id
from fastast_hf.model import FastASTConfig

_PAPER = "([paper](https://arxiv.org/abs/2406.07676)). "
_MERGES_NOTHING = "This one merges nothing: set `merge_ratio` in `config.json`, or call `set_merge_ratio`."
# Only after the words that this module writes before it: what a user writes of a schedule elsewhere stays the user's.
_MERGING_SENTENCE = re.compile(
    rf"(?<={re.escape(_PAPER)})(?:{re.escape(_MERGES_NOTHING)}|Tokens merged away at each layer at [0-9,]+ frames: [0-9, ]+\.)"
)
_OF_A_SCHEDULE = {
    "accuracy": "accuracy",
    "mAP": r"\| mAP|mean average precision",
    "d-prime": "d-prime",
    "clips/s": "clips/s",
    "speed-up": "speed-up",
    "GMACs": "GMACs",
    "merge ratio": r"merge\\?[_ ]ratio",
    "merge schedule": r"merge schedule|tokens merged away|tokens\\?_merged",
}
"""What of a card holds for one schedule alone, and the patterns by which it is found, in letters of either case."""

_TEXT = """---
{metadata}
---

# {title}

{origin} A FastAST is an Audio Spectrogram Transformer that merges tokens which are alike, in every layer
{paper}{merging}

## Use

It needs Python 3.11 or later, transformers from 5.23 to below 6, torch and soundfile, and nothing else: the model's code lies
beside its weights. Read that code, then put the commit that you read in place of `<commit>`.

```python
import soundfile
from transformers import pipeline

waveform, sampling_rate = soundfile.read("clip.wav", dtype="float32")  # 16 kHz, mono
classifier = pipeline("audio-classification", "{repository}", revision="<commit>", trust_remote_code=True)
print(classifier({{"raw": waveform, "sampling_rate": sampling_rate}}))
```

## Limits

Nothing was measured for this card. `fastast benchmark` tells what merging saves on a machine and, with sounds, how often the
answers stay.
"""


def write_converted_card(
    folder: Path,
    source: str,
    config: FastASTConfig,
    *,
    source_grid: tuple[int, int] | None,
    repo_id: str | None,
    license: str | None,
) -> Path:
    """Write the card into the folder of a converted model.

    Args:
        folder: The model's.
        source: What was converted: a folder, or a name on the Hub.
        config: The model's.
        source_grid: Frequency and time patches of the source, an AST: where the model has others, its position embeddings
            were fitted. None for a source of images, after which the classifier has yet to learn anything.
        repo_id: The model's name on the Hub. Without one the user fills in the address.
        license: That of the source as the Hub spells it, or None if it states none.

    Returns:
        The path of the card.
    """
    is_on_hub = is_repo_id(source)
    metadata = ModelCardData(
        license=license,
        library_name="transformers",
        pipeline_tag=TASK,
        tags=TAGS,
        base_model=source if is_on_hub else None,
    )
    name = escape_markdown(source if is_on_hub else Path(source).name)
    if source_grid is None:
        origin = f"The encoder of {name}, made an Audio Spectrogram Transformer. Its classifier has yet to be trained."
    elif source_grid == config.patch_grid:
        origin = f"The weights of {name}, unchanged."
    else:
        before, now = (f"{frequency} x {time}" for frequency, time in (source_grid, config.patch_grid))
        origin = (
            f"The weights of {name}, its position embeddings fitted to {now} patches in place of {before} (frequency x time): "
            "without merging, too, it may answer otherwise."
        )
    path = folder / "README.md"
    text = _TEXT.format(
        metadata=metadata.to_yaml(),
        title=escape_markdown(repo_id.split("/")[-1] if repo_id else folder.resolve().name),
        origin=origin,
        paper=_PAPER,
        merging=_merging_sentence(config),
        repository=repo_id or "<user>/<model>",
    )
    ModelCard(text).save(path)
    return path


def with_new_schedule(text: str, config: FastASTConfig) -> str:
    """Write another schedule into a card that `write_converted_card` wrote.

    Args:
        text: The card, which its user may have changed.
        config: The model's, with its new schedule.

    Returns:
        The card. Only the sentence on merging is another one; where there is none, as in the card of a training, all stays.
    """
    return _MERGING_SENTENCE.sub(lambda match: _merging_sentence(config), text, count=1)


def stated_of_a_schedule(text: str) -> list[str]:
    """List what a card states that another schedule makes another, apart from the sentence that `with_new_schedule` writes.

    Args:
        text: Any card.

    Returns:
        Names such as "accuracy" and "merge schedule".

    Example:
        >>> stated_of_a_schedule("| Model | Accuracy | GMACs/clip |")
        ['accuracy', 'GMACs']
    """
    words = " ".join(_MERGING_SENTENCE.sub("", text, count=1).split())
    return [name for name, pattern in _OF_A_SCHEDULE.items() if re.search(pattern, words, re.IGNORECASE)]


def _merging_sentence(config: FastASTConfig) -> str:
    """Say what the configuration merges."""
    if not any(config.merge_schedule().tokens_merged):
        return _MERGES_NOTHING
    merged = ", ".join(map(str, config.merge_schedule().tokens_merged))
    return f"Tokens merged away at each layer at {config.max_length:,} frames: {merged}."
