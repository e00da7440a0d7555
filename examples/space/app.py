"""A page that shows on your own sounds what merging tokens saves, and what it changes.

    python examples/space/app.py

It needs gradio beside this package. The model is what the environment variable FASTAST_MODEL names, a folder or an AST or
FastAST on the Hub; else the folder `model` beside this file, as assemble.py puts it into a Space; in a checkout of the project,
its small model for ten kinds of sound. GRADIO_SERVER_PORT says where it listens.
"""

import html
import io
import os
import sys
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import page
from comparison import MAX_MEGABYTES, compare, read_sound, seconds_heard

from fastast_hf import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.classification.loading import embedded_model, load_classifier
from fastast_hf.visualization.merge_map import draw_merge_map

MODEL = Path(__file__).parent / "model"
SECONDS_KEPT = 3600
STYLE = """
.gradio-container { max-width: 80rem !important; }
#tokens { overflow-x: auto; }
#tokens table { font-variant-numeric: tabular-nums; white-space: nowrap; width: 100%; }
#tokens th, #tokens td { padding: 0.4rem 0.45rem; }
/* On a phone table and map keep a size that can be read, and are moved sideways. */
.merge-map { overflow-x: auto; }
.merge-map img { min-width: 45rem; max-width: none; width: 100%; }
"""

_FIRST_RATIO = 0.25
_LAYERS_DRAWN = 3
_MAP_INCHES = (11, 7.5)  # as wide as the page, at which its words are as large as the page's
_DOTS_PER_INCH = 160


def main() -> None:
    """Load the model and serve the page until it is stopped."""
    try:
        classifier = load_classifier(os.environ.get("FASTAST_MODEL") or own_model())
    except (OSError, ValueError) as error:
        sys.exit(f"{error}\nThe environment variable FASTAST_MODEL names the model of this page.")
    # The first passes are slow, and torch's profiler has to start in the main thread.
    silence = np.zeros(classifier[1].sampling_rate, dtype=np.float32)
    compare(*classifier, silence, _FIRST_RATIO, repeats=1, min_seconds=0)
    make_page(*classifier).queue(max_size=20).launch(
        share=False,
        max_file_size=f"{MAX_MEGABYTES}mb",
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        footer_links=[],
        theme=_theme(),
        css=STYLE,
    )


def own_model() -> str:
    """Find the model that comes with the page.

    Returns:
        Its folder.

    Raises:
        ValueError: If there is none.
    """
    return str(MODEL) if MODEL.is_dir() else embedded_model()


def make_page(model: FastASTForAudioClassification, feature_extractor: FastASTFeatureExtractor) -> gr.Blocks:
    """Lay the page out, around one model that all requests share.

    Args:
        model: In eval mode.
        feature_extractor: The model's.

    Returns:
        The page.
    """
    labels = [model.config.id2label[index] for index in range(model.config.num_labels)]
    with gr.Blocks(title=page.TITLE, analytics_enabled=False, delete_cache=(SECONDS_KEPT, SECONDS_KEPT)) as blocks:
        gr.Markdown(page.INTRODUCTION)
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                sound = _only_uploads(gr.Audio(type="filepath", label="Sound", buttons=[]))
                ratio = gr.Slider(
                    0,
                    0.5,
                    value=first_ratio(model),
                    step=0.05,
                    label="Merge ratio",
                    info="The share of its tokens that each layer merges away. More is faster, and less exact.",
                )
                gr.Markdown(page.known_sounds(labels, seconds_heard(feature_extractor)))
            with gr.Column(scale=3, min_width=320):
                headline = gr.Markdown(page.INVITATION)
                with gr.Column(visible=False) as results:
                    with gr.Row(equal_height=True):
                        sides = [_side() for _ in range(2)]
                    again = gr.Button("Measure again", size="sm")
        with gr.Column(visible=False) as below:
            tokens = gr.Markdown(elem_id="tokens")
            gr.Markdown(page.READING_THE_MAP)
            merge_map = gr.HTML()
        with gr.Accordion("What exactly is compared", open=False):
            gr.Markdown(page.DETAILS)

        hidden = [results, below]
        shown = [headline, *hidden, *(part for side in sides for part in side), tokens, merge_map]
        listen: dict[str, Any] = {
            "fn": lambda path, merge_ratio: answer(model, feature_extractor, path, merge_ratio),
            "inputs": [sound, ratio],
            "outputs": shown,
            "show_progress_on": headline,
            "api_visibility": "private",
            "concurrency_limit": 1,
            "concurrency_id": "model",  # of all events together: a second pass meanwhile would be timed, too
        }
        # A new sound must not stand beside the answer to the one before, least of all when it cannot be read.
        sound.change(forget, outputs=[headline, *hidden], queue=False, api_visibility="private").then(**listen)
        gr.on([ratio.change, again.click], trigger_mode="always_last", **listen)
    return blocks


def answer(
    model: FastASTForAudioClassification,
    feature_extractor: FastASTFeatureExtractor,
    path: str | None,
    merge_ratio: float,
) -> Any:
    """Compare both models on a sound.

    Args:
        model: In eval mode; it stays as it is.
        feature_extractor: The model's.
        path: The sound file, or None where there is none yet.
        merge_ratio: See FastASTConfig.

    Returns:
        What the page shows: the headline; the results and what is below them, visible; figures and scores of either side;
        the table of tokens; the map. Nothing changes where there is no sound.

    Raises:
        gr.Error: If the sound cannot be read or the ratio is impossible.
    """
    if path is None:
        return gr.skip()
    try:
        waveform = read_sound(path, feature_extractor.sampling_rate)
        comparison = compare(model, feature_extractor, waveform, merge_ratio)
    except (TypeError, ValueError) as error:
        # it is shown as HTML, and stays until it was read
        message = html.escape(str(error))
        raise gr.Error(message, title="No answer", duration=None, print_exception=False) from error
    named = {"AST": comparison.ast, "FastAST": comparison.fastast}
    picture = io.BytesIO()
    figure = draw_merge_map(comparison.fastast.trace, layers=layers_drawn(model.config.num_hidden_layers))
    figure.set_size_inches(_MAP_INCHES)
    figure.savefig(picture, format="png", dpi=_DOTS_PER_INCH)
    return (
        page.headline(comparison),
        gr.Column(visible=True),
        gr.Column(visible=True),
        *(part for name, side in named.items() for part in (page.figures(name, side), page.scores(side))),
        page.token_table(comparison),
        page.picture_of_map(picture.getvalue()),
    )


def forget() -> tuple[str, gr.Column, gr.Column]:
    """Take the last answer off the page.

    Returns:
        The invitation, and the results and what is below them, hidden.
    """
    return page.INVITATION, gr.Column(visible=False), gr.Column(visible=False)


def first_ratio(model: FastASTForAudioClassification) -> float:
    """Choose where the slider stands at first: the model's own ratio, if it has one.

    Args:
        model: Of the page.

    Returns:
        A multiple of 0.05 above 0.
    """
    own = model.config.merge_ratio
    return round(round(own / 0.05) * 0.05, 2) or _FIRST_RATIO if isinstance(own, float) else _FIRST_RATIO


def layers_drawn(num_layers: int) -> list[int]:
    """Choose the layers of the map: most is merged in the first ones, so they lie closer there.

    Args:
        num_layers: Of the model.

    Returns:
        Layers from 1, the first and the last among them.
    """
    places = [num_layers ** (step / (_LAYERS_DRAWN - 1)) for step in range(_LAYERS_DRAWN)]
    return sorted({round(place) for place in places})


def _theme() -> gr.themes.Base:
    """Choose fonts of the reader's own machine, so that none is fetched, and a grey that can be read."""
    theme = gr.themes.Default(
        font=[gr.themes.Font("system-ui"), gr.themes.Font("sans-serif")],
        font_mono=[gr.themes.Font("ui-monospace"), gr.themes.Font("monospace")],
    )
    return theme.set(block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300")


def _side() -> tuple[gr.Markdown, gr.Label]:
    """Lay out what one model says."""
    with gr.Column(min_width=260):
        return gr.Markdown(), gr.Label(show_label=False)


def _only_uploads(audio: gr.Audio) -> gr.Audio:
    """Refuse web addresses in place of a file, which Gradio would fetch whole, whatever their size."""
    move_to_cache = audio.async_move_resource_to_block_cache

    async def move_upload_to_cache(path: Any) -> str | None:
        if path is not None and "://" in str(path):
            raise gr.Error("The sound must be an uploaded file, got an address. Upload it.", print_exception=False)
        return await move_to_cache(path)

    audio.async_move_resource_to_block_cache = move_upload_to_cache
    return audio


if __name__ == "__main__":
    main()
