"""Render the tables and pictures of the pages from model_cards/results; with --check only say which page is stale."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from fastast_hf.hub.results import kind_of, load_results
from fastast_hf.hub.tables import render_results
from fastast_hf.visualization.comparison import plot_comparison
from fastast_hf.visualization.schedules import plot_schedules
from fastast_hf.visualization.speed import plot_speed

PAGES = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "model_cards/results/README.md")
PICTURE = re.compile(r"\(model_cards/results/(?P<name>[\w-]+)\.png\)")
"""What a page shows of a results file, beside it."""

PLOTS = {"speed": plot_speed, "comparison": plot_comparison, "tuning": plot_schedules}


def main(argv: Sequence[str] | None = None) -> int:
    """Render every page, and return 1 if one cannot be rendered or --check found a stale one."""
    root = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page is stale")
    parser.add_argument("--root", type=Path, default=root, help="the folder of the pages and of model_cards/results")
    arguments = parser.parse_args(argv)
    stale = []
    for page in PAGES:
        path = arguments.root / page
        text = path.read_text(encoding="utf-8")
        try:
            rendered = render_results(text, arguments.root / "model_cards" / "results")
        except (FileNotFoundError, ValueError) as error:
            print(f"{page}: {error}", file=sys.stderr)
            return 1
        if not arguments.check:
            for picture in PICTURE.finditer(text):
                file = arguments.root / "model_cards" / "results" / f"{picture['name']}.json"
                results = load_results(file)
                PLOTS[kind_of(results)](results, file.with_suffix(".png"))
        if rendered == text:
            continue
        stale.append(page)
        if not arguments.check:
            path.write_text(rendered, encoding="utf-8")
    verb = "stale" if arguments.check else "rendered"
    print(f"{verb}: {', '.join(stale) or 'none'}")
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
