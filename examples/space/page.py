"""What the page says, as Markdown or HTML. Labels come with a checkpoint, from anybody: none is shown unescaped."""

import base64
from collections.abc import Sequence

from comparison import MAX_MEGABYTES, MAX_MINUTES, REPEATS, Comparison, Side

from fastast_hf.hub.markdown import escape_markdown, markdown_table, printable
from fastast_hf.model.merge_schedule import NUM_SPECIAL_TOKENS

TITLE = "FastAST: one sound, the same weights, fewer tokens"

INTRODUCTION = f"""\
# {TITLE}

An **Audio Spectrogram Transformer** (AST) is a network that says what is to be heard. It cuts the picture of a sound into small
squares, its **tokens**, and in every one of its layers compares each token with all others. **FastAST** merges the tokens that
are most alike, such as silence or a steady hum, layer by layer: whatever comes later has less to do. Here both hear your sound
with the same weights, so you see what merging saves, and whether it changes the answer.
"""

INVITATION = "### Upload or record a sound\n\nThe answers of both models appear here."

READING_THE_MAP = """\
### Where the tokens went

At the top is your sound as both models get it, a log-mel spectrogram: time runs to the right, pitch upwards, bright is loud.
Below is what FastAST has made of it after some of its layers. A small square is a token that is still alone. **What has been
merged into one token has one colour and no white line inside**: mostly what is alike, such as silence. **A token may lie in
several places, of one colour**, and other tokens may have a colour much like it, so the parts of the largest of such tokens
have one number, anew after each layer; the titles say how many have none. The bars count the patch tokens that are left for
the next layer.
"""

DETAILS = f"""\
- **AST** is the same network merging nothing: the logits are AST's to the last bit. Both get the sound as long as it is;
  AST as transformers has it pads short sounds with silence and computes that, too.
- **Merge ratio** is the share of its tokens that each layer merges away. It works on a trained model as it is.
- **Milliseconds** are the median of at least {REPEATS} passes of the model on this server, one sound at a time, both models in
  turns after a warm-up. How many times as fast is the median over the turns of the ratio within a turn, which need not be
  the ratio of the medians. Reading the file and making its spectrogram are not in it. The machine is shared, so the figures
  move; the work, counted in multiplications, does not. A small model saves less time than work, since every layer also
  costs some time that does not depend on its tokens.
- **Patch tokens** are those of the sound, a patch of its spectrogram each at first. The {NUM_SPECIAL_TOKENS} **special tokens**
  stand for the whole of it and are never merged; they are not in the table, the map and the bars.
- WAV, FLAC, Ogg, Opus, MP3 and AIFF are read, up to {MAX_MEGABYTES} MB and {MAX_MINUTES} minutes. Uploads are deleted
  within two hours.

Methods: FastAST (Behera et al., Interspeech 2024), Token Merging (Bolya et al., ICLR 2023), AST (Gong et al., Interspeech
2021).
"""

_LABELS_NAMED = 12


def known_sounds(labels: Sequence[str], seconds: float) -> str:
    """Say what the model was made for.

    Args:
        labels: All that it knows.
        seconds: What it hears of a sound.

    Returns:
        Two sentences of Markdown.
    """
    named = ", ".join(escape_markdown(label) for label in labels[:_LABELS_NAMED])
    more = f" and {len(labels) - _LABELS_NAMED} more" if len(labels) > _LABELS_NAMED else ""
    return f"This model tells {len(labels)} kinds of sound apart: {named}{more}. It hears the first {seconds:.1f} seconds."


def headline(comparison: Comparison) -> str:
    """Say in two lines what merging did.

    Args:
        comparison: Of one sound.

    Returns:
        Markdown.
    """
    ast, fastast = comparison.ast, comparison.fastast
    lines = [
        f"### FastAST is {comparison.speed_up:.1f}x as fast as AST, with {fastast.macs / ast.macs:.0%} of its work",
        _agreement(ast, fastast),
    ]
    if comparison.seconds > comparison.seconds_heard:
        lines.append(f"Heard were the first {comparison.seconds_heard:.1f} of {comparison.seconds:.1f} seconds.")
    return "\n\n".join(lines)


def figures(name: str, side: Side) -> str:
    """Say what one model took.

    Args:
        name: Of the model.
        side: What it made of the sound.

    Returns:
        Markdown.
    """
    first, last = side.trace.patch_tokens[0], side.trace.patch_tokens[-1]
    left = f"{last} + {NUM_SPECIAL_TOKENS} left at the end" if last < first else "in every layer"
    tokens = f"{first} patch tokens + {NUM_SPECIAL_TOKENS} special tokens, {left}"
    return f"### {name}\n\n**{side.milliseconds:.1f} ms** · {tokens}"


def scores(side: Side) -> dict[str, float]:
    """Give the labels as `gr.Label` takes them, which shows them as text, control characters as escapes.

    Args:
        side: What one model made of the sound.

    Returns:
        Scores from 0 to 1 by label.
    """
    return {printable(label.label): label.score for label in side.trace.labels}


def token_table(comparison: Comparison) -> str:
    """List the patch tokens of the sound before the first layer and after each.

    Args:
        comparison: Of one sound.

    Returns:
        A table in Markdown.
    """
    layers = [str(layer) for layer in range(1, len(comparison.ast.trace.patch_tokens))]
    sides = {"AST": comparison.ast, "FastAST": comparison.fastast}
    rows = [[name, *side.trace.patch_tokens] for name, side in sides.items()]
    return "### Patch tokens after each layer\n\n" + markdown_table(["layer", "input", *layers], rows)


def picture_of_map(png: bytes) -> str:
    """Show a merge map.

    Args:
        png: The picture.

    Returns:
        HTML. Everything in it is this module's own.
    """
    described = (
        "Merge map: the spectrogram of the sound, below it the tokens after some layers, larger from layer to layer, "
        "with one number in all parts of a token that lies in several places, and bars that count the patch tokens, as in the "
        "table."
    )
    data = base64.b64encode(png).decode()
    return f'<div class="merge-map"><img alt="{described}" src="data:image/png;base64,{data}"></div>'


def _agreement(ast: Side, fastast: Side) -> str:
    """Say whether both give the same answer."""
    before, after = (escape_markdown(side.trace.labels[0].label) for side in (ast, fastast))
    if before == after:
        return f"Both give the same answer: **{after}**."
    return f"AST answers **{before}**, FastAST **{after}**: at this ratio, merging changes the answer."
