"""Small tables, each with its question: numbers of one kind in rows and columns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastast_hf.hub.fields import check_field, is_finite_number
from fastast_hf.hub.markdown import escape_markdown, markdown_table

_NOT_MEASURED = "-"
_FORMATS: dict[str, Callable[[float], str]] = {
    "accuracy": lambda value: f"{100 * value:.2f} %",
    "kl": "{:.4f}".format,
    "share": "{:.0%}".format,
    "seconds": "{:,.3f}".format,
    "times": "{:.2f}x".format,
    "whole": "{:,.0f}".format,
    "exponent": "{:.2f}".format,
    "p": "{:.2g}".format,
}


def question_tables(results: Mapping[str, Any]) -> str:
    """Write one table below the other, each with a line on what it was measured on.

    Args:
        results: Checked results of questions.

    Returns:
        Markdown paragraphs.
    """
    parts = []
    for question in results["questions"]:
        write = _FORMATS[question["format"]]
        lines = [
            [row["name"], *(_NOT_MEASURED if value is None else write(value) for value in row["values"])]
            for row in question["rows"]
        ]
        parts += [
            markdown_table([question["title"], *question["columns"]], lines),
            escape_markdown(question["data"]),
        ]
    return "\n\n".join(parts)


def check_questions(questions: Sequence[Any]) -> None:
    """Check that questions hold everything that their tables are rendered from.

    Args:
        questions: The part of the results.

    Raises:
        ValueError: Naming the first field that is missing or does not fit.
    """
    for number, question in enumerate(questions):
        path = f"questions[{number}]"
        for name, expected in {"title": str, "data": str, "columns": list, "rows": list, "format": str}.items():
            check_field(question, name, expected, path=f"{path}.{name}")
        if question["format"] not in _FORMATS:
            raise ValueError(
                f"`{path}.format` must be one of {', '.join(_FORMATS)}, got {question['format']!r}. Say what the numbers are."
            )
        for place, row in enumerate(question["rows"]):
            check_field(row, "name", str, path=f"{path}.rows[{place}].name")
            check_field(row, "values", list, path=f"{path}.rows[{place}].values")
            if len(row["values"]) != len(question["columns"]) or not all(map(_is_number_or_none, row["values"])):
                raise ValueError(
                    f"`{path}.rows[{place}].values` must hold a number or null for each of {len(question['columns'])} columns, "
                    f"got {row['values']!r}. Fill it up with null."
                )


def _is_number_or_none(value: object) -> bool:
    return value is None or is_finite_number(value)
