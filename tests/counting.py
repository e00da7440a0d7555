"""Count the tests of a run from what pytest wrote: `python -m tests.counting tests.xml --output tests.json`."""

import argparse
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from fastast_hf.evaluation import environment
from fastast_hf.experiment.files import write_json
from fastast_hf.hub.results import SCHEMA, check_results, provenance

COMMAND = "make test"


def main() -> None:
    """Read, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("report", type=Path, help="what `pytest --junitxml` wrote")
    parser.add_argument("--output", type=Path, required=True, help="results file to write")
    arguments = parser.parse_args()
    found = question(arguments.report)
    results = {
        **{"schema": SCHEMA, "kind": "questions", **provenance(environment())},
        **{"command": COMMAND, "questions": [found]},
    }
    check_results(results)
    write_json(arguments.output, results)
    print(f"{arguments.output}: {found['rows'][0]['values'][0]} tests")


def question(report: Path) -> dict[str, Any]:
    """Count, as a table of a results file: `fastast_hf.hub.results` describes it."""
    suites = ElementTree.parse(report).getroot().findall("testsuite")
    ran, failed, errors, skipped = (
        sum(int(suite.attrib[name]) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    )
    seconds = sum(float(suite.attrib["time"]) for suite in suites)
    return {
        "title": "Tests and doctests",
        "data": f"{seconds / 60:.1f} minutes.",
        "format": "whole",
        "columns": ["Ran", "Passed", "Failed", "Skipped"],
        "rows": [
            {
                "name": COMMAND,
                "values": [ran - skipped, ran - skipped - failed - errors, failed + errors, skipped],
            }
        ],
    }


if __name__ == "__main__":
    main()
