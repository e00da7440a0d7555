"""A merge map: a sound's log-mel, and over it which patches are one token, layer by layer."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke

from fastast_hf.classification.tracing import Trace
from fastast_hf.model.log_mel import HOP_SECONDS, LOWEST_HZ
from fastast_hf.model.merge_schedule import NUM_SPECIAL_TOKENS
from fastast_hf.visualization.colors import SKY_BLUE
from fastast_hf.visualization.fonts import make_legible
from fastast_hf.visualization.parts import middle_of, scattered_tokens
from fastast_hf.visualization.pictures import save_picture

_COLORS = "cividis"  # even in lightness, so that it prints in grey, and told apart by all eyes
_BORDER_COLOR, _BORDER_WIDTH = "white", 0.7  # of a line, in points
_CASING_COLOR, _CASING_WIDTH = "black", 1.3  # under it, for where the cells themselves are nearly white
_TICKS_HZ = (100, 500, 1000, 2000, 4000, 8000, 16000)
_PANELS = 4
_MOST_NUMBERED = 5  # tokens of a panel; numbers of one digit fit into the cells of a sound of ten seconds
_NUMBER_POINTS = 7


def plot_merge_map(trace: Trace, path: str | Path, *, layers: Sequence[int] | None = None, title: str = "") -> Path:
    """Draw a merge map into a file.

    Args:
        trace: See `draw_merge_map`.
        path: The file; its ending (.png, .pdf, .svg) says the format, and its folder is made if it is not there.
        layers: See `draw_merge_map`.
        title: See `draw_merge_map`.

    Returns:
        The file.

    Raises:
        ValueError: See `check_picture_path` and `draw_merge_map`.
    """
    return save_picture(draw_merge_map(trace, layers=layers, title=title), path)


def draw_merge_map(trace: Trace, *, layers: Sequence[int] | None = None, title: str = "") -> Figure:
    """Draw the log-mel, the tokens after some layers, and how many tokens are left after each.

    Patches that are one token have one colour, the mean of theirs, and no line between them. Of the tokens that lie in
    several places, the largest five of a layer have a number, which stands in each of their parts; the title above says how
    many have none.

    Args:
        trace: What became of a sound's patches.
        layers: Layers to draw, from 1. Default: four of them, the first and the last among them.
        title: What stands above, such as the file's name.

    Returns:
        The figure, its title in fonts that have all letters of it, see `make_legible`.

    Raises:
        ValueError: If there is no such layer, or the trace is none.
    """
    if not isinstance(trace, Trace):
        raise ValueError(
            f"`trace` must be a Trace, as fastast_hf.classification.tracing.trace_waveform gives one, got {type(trace).__name__}. "
            "Results of a measurement are drawn by plot_speed, plot_schedules and plot_comparison."
        )
    num_layers = len(trace.sources) - 1
    layers = _some_of(num_layers) if layers is None else layers
    if not layers or not all(1 <= layer <= num_layers for layer in layers):
        raise ValueError(
            f"`layers` must be from 1 to {num_layers}, got {list(layers)}. Name layers that the model has, or leave it out."
        )
    figure = Figure(figsize=(8, 1.75 * (len(layers) + 1) + 1.6), layout="constrained")
    panels = figure.subplots(len(layers) + 2, height_ratios=[1] * (len(layers) + 1) + [0.8])
    limits = float(trace.log_mel.min()), float(trace.log_mel.max())
    best = f"{trace.labels[0].label} ({trace.labels[0].score:.0%})" if trace.labels else ""
    _draw_log_mel(panels[0], trace, limits)
    panels[0].set_title(" · ".join(filter(None, [title, "log-mel", best])), loc="left", parse_math=False)
    for axes, layer in zip(panels[1:-1], layers, strict=True):
        means = _means_of_tokens(trace, layer)
        _draw_tokens(axes, trace, layer, means, limits)
        scattered = scattered_tokens(trace.sources[layer].reshape(trace.patch_grid))
        _number_parts(axes, trace, scattered[:_MOST_NUMBERED], means, limits)
        axes.sharex(panels[0])
        left = f"{trace.patch_tokens[layer]} of {trace.patch_tokens[0]} patch tokens{_told_of(len(scattered))}"
        axes.set_title(f"after layer {layer}: {left}", loc="left", fontsize="medium")
    panels[-2].set_xlabel("seconds")
    _draw_counts(panels[-1], trace)
    make_legible(figure)
    return figure


def _some_of(num_layers: int) -> list[int]:
    """Choose layers that show the course: the first, the last, and some between."""
    return sorted({round(place) for place in np.linspace(1, num_layers, min(_PANELS, num_layers))})


def _draw_log_mel(axes: Axes, trace: Trace, limits: tuple[float, float]) -> None:
    frames, mels = trace.log_mel.shape
    axes.imshow(
        trace.log_mel.T, origin="lower", aspect="auto", cmap=_COLORS, vmin=limits[0], vmax=limits[1],
        extent=(0, frames * HOP_SECONDS, 0, mels), interpolation="nearest",
    )  # fmt: skip
    _label_frequencies(axes, trace)


def _draw_tokens(axes: Axes, trace: Trace, layer: int, means: np.ndarray, limits: tuple[float, float]) -> None:
    """Fill each patch's cell with the mean of its token, and draw lines between tokens."""
    tokens = trace.sources[layer].reshape(trace.patch_grid)
    axes.imshow(
        means, origin="lower", aspect="auto", cmap=_COLORS, vmin=limits[0], vmax=limits[1],
        extent=_extent(trace), interpolation="nearest",
    )  # fmt: skip
    casing = Stroke(linewidth=_CASING_WIDTH, foreground=_CASING_COLOR)
    axes.add_collection(
        LineCollection(
            _borders(tokens, trace),
            colors=_BORDER_COLOR,
            linewidths=_BORDER_WIDTH,
            path_effects=[casing, Normal()],
        )
    )
    frames, mels = trace.log_mel.shape
    axes.set_xlim(0, frames * HOP_SECONDS)
    axes.set_ylim(0, mels)
    _label_frequencies(axes, trace)


def _means_of_tokens(trace: Trace, layer: int) -> np.ndarray:
    """Give each patch the mean log-mel of its token (frequency, time)."""
    size, (down, along) = trace.patch_size, trace.strides
    windows = np.lib.stride_tricks.sliding_window_view(trace.log_mel.T, (size, size))[::down, ::along]
    patches = windows.mean(axis=(2, 3))[: trace.patch_grid[0], : trace.patch_grid[1]].ravel()
    _, members = np.unique(trace.sources[layer], return_inverse=True)
    means = np.bincount(members, patches) / np.bincount(members)
    return np.asarray(means[members].reshape(trace.patch_grid))


def _number_parts(
    axes: Axes, trace: Trace, numbered: Sequence[list[np.ndarray]], means: np.ndarray, limits: tuple[float, float]
) -> None:
    """Write the number of a token, from 1, into each of its parts."""
    left, right, bottom, top = _extent(trace)
    width, height = (right - left) / means.shape[1], (top - bottom) / means.shape[0]
    for number, parts in enumerate(numbered, start=1):
        for row, column in map(middle_of, parts):
            ink, casing = _inks_on((means[row, column] - limits[0]) / ((limits[1] - limits[0]) or 1.0))
            axes.text(
                left + (column + 0.5) * width, bottom + (row + 0.5) * height, str(number), color=ink,
                fontsize=_NUMBER_POINTS, fontweight="bold", ha="center", va="center_baseline",
                path_effects=[Stroke(linewidth=_CASING_WIDTH, foreground=casing), Normal()],
            )  # fmt: skip


def _told_of(num_scattered: int) -> str:
    """Say how many tokens lie in several places, and how many of them have no number."""
    hidden = num_scattered - _MOST_NUMBERED
    told = f"the largest {_MOST_NUMBERED} numbered, {hidden} not" if hidden > 0 else "numbered"
    return f"; {num_scattered} in several places ({told})" if num_scattered else ""


def _inks_on(share: float) -> tuple[str, str]:
    """Choose white or black for what stands on a colour, by its place on the scale; the other one goes around it."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colormaps[_COLORS](share)
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]  # WCAG 2.2, relative luminance
    return ("black", "white") if (luminance + 0.05) ** 2 > 1.05 * 0.05 else ("white", "black")


def _extent(trace: Trace) -> tuple[float, float, float, float]:
    """Give the edges of the cells in seconds and mel bins: a cell is where a patch is nearest."""
    (frequency, time), (down, along) = trace.patch_grid, trace.strides
    left, bottom = (trace.patch_size - along) / 2, (trace.patch_size - down) / 2
    return left * HOP_SECONDS, (left + time * along) * HOP_SECONDS, bottom, bottom + frequency * down


def _borders(tokens: np.ndarray, trace: Trace) -> list[list[tuple[float, float]]]:
    """List the lines between cells of different tokens, as ends (seconds, mel bin)."""
    left, right, bottom, top = _extent(trace)
    rows = np.linspace(bottom, top, tokens.shape[0] + 1)
    columns = np.linspace(left, right, tokens.shape[1] + 1)
    upright = [
        [(columns[column + 1], rows[row]), (columns[column + 1], rows[row + 1])]
        for row, column in np.argwhere(tokens[:, 1:] != tokens[:, :-1])
    ]
    level = [
        [(columns[column], rows[row + 1]), (columns[column + 1], rows[row + 1])]
        for row, column in np.argwhere(tokens[1:] != tokens[:-1])
    ]
    return upright + level


def _label_frequencies(axes: Axes, trace: Trace) -> None:
    """Mark frequencies in hertz on an axis of mel bins."""
    mels, highest = trace.log_mel.shape[1], trace.sampling_rate / 2
    ticks = [frequency for frequency in _TICKS_HZ if frequency <= highest]
    low, high = _mel(LOWEST_HZ), _mel(highest)
    axes.set_yticks([mels * (_mel(tick) - low) / (high - low) for tick in ticks], [f"{tick:,}" for tick in ticks])
    axes.set_ylabel("Hz")


def _mel(frequency: float) -> float:
    """Give a frequency on Kaldi's mel scale."""
    return 1127.0 * math.log1p(frequency / 700.0)


def _draw_counts(axes: Axes, trace: Trace) -> None:
    """Draw the patch tokens before the first layer and after each."""
    counts = trace.patch_tokens
    places = range(len(counts))
    bars = axes.bar(places, counts, color=SKY_BLUE, edgecolor="black", linewidth=0.8)
    axes.bar_label(bars, fontsize="small", padding=2)
    axes.set_xticks(places, ["input", *map(str, places[1:])])
    axes.set_ylim(0, 1.25 * max(counts))
    axes.set_xlabel("layer")
    axes.set_ylabel("patch tokens")
    more = f"{NUM_SPECIAL_TOKENS} special tokens beside them never merge"
    axes.set_title(f"patch tokens after each layer; {more}", loc="left", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
