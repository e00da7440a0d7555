"""Which results a picture is made of: those of another kind are refused in words."""

from collections.abc import Mapping
from typing import Any

from fastast_hf.hub.results import kind_of

_NEEDED = {
    "speed": "as `fastast benchmark MODEL --output FILE` writes them",
    "tuning": "as `fastast tune MODEL --data-dir DIR --speedup N --results FILE` writes them",
    "comparison": "models over folds or seeds as fastast_hf.hub.results describes them",
}
_DRAWN_BY = {"speed": "plot_speed", "tuning": "plot_schedules", "comparison": "plot_comparison"}
_WITHOUT_PICTURE = {
    "run": "`fastast card FOLDER` writes their tables. For speed against answers, measure the model with `fastast benchmark "
    "FOLDER --data-dir SOUNDS --output FILE` and give that file's to plot_speed."
}


def check_kind(results: Mapping[str, Any], kind: str) -> None:
    """Refuse results that another picture is made of, or none.

    Args:
        results: What a user wants drawn.
        kind: What they must be of: "speed", "tuning" or "comparison".

    Raises:
        ValueError: If they are of something else, saying what draws or shows those.
    """
    needed = f'`results` must be of kind "{kind}", {_NEEDED[kind]}'
    if not isinstance(results, Mapping):
        raise ValueError(
            f"{needed}, got {type(results).__name__}. Read a file with fastast_hf.hub.results.load_results."
        )
    found = kind_of(results)
    if found == kind:
        return
    advice = f"Give those to {_DRAWN_BY[found]}." if found in _DRAWN_BY else _WITHOUT_PICTURE.get(found, "")
    raise ValueError(f'{needed}, got kind "{found}". {advice or "No picture is made of those."}')
