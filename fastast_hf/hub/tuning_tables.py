"""The tables of a search for a merge schedule: what was found beside constants, and how much each layer merges."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastast_hf.hub.fields import (
    FINITE,
    Rule,
    check_each,
    check_field,
    check_not_negative,
    check_numbers,
    check_rule,
    check_share,
)
from fastast_hf.hub.markdown import code_block, escape_markdown, markdown_table

KL_DIGITS = 5
"""Digits after the point that tables show of a divergence."""

_NAME: Rule = "text that is not blank", lambda value: isinstance(value, str) and value.strip() != ""
"""A picture takes the kind of a schedule from the first word of its name."""


def drop_of(top_answer: float) -> float:
    """Give how many of 100 clips changed their best label.

    Args:
        top_answer: Share of the clips with the same best label, 0 to 1.

    Returns:
        Clips of 100, as exact as a decimal fraction: 49 of 50 is 2, where floats alone would give a hair more.

    Example:
        >>> drop_of(0.98)
        2.0
    """
    return round(100 * (1 - top_answer), 9)


def tuning_table(results: Mapping[str, Any]) -> str:
    """Write all schedules below each other, by what they save, and how they were chosen and judged.

    Args:
        results: Checked results of a search.

    Returns:
        A Markdown table, a line after it, and notes where a drop that was allowed is more on the clips that judge, or too
        little for so few clips.
    """
    tuning = results["tuning"]
    rows = sorted(tuning["rows"], key=lambda row: row["mac_ratio"])
    shows_choice = _drop_allowed(results) is not None
    header = [results["model"], "MAC ratio", "Mean KL", "Same answer", *["Same, searched on"] * shows_choice, "Chosen"]
    lines = [
        [
            row["name"],
            f"{row['mac_ratio']:.2f}x",
            _kl(row),
            f"{row['top_answer']:.1%}",
            *[f"{row['top_answer_searched']:.1%}" if "top_answer_searched" in row else ""] * shows_choice,
            _mark(row, tuning),
        ]
        for row in rows
    ]
    table = markdown_table(header, lines)
    line = (
        f"Answers: of {tuning['num_clips_checked']:,} clips that the search did not see, beside those without merging; "
        f"{tuning['trials']:,} schedules were tried on {tuning['num_clips_searched']:,} others, in "
        f"{tuning['seconds'] / 60:.1f} minutes."
    )
    left_out = len(tuning.get("unreadable") or {})
    line += f" Left out because they cannot be read: {left_out:,}." if left_out else ""
    return "\n\n".join([table, *map(escape_markdown, [line, *_drop_lines(results)])])


def _drop_allowed(results: Mapping[str, Any]) -> float | None:
    """Give how many of 100 clips were allowed to change their best label, if the clips that were searched on chose by it."""
    return results["tuning"].get("max_drop") if "top_answer_searched" in chosen_row(results) else None


def _drop_lines(results: Mapping[str, Any]) -> list[str]:
    """Say what chose a schedule by `max_drop`, what the clips that judge think of it, and what so few clips cannot tell."""
    allowed, chosen, tuning = _drop_allowed(results), chosen_row(results), results["tuning"]
    if allowed is None:
        return []
    lines = [
        f"Chosen by the clips that were searched on: the fastest that changes the best label of at most {allowed:g} of 100 "
        "of them, up to the first speed-up where none did. The clips that judge had no say in it."
    ]
    judged = drop_of(chosen["top_answer"])
    if judged > allowed:
        lines.append(
            f"Note: on the clips that judge, {chosen['name']} changes the best label of {judged:.1f} of 100, more than the "
            f"{allowed:g} that were allowed. Allow fewer, or ask for a lower speed-up."
        )
    counts = {"were searched on": tuning["num_clips_searched"], "judge": tuning["num_clips_checked"]}
    shares = {which: 100 / max(count, 1) for which, count in counts.items()}
    coarse = [f"{share:.3g} of 100 of those that {which}" for which, share in shares.items() if share > allowed]
    if coarse and allowed > 0:  # whoever allows none asks for no fraction of a clip
        lines.append(
            f"Note: one clip is {' and '.join(coarse)}, more than the {allowed:g} that were allowed: so few clips cannot tell. "
            f"It takes at least {math.ceil(100 / allowed):,} of each."
        )
    return lines


def better_constant_note(results: Mapping[str, Any]) -> list[str]:
    """Say that a constant schedule moved the answers less than the one that was chosen, and why it was not chosen for that.

    Args:
        results: Checked results of a search.

    Returns:
        Two paragraphs of Markdown, the second the command that takes the constant schedule; none if there is nothing to say.
    """
    tuning = results["tuning"]
    better = tuning.get("better_constant")
    if not better:
        return []
    constant, chosen = (_row_of(results, name) for name in (better["name"], tuning["chosen"]))
    line = (
        f"Note: on the clips that judge, {constant['name']} moves the answers less than {chosen['name']}, which was chosen: mean "
        f"KL {_kl(constant)} at {constant['mac_ratio']:.2f}x, not {_kl(chosen)} at {chosen['mac_ratio']:.2f}x. These clips only "
        f"judge: a schedule that they chose, they could not judge. This takes {constant['name']}:"
    )
    return [escape_markdown(line), code_block(better["command"], "bash")]


def layers_line(results: Mapping[str, Any]) -> str:
    """Write what each layer merges in the schedule that was chosen.

    Args:
        results: Checked results of a search.

    Returns:
        A line of Markdown.
    """
    ratios = chosen_row(results)["merging"]["merge_ratio"]
    return f"Merge ratio of each layer: {', '.join(f'{ratio:g}' for ratio in ratios)}."


def chosen_row(results: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the schedule that was chosen.

    Args:
        results: Checked results of a search.

    Returns:
        Its row.
    """
    return _row_of(results, results["tuning"]["chosen"])


def check_tuning(tuning: Any) -> None:
    """Check that the part of a search holds everything that its tables are rendered from.

    Args:
        tuning: The part of the results.

    Raises:
        ValueError: Naming the first field that is missing or does not fit.
    """
    if not isinstance(tuning, Mapping):
        raise ValueError(f"`tuning` must be a dictionary, got {tuning!r}. Run `fastast tune` again.")
    allowed = ("max_drop",) if tuning.get("max_drop") is not None else ()
    _check_measured(
        "tuning", tuning, ("num_clips_checked", "num_clips_searched", "num_frames", "trials", "seconds", *allowed)
    )
    check_field(tuning, "seed", int, path="tuning.seed")
    check_field(tuning, "rows", list, path="tuning.rows")
    check_field(tuning, "unreadable", dict, path="tuning.unreadable", optional=True)
    for number, row in enumerate(tuning["rows"]):
        path = f"tuning.rows[{number}]"
        check_field(row, "merging", dict, path=f"{path}.merging")
        check_rule(f"{path}.name", row.get("name"), _NAME)
        _check_measured(path, row, ("mac_ratio", "mean_kl"))
        for name in ("top_answer", *row.keys() & {"top_answer_searched"}):
            check_share(f"{path}.{name}", row.get(name))
    names = [row["name"] for row in tuning["rows"]]
    if tuning.get("chosen") not in names:
        raise ValueError(
            f"`tuning.chosen` must name one of the rows, got {tuning.get('chosen')!r}. Run `fastast tune` again."
        )
    place = names.index(tuning["chosen"])
    ratios = tuning["rows"][place]["merging"].get("merge_ratio")
    check_each(f"tuning.rows[{place}].merging.merge_ratio", ratios, FINITE)
    _check_better_constant(tuning.get("better_constant"), names)


def _check_better_constant(better: Any, names: Sequence[str]) -> None:
    """Check what is told of a constant schedule that is better than the chosen one, if there is one."""
    if better is None:
        return
    if (
        not isinstance(better, Mapping)
        or better.get("name") not in names
        or not isinstance(better.get("command"), str)
    ):
        raise ValueError(
            "`tuning.better_constant` must be null, or have the name of one of the rows and a command, got "
            f"{better!r}. Run `fastast tune` again."
        )
    _check_measured("tuning.better_constant", better, ("mean_kl",))


def _check_measured(path: str, values: Mapping[str, Any], names: tuple[str, ...]) -> None:
    check_numbers(path, values, names)
    check_not_negative(path, values, names)


def _row_of(results: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next(row for row in results["tuning"]["rows"] if row["name"] == name)


def _kl(row: Mapping[str, Any]) -> str:
    return f"{row['mean_kl']:.{KL_DIGITS}f}"


def _mark(row: Mapping[str, Any], tuning: Mapping[str, Any]) -> str:
    return "yes" if row["name"] == tuning["chosen"] else ""
