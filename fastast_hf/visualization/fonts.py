"""Letters of all scripts: from any font that is installed, and as escapes where none has them.

matplotlib's own font has no Chinese, Japanese or Korean and draws boxes for them, with a warning for each.
"""

from collections.abc import Sequence

from matplotlib import rcParams
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontEntry, FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator

_BOXES = ("Last Resort", ".LastResort", "Adobe Blank")
"""Fonts that have a box, or nothing, for every letter."""


def make_legible(figure: Figure) -> None:
    r"""Choose fonts for all words of a figure, and write as escapes, such as `\u65e5`, the letters that none of them has.

    Args:
        figure: As it was drawn; words that all fonts have stay as they are.
    """
    for text in figure.findobj(Text):
        families, words = legible(text.get_text(), text.get_fontfamily())
        text.set_fontfamily(families)
        text.set_text(words)
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_locator(), FixedLocator):
                _make_labels_legible(axis)


def _make_labels_legible(axis: Axis) -> None:
    """Give an axis its labels again where something is spelled out: it writes them itself whenever it is drawn."""
    labels = [text.get_text() for text in axis.get_ticklabels()]
    spelled = [legible(label, rcParams["font.family"])[1] for label in labels]
    if spelled != labels:
        axis.set_ticks(axis.get_ticklocs(), spelled)


def legible(words: str, families: Sequence[str]) -> tuple[list[str], str]:
    """Find fonts that have all letters of some words, and spell out the letters that none has.

    Args:
        words: From anybody, in any script.
        families: Fonts to begin with.

    Returns:
        The fonts, those to begin with first and others as far as they are needed; and the words.
    """
    missing = {letter for letter in words if not " " <= letter <= "~" and letter != "\n"}  # ASCII is in all of them
    chosen = list(families)
    for family in families:
        missing -= _letters_of(findfont(FontProperties(family=[family])), missing)
    for entry in sorted(fontManager.ttflist, key=_rank) if missing else ():
        if missing and not entry.name.startswith(_BOXES) and _letters_of(entry.fname, missing):
            found = _letters_of(findfont(FontProperties(family=[entry.name])), missing)  # the file that is drawn from
            missing -= found
            chosen += [entry.name] if found else []
    spelled = {ord(letter): letter.encode("unicode_escape").decode() for letter in missing}
    return chosen, words.translate(spelled)


def _letters_of(path: str, letters: set[str]) -> set[str]:
    """Tell which of some letters a font's file has."""
    font = FT2Font(path)
    return {letter for letter in letters if font.get_char_index(ord(letter))}


def _rank(entry: FontEntry) -> tuple[bool, bool, str]:
    """Put the plain fonts first."""
    return "Sans" not in entry.name, entry.style != "normal", entry.name
