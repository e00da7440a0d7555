"""The merge map: cells, colours and lines, beside the patches that they stand for."""

import re

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from fastast_hf.classification.results import LabelScore
from fastast_hf.classification.tracing import Trace
from fastast_hf.visualization import merge_map
from fastast_hf.visualization.merge_map import draw_merge_map, plot_merge_map
from tests.visualization.test_parts import walked_parts


def example(layers=2):
    """Two by three patches of four; the first merge joins neighbours in time, the second what lies apart."""
    log_mel = np.arange(16 * 8, dtype=np.float32).reshape(16, 8)
    sources = [[2, 3, 4, 5, 6, 7], [2, 2, 3, 4, 5, 6], [2, 2, 3, 2, 4, 5]][: layers + 1]
    counts = tuple(len(set(row)) for row in sources)
    labels = (LabelScore("$rain$", 0.75),)
    return Trace(log_mel, 16_000, (2, 3), 4, (4, 6), np.array(sources), counts, labels)


def scattered_example(seed, *, shape=(12, 49), tokens=60):
    """Tokens that were drawn by lot, patch by patch: nearly all of them lie in several places."""
    frames, mels = 16 + 10 * (shape[1] - 1), 16 + 10 * (shape[0] - 1)
    log_mel = np.random.default_rng(seed).standard_normal((frames, mels)).astype(np.float32)
    first = 2 + np.arange(shape[0] * shape[1])
    sources = np.stack([first, np.random.default_rng(seed).integers(2, 2 + tokens, first.size)])
    counts = tuple(len(set(row)) for row in sources.tolist())
    return Trace(log_mel, 16_000, shape, 16, (10, 10), sources, counts, ())


def numbers_of(trace, axes):
    """Where the numbers stand: by number, the rows and columns of patches."""
    (bottom, left), found = [(trace.patch_size - stride) / 2 for stride in trace.strides], {}
    for text in axes.texts:
        seconds, mel = text.get_position()
        place = int((mel - bottom) // trace.strides[0]), int((seconds / 0.01 - left) // trace.strides[1])
        found.setdefault(int(text.get_text()), []).append(place)
    return found


def cells(axes):
    return np.asarray(axes.images[0].get_array())


def test_patches_of_one_token_have_the_mean_of_all_of_them():
    trace = example()
    after_first, after_second = draw_merge_map(trace).axes[1:3]
    patches = np.array(
        [[trace.log_mel[6 * t : 6 * t + 4, 4 * f : 4 * f + 4].mean() for t in range(3)] for f in range(2)]
    )
    expected = patches.copy()
    expected[0, :2] = patches[0, :2].mean()
    assert cells(after_first) == pytest.approx(expected)
    expected[0, :2] = expected[1, 0] = np.mean([patches[0, 0], patches[0, 1], patches[1, 0]])
    assert cells(after_second) == pytest.approx(expected)


def test_lines_stand_between_tokens_and_nowhere_else():
    axes = draw_merge_map(example()).axes[1]
    segments = {tuple(map(tuple, segment.round(6).tolist())) for segment in axes.collections[0].get_segments()}
    # cells are 0.06 s and 4 bins, from -0.01 s on, where a patch is nearest
    upright = {((0.11, 0.0), (0.11, 4.0)), ((0.05, 4.0), (0.05, 8.0)), ((0.11, 4.0), (0.11, 8.0))}
    level = {((left, 4.0), (round(left + 0.06, 6), 4.0)) for left in (-0.01, 0.05, 0.11)}
    assert segments == upright | level


def test_lines_are_seen_on_dark_cells_and_on_light_ones():
    """In pixels: across a line between two cells of one brightness, whichever that is, something differs."""
    for level in (0.0, 1.0):
        trace = example()
        trace.log_mel[:] = level
        trace.log_mel[0, 0] = 1.0 - level  # the other end of the colours
        figure = draw_merge_map(trace, layers=[1])
        figure.set_dpi(200)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        axes = figure.axes[1]
        start, end = (axes.transData.transform((seconds, 4.5)) for seconds in (0.09, 0.13))  # across the one at 0.11
        pixels = np.asarray(canvas.buffer_rgba())[::-1][round(start[1]), round(start[0]) : round(end[0]), :3]
        brightness = pixels.mean(axis=1)
        assert brightness.max() - brightness.min() > 100


@pytest.mark.parametrize("seed", range(5))
def test_every_part_of_the_largest_tokens_in_several_places_has_their_number(seed):
    trace = scattered_example(seed)
    axes = draw_merge_map(trace).axes[1]
    parts = walked_parts(trace.sources[1].reshape(trace.patch_grid))
    scattered = [found for _, found in sorted(parts.items()) if len(found) > 1]
    largest = sorted(scattered, key=lambda found: -sum(map(len, found)))[:5]
    numbers = numbers_of(trace, axes)
    assert sorted(numbers) == [1, 2, 3, 4, 5]
    for number, expected in enumerate(largest, start=1):
        assert len(numbers[number]) == len(expected)
        assert all(len(part.intersection(numbers[number])) == 1 for part in expected)
    told = f"; {len(scattered)} in several places (the largest 5 numbered, {len(scattered) - 5} not)"
    assert axes.get_title(loc="left").endswith(told)


def test_a_token_in_one_place_has_no_number_and_few_in_several_all_have_one():
    trace = example()
    trace.sources[2] = [2, 3, 2, 4, 5, 6]
    after_first, after_second = draw_merge_map(trace).axes[1:3]
    assert numbers_of(trace, after_first) == {}
    assert after_first.get_title(loc="left") == "after layer 1: 5 of 6 patch tokens"
    assert numbers_of(trace, after_second) == {1: [(0, 0), (0, 2)]}
    assert after_second.get_title(loc="left").endswith("patch tokens; 1 in several places (numbered)")


def test_numbers_of_ten_seconds_stay_in_their_cells():
    trace = scattered_example(0, shape=(12, 101))
    figure = draw_merge_map(trace)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axes = figure.axes[1]
    width, height = axes.transData.transform((0.1, 10)) - axes.transData.transform((0, 0))
    for text in axes.texts:
        box = text.get_window_extent(canvas.get_renderer())
        assert box.width <= width
        assert box.height <= 1.5 * height, "its room for letters that reach below the line is empty"


def test_numbers_differ_from_every_colour_as_text_should_in_grey_print_too():
    """WCAG asks for 4.5 to 1 of lightness alone."""
    for share in np.linspace(0, 1, 256):
        ink, casing = merge_map._inks_on(share)
        assert {ink, casing} == {"black", "white"}
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
            for part in matplotlib.colormaps["cividis"](share)[:3]
        )
        lightness = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        assert (1.05 / (lightness + 0.05) if ink == "white" else (lightness + 0.05) / 0.05) >= 4.5


def test_axes_are_seconds_and_hertz_and_counts_are_written(tmp_path):
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        svg = plot_merge_map(example(), tmp_path / "map.svg", title="dog $1.wav").read_text(encoding="utf-8")
    words = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert "dog $1.wav · log-mel · $rain$ (75%)" in words
    assert "after layer 1: 5 of 6 patch tokens" in words
    assert "after layer 2: 4 of 6 patch tokens" in words
    assert "patch tokens after each layer; 2 special tokens beside them never merge" in words
    assert {"seconds", "Hz", "8,000", "1,000", "input", "patch tokens"} <= set(words)
    assert "16,000" not in words


def test_hertz_stand_where_the_mel_scale_has_them():
    axes = draw_merge_map(example()).axes[0]
    ticks = dict(zip((text.get_text() for text in axes.get_yticklabels()), axes.get_yticks(), strict=True))
    assert ticks["8,000"] == pytest.approx(8)
    assert 0 < ticks["100"] < ticks["500"] < ticks["1,000"] < 4 < ticks["4,000"]


def test_some_layers_are_drawn_or_those_that_are_asked_for():
    assert merge_map._some_of(12) == [1, 5, 8, 12]
    assert merge_map._some_of(1) == [1]
    assert len(draw_merge_map(example(), layers=[2]).axes) == 3
    with pytest.raises(
        ValueError, match=r"`layers` must be from 1 to 2, got \[0, 2\]\. Name layers that the model has"
    ):
        draw_merge_map(example(), layers=[0, 2])
