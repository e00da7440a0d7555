"""Text that came from outside, made safe to stand in a terminal or in a Markdown page that the world sees."""

import html
import re
from collections.abc import Sequence

# A slash after a letter, a dot or a slash belongs to `and/or`, `user/model`, `./runs` or a URL: no machine's path.
_MACHINE_PATH = re.compile(
    r"""(?<![\w/.~<]) (?:file://)? (?: [A-Za-z]:[/\\] | (?<!:(?=//))/ )  # where an absolute path begins
        (?: [^\s/\\"'`|,;]+ [/\\]+ )* [^\s/\\"'`|,;]+ [/\\]?            # its parts""",
    re.VERBOSE,
)
# GitHub, the Hub and the demo make links of addresses and of names after an @, some of them after entities are read.
_AUTOLINK = re.compile(r"(?:https?|ftp|mailto|xmpp):|www(?=\.)|@", re.IGNORECASE)
NO_LINK = "<!-- -->"
"""Shows nothing, and no address goes on after it."""

_MARKDOWN_PUNCTUATION = re.compile(r"([\\`*_\[\]|~$])")


def printable(text: str) -> str:
    r"""Write what a terminal or a page would obey or not show as an escape, so that a name is one line and does nothing.

    Args:
        text: Such as a file name or a label, from anybody.

    Returns:
        The text; control and format characters, separators other than a space, and bytes that are no text as escapes.

    Example:
        >>> printable("caf\u00e9\x1b[2J.wav")
        'café\\x1b[2J.wav'
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def without_machine_paths(text: str) -> str:
    """Shorten each absolute path in a text to its last part.

    Args:
        text: Any text.

    Returns:
        The text; URLs, relative paths and Hub names are left as they are.

    Example:
        >>> without_machine_paths("--data_dir /srv/sounds/esc10 --model MIT/ast https://hf.co/MIT/ast")
        '--data_dir esc10 --model MIT/ast https://hf.co/MIT/ast'
    """
    return _MACHINE_PATH.sub(lambda match: re.split(r"[/\\]", match[0].rstrip("/\\"))[-1], text)


def escape_markdown(value: object) -> str:
    r"""Write a value as one line of Markdown that shows it as it is, without paths of the machine.

    It is for the middle of a line or a table's cell: what is markup only at the start of a line stays.

    Args:
        value: Anything; its `str` is shown.

    Returns:
        Text without line breaks, control characters, Markdown and HTML markup, and addresses that are no links.

    Example:
        >>> escape_markdown("dog_bark | <b>")
        'dog\\_bark \\| &lt;b&gt;'
    """
    line = printable(" ".join(without_machine_paths(str(value)).split()))
    text = html.escape(_MARKDOWN_PUNCTUATION.sub(r"\\\1", line), quote=False)
    return _AUTOLINK.sub(rf"\g<0>{NO_LINK}", text)


def code_block(text: str, language: str = "") -> str:
    """Fence a text so that nothing inside can end the block, without paths of the machine.

    Args:
        text: The content, shown as it is; control characters as escapes.
        language: What the block is highlighted as.

    Returns:
        The lines of the block, without a line break at the end.
    """
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = [printable(line) for line in without_machine_paths(text).strip().expandtabs().split("\n")]
    return "\n".join([f"{fence}{language}", *lines, fence])


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Write a table as GitHub and the Hub show it: the first column to the left, numbers to the right.

    Args:
        header: One title per column.
        rows: One value per column each; every value is escaped.

    Returns:
        The lines of the table, without a line break at the end.

    Example:
        >>> print(markdown_table(["model", "clips/s"], [["AST", "4.0"]]))
        | model | clips/s |
        |---|---:|
        | AST | 4.0 |
    """
    lines = [[escape_markdown(value) for value in line] for line in (header, *rows)]
    alignment = "|".join(["", "---", *["---:"] * (len(header) - 1), ""])
    text = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([text[0], alignment, *text[1:]])
