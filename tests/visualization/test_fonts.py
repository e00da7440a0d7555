"""Letters that matplotlib's own font lacks: from fonts that are installed, and spelled out where none is."""

import re

import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fastast_hf.classification.results import LabelScore
from fastast_hf.visualization.fonts import legible, make_legible
from fastast_hf.visualization.merge_map import draw_merge_map, plot_merge_map
from fastast_hf.visualization.pictures import save_picture
from tests.visualization.test_merge_map import example

OWN = ["DejaVu Sans"]
HAN = "日本"


@pytest.fixture(autouse=True)
def only_own_fonts(monkeypatch):
    """Leave the fonts that come with matplotlib, so that all machines have the same."""
    own = str(matplotlib.get_data_path())
    kept = [entry for entry in font_manager.fontManager.ttflist if entry.fname.startswith(own)]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", kept)
    font_manager.fontManager._findfont_cached.cache_clear()
    yield
    font_manager.fontManager._findfont_cached.cache_clear()


def install(folder, name, letters):
    """Make a font whose letters are filled squares, and install it."""
    pen = TTGlyphPen(None)
    corners = [(0, 0), (0, 1000), (1000, 1000), (1000, 0)]
    pen.moveTo(corners[0])
    for corner in corners[1:]:
        pen.lineTo(corner)
    pen.closePath()
    square, names = pen.glyph(), [f"u{ord(letter):04X}" for letter in letters]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names])
    builder.setupCharacterMap({ord(letter): glyph for letter, glyph in zip(letters, names, strict=True)})
    builder.setupGlyf(dict.fromkeys([".notdef", *names], square))
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names], (1000, 0)))
    builder.setupHorizontalHeader(ascent=1000, descent=0)
    builder.setupNameTable({"familyName": name, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=1000)
    builder.setupPost()
    path = folder / f"{name}.ttf"
    builder.save(path)
    font_manager.fontManager.addfont(path)


def titled(words):
    figure = Figure()
    figure.subplots().set_title(words, parse_math=False)
    return figure


def test_letters_of_the_font_stay():
    assert legible("café ℃ Ж λ \N{ARABIC LETTER BEH} $1\n2", OWN) == (OWN, "café ℃ Ж λ \N{ARABIC LETTER BEH} $1\n2")


def test_letters_that_no_font_has_are_spelled_out():
    assert legible("日 dog\t\udc80.wav", OWN) == (OWN, r"\u65e5 dog\t\udc80.wav")
    assert legible("\N{CJK UNIFIED IDEOGRAPH-20000}", OWN) == (OWN, r"\U00020000")


def test_an_installed_font_is_taken_and_only_the_rest_is_spelled_out(tmp_path):
    install(tmp_path, "Squares Sans", HAN)
    assert legible("日 ab 本 語", OWN) == ([*OWN, "Squares Sans"], r"日 ab 本 \u8a9e")
    assert legible("語", OWN) == (OWN, r"\u8a9e")


def test_as_many_fonts_as_are_needed_and_plain_ones_first(tmp_path):
    install(tmp_path, "Artful", "日本")
    install(tmp_path, "Squares Sans", "日")
    assert legible("日", OWN) == ([*OWN, "Squares Sans"], "日")
    assert legible("日本", OWN) == ([*OWN, "Squares Sans", "Artful"], "日本")


def test_a_font_of_boxes_for_everything_is_none():
    assert any(entry.name.startswith("Last Resort") for entry in font_manager.fontManager.ttflist) or (
        matplotlib.__version_info__ < (3, 11)
    )
    assert legible(HAN, OWN)[0] == OWN


def black_pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return int((np.asarray(canvas.buffer_rgba())[..., :3].max(axis=2) < 60).sum())


def test_the_letters_are_drawn_from_the_font_without_a_warning(tmp_path):
    """In pixels: filled squares. Warnings are errors in tests."""
    install(tmp_path, "Squares Sans", HAN)
    drawn, empty = titled(HAN * 5), titled("")
    make_legible(drawn)
    assert black_pixels(drawn) - black_pixels(empty) > 500


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
@pytest.mark.parametrize("is_installed", [True, False])
def test_pictures_of_all_formats_are_written_without_a_warning(tmp_path, ending, is_installed):
    if is_installed:
        install(tmp_path, "Squares Sans", HAN)
    assert save_picture(titled(f"{HAN} (75%)"), tmp_path / f"map.{ending}").exists()


@pytest.mark.parametrize("is_installed", [True, False])
def test_labels_of_an_axis_are_legible_too(tmp_path, is_installed):
    if is_installed:
        install(tmp_path, "Squares Sans", HAN)
    figure = Figure()
    axes = figure.subplots()
    axes.set_yticks([0, 1], ["日", "$dog$"], parse_math=False)
    axes.plot([0, 1], label="本")
    axes.legend()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        svg = save_picture(figure, tmp_path / "picture.svg").read_text(encoding="utf-8")
    words = set(re.findall(r"<text[^>]*>([^<]*)</text>", svg))
    assert ({"日", "本", "$dog$"} if is_installed else {r"\u65e5", r"\u672c", "$dog$"}) <= words


@pytest.mark.parametrize("is_installed", [True, False])
def test_a_merge_map_of_a_file_and_a_label_in_chinese(tmp_path, is_installed):
    if is_installed:
        install(tmp_path, "Squares Sans", "犬吠")
    trace = example()._replace(labels=(LabelScore("吠", 0.75),))
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        svg = plot_merge_map(trace, tmp_path / "map.svg", title="犬.wav").read_text(encoding="utf-8")
    expected = "犬.wav · log-mel · 吠 (75%)" if is_installed else r"\u72ac.wav · log-mel · \u5420 (75%)"
    assert expected in re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    FigureCanvasAgg(draw_merge_map(trace)).draw()  # as the web demo does, without a file
