"""Results as Markdown: the table of models, where it was measured, and the blocks of a page that hold both.

`huggingface_hub` writes a card's metadata; nothing in it turns results into tables, or escapes what a user typed.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastast_hf.hub.command_blocks import command_blocks
from fastast_hf.hub.comparison_tables import comparison_table, pairs_table
from fastast_hf.hub.file_to_label_tables import file_to_label_table
from fastast_hf.hub.markdown import NO_LINK, code_block, escape_markdown, markdown_table
from fastast_hf.hub.question_tables import question_tables
from fastast_hf.hub.results import MODEL_NAMES, kind_of, load_results
from fastast_hf.hub.speed_tables import front_end_table, paying_rows_table, speed_table
from fastast_hf.hub.tuning_tables import better_constant_note, layers_line, tuning_table

_START = re.compile(r"<!-- results:(.*?) -->")
_BLOCK = re.compile(r"(?P<start><!-- results:(?P<name>.*?) -->)(?P<body>.*?)(?P<end><!-- /results -->)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NOT_MEASURED = "-"

_COLUMNS: tuple[tuple[str, Callable[[Mapping[str, Any], Mapping[str, Any]], str | None]], ...] = (
    ("Parameters", lambda model, row: _format(model.get("num_parameters"), "{:,.0f}")),
    ("Accuracy", lambda model, row: _format((model.get("metrics") or {}).get("accuracy"), "{:.2%}")),
    ("mAP", lambda model, row: _format((model.get("metrics") or {}).get("map"), "{:.3f}")),
    ("d-prime", lambda model, row: _format((model.get("metrics") or {}).get("d_prime"), "{:.2f}")),
    ("Clips/s", lambda model, row: _format(row.get("clips_per_second"), "{:.2f}")),
    ("Speed-up", lambda model, row: _format(row.get("speed_up"), "{:.2f}x")),
    ("GMACs/clip", lambda model, row: _format(row.get("gmacs_per_clip"), "{:.2f}")),
    ("Training", lambda model, row: _format(model.get("train_seconds"), "{:.0f} s")),
)


def models_table(results: Mapping[str, Any]) -> str:
    """Write the table of teacher, AST and FastAST; a dash stands for what was not measured.

    Args:
        results: Checked results, see `fastast_hf.hub.results`.

    Returns:
        A Markdown table. Columns without any number are left out.
    """
    rows = results["benchmark"]["rows"]
    names = [name for name in MODEL_NAMES if name in results["models"] or name in rows]
    columns = {
        title: [cell(results["models"].get(name, {}), rows.get(name, {})) for name in names]
        for title, cell in _COLUMNS
    }
    measured = {title: cells for title, cells in columns.items() if any(cell is not None for cell in cells)}
    lines = zip([MODEL_NAMES[name] for name in names], *measured.values(), strict=True)
    return markdown_table(["Model", *measured], [[cell or _NOT_MEASURED for cell in line] for line in lines])


def data_line(results: Mapping[str, Any]) -> str:
    """Say on which data the metrics were computed.

    Args:
        results: Checked results.

    Returns:
        One line of Markdown.
    """
    data = results["data"]
    where = ""
    if data.get("eval_fold") is not None:
        where = f" (fold {escape_markdown(data['eval_fold'])})"
    elif data.get("split_column") is not None:
        where = f" (parts by its column {escape_markdown(data['split_column'])})"
    left_out = len(data.get("unreadable") or {})
    return (
        f"Metrics: {escape_markdown(data['name'])}{where}, {data['num_eval']:,} clips, "
        f"after training on {data['num_train']:,} others."
        + (f" Left out because they cannot be read: {left_out:,}." if left_out else "")
        + (f" {escape_markdown(data['remark'])}" if data.get("remark") else "")
    )


def conditions_line(results: Mapping[str, Any]) -> str:
    """Say under which conditions the speed was measured: input, dtype, hardware, versions and date.

    Args:
        results: Checked results.

    Returns:
        One line of Markdown.
    """
    conditions = [*_inputs(results["benchmark"]), *_machine(results)]
    return f"Speed: all models in one run, in turns, {escape_markdown('; '.join(conditions))}."


def search_line(results: Mapping[str, Any]) -> str:
    """Say under which conditions a schedule was searched.

    Args:
        results: Checked results of a search.

    Returns:
        One line of Markdown.
    """
    conditions = [
        f"{results['tuning']['num_frames']:,} frames",
        f"seed {results['tuning']['seed']}",
        *_machine(results),
    ]
    return f"Search: {escape_markdown('; '.join(conditions))}."


def runs_line(results: Mapping[str, Any]) -> str:
    """Say on which machines and with which versions the runs were made that a comparison or questions stand on.

    Args:
        results: Checked results.

    Returns:
        One line of Markdown.
    """
    environment = results["environment"]
    machines = results.get("machines") or [str(environment["hardware"].get("cpu"))]
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    return f"Runs: {escape_markdown('; '.join([' and '.join(machines), versions, results['date']]))}."


def _machine(results: Mapping[str, Any]) -> list[str]:
    """Say where and when: processor, versions, date."""
    hardware = results["environment"]["hardware"]
    processor = " and ".join(str(hardware[part]) for part in ("gpu", "cpu") if hardware.get(part))
    processor += f" ({hardware['cpu_capability']})" if hardware.get("cpu_capability") else ""
    counts = ", ".join(
        f"{hardware[part]} {part.removesuffix('s') if hardware[part] == 1 else part}"
        for part in ("cores", "threads")
        if hardware.get(part)
    )
    versions = ", ".join(f"{name} {version}" for name, version in results["environment"]["versions"].items())
    return [*filter(None, [processor, counts, versions]), results["date"]]


def _inputs(benchmark: Mapping[str, Any]) -> list[str]:
    """Say what the models were given: the same all, or in rows of their own."""
    rows = benchmark["rows"] if isinstance(benchmark["rows"], list) else [benchmark]
    batch_sizes, num_frames, dtypes = (
        " and ".join(dict.fromkeys(f"{row[name]:,}" if name == "num_frames" else str(row[name]) for row in rows))
        for name in ("batch_size", "num_frames", "dtype")
    )
    return [f"batch {batch_sizes}", f"{num_frames} frames", dtypes]


def results_block(results: Mapping[str, Any], *, only_what_pays: bool = False) -> str:
    """Write everything a reader needs to judge and repeat the numbers: table, data, conditions, command.

    Args:
        results: Checked results.
        only_what_pays: Leave rows out that cost time and gain nothing, see `paying_rows_table`.

    Returns:
        Markdown paragraphs.
    """
    write = {
        "run": lambda: [models_table(results), data_line(results), conditions_line(results)],
        "speed": lambda: _of_speed(results, only_what_pays=only_what_pays),
        "tuning": lambda: [
            tuning_table(results),
            *better_constant_note(results),
            layers_line(results),
            search_line(results),
        ],
        "comparison": lambda: _of_comparison(results),
        "questions": lambda: [question_tables(results), runs_line(results)],
        "commands": lambda: [command_blocks(results), runs_line(results)],
    }[kind_of(results)]
    return "\n\n".join([*filter(None, write()), code_block(results["command"], "bash")])


def _of_speed(results: Mapping[str, Any], *, only_what_pays: bool) -> list[str]:
    """Write the paragraphs of a speed measurement."""
    what = [paying_rows_table(results) if only_what_pays else speed_table(results)]
    if "file_to_label" in results:
        what.append(file_to_label_table(results))
    if "front_end" in results:
        what.append(front_end_table(results))
    return [*what, conditions_line(results)]


def _of_comparison(results: Mapping[str, Any]) -> list[str]:
    """Write the paragraphs of a comparison."""
    speed = [conditions_line(results["speed"])] if "speed" in results else []
    return [comparison_table(results), pairs_table(results), runs_line(results), *speed]


def render_results(text: str, results_dir: Path | str) -> str:
    """Replace what stands between `<!-- results:NAME -->` and `<!-- /results -->` by the tables of NAME.json.

    Args:
        text: A Markdown page with any number of such blocks.
        results_dir: The folder of the JSON files.

    Returns:
        The page. Rendering it again changes nothing.

    Raises:
        ValueError: If a marker is left open or closes nothing, if a NAME is no plain file name, or if results do not
            fit their schema.
        FileNotFoundError: If there is no file for a NAME.

    Example:
        >>> render_results("A page without numbers.", ".")
        'A page without numbers.'
    """
    _check_markers(text)

    def render(match: re.Match[str]) -> str:
        return f"{match['start']}\n{_block_of(match['name'], Path(results_dir))}\n{match['end']}"

    return _BLOCK.sub(render, text)


def _check_markers(text: str) -> None:
    """Refuse markers out of order, which would swallow the text between two blocks."""
    outside = _BLOCK.sub("", text)
    unclosed = _START.search(outside) or next(
        filter(None, (_START.search(m["body"]) for m in _BLOCK.finditer(text))), None
    )
    if unclosed:
        raise ValueError(
            f"`{unclosed[0]}` must be closed, got no marker for it. Write `<!-- /results -->` where the block ends."
        )
    if "<!-- /results -->" in outside:
        raise ValueError(
            "`<!-- /results -->` must close a block, got none open. Write `<!-- results:NAME -->` where it begins."
        )


def _block_of(name: str, results_dir: Path) -> str:
    """Render the results of one name."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"`results:NAME` must name a file of the results folder, got {name!r}. Use letters and digits."
        )
    path = results_dir / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in results_dir.glob("*.json"))) or "none"
        raise FileNotFoundError(
            f"`results:{name}` must name a results file, got no {path.name}. Run what writes it; there are: {known}."
        )
    block = results_block(load_results(path), only_what_pays=True)
    if "<!--" in block.replace(NO_LINK, ""):
        raise ValueError(f"`{path.name}` must hold no HTML comment, got one in its command. Rename the argument.")
    return block


def _format(value: float | None, template: str) -> str | None:
    return None if value is None else template.format(value)
