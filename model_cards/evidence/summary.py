"""What the runs say together: the results files that the pages are rendered from.

A row appears when all of its folds or seeds are done, a question when all of its runs are, and the searches pair by pair.
"""

from fastast_hf.experiment.files import write_json
from fastast_hf.hub.results import check_results
from model_cards.evidence import places
from model_cards.evidence.comparison import compare_rows
from model_cards.evidence.questions import ask_about_merging, compare_ablations, compare_ideas, compare_schedules
from model_cards.evidence.sets import SETS


def write_summaries() -> None:
    """Write all results files that the runs so far allow."""
    summaries = {
        **{set_name: compare_rows(set_name) for set_name in SETS},
        **{f"{set_name}-questions": ask_about_merging(set_name) for set_name in SETS},
        "esc10-ablations": compare_ablations(),
        **{f"{set_name}-schedules": compare_schedules(set_name) for set_name in SETS},
        "esc10-ideas": compare_ideas(),
    }
    for name, found in summaries.items():
        if found is not None:
            check_results(found)
            write_json(places.RESULTS.parent / f"{name}.json", found)
