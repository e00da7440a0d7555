"""The questions that decide defaults, each a small table: what merging costs, what its parts are worth, which schedule."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

from fastast_hf.evaluation import mcnemar
from fastast_hf.hub.tuning_tables import chosen_row
from model_cards.evidence import places
from model_cards.evidence.finished import (
    PART,
    TITLES,
    at_ratio,
    is_complete,
    names_of,
    provenance,
    read_run,
    right_answers,
)
from model_cards.evidence.plan import SEARCHED_PARTS, SEARCHED_SPEEDUPS, UNSEEN_FOLDS
from model_cards.evidence.sets import ABLATIONS, ABLATIONS_IN_WORDS, RATIOS, SETS

AS_IT_IS, UNPROTECTED, SWITCHED = (
    "answers",
    "answers_distillation_token_unprotected",
    "answers_proportional_attention_switched",
)


def ask_about_merging(set_name: str) -> dict[str, Any] | None:
    """Ask what merging costs models that were trained with and without it, and what its parts are worth."""
    trained = SETS[set_name].merge_ratio
    models = {
        "ast": "AST",
        "ast-stride16": "AST, stride 16",
        "ast-cmkd": "AST, CMKD",
        "fastast": f"FastAST, trained at {trained}",
        "fastast-cmkd": f"FastAST, trained at {trained}, CMKD",
    }
    there = {run: name for run, name in models.items() if is_complete(set_name, run)}
    if "ast" not in there:
        return None
    variants = {
        AS_IT_IS: "",
        SWITCHED: ", without proportional attention",
        UNPROTECTED: ", distillation token merged, too",
    }
    over = f"{TITLES[set_name]}, mean over {len(SETS[set_name].parts)} {PART[set_name]}s."
    columns = [f"{ratio:g}" for ratio in RATIOS]

    def rows(runs: Sequence[str], kinds: Sequence[str], value: Any) -> list[dict[str, Any]]:
        return [
            {"name": there[run] + variants[kind], "values": _mean_over_parts(set_name, run, kind, value)}
            for run in runs
            for kind in kinds
        ]

    def table(title: str, data: str, form: str, found: list[dict[str, Any]]) -> dict[str, Any]:
        return {"title": title, "data": data, "format": form, "columns": columns, "rows": found}

    def accuracy(row: dict[str, Any]) -> float:
        return float(row["metrics"]["accuracy"])

    def divergence(row: dict[str, Any]) -> float:
        return float(row["agreement"]["mean_kl"])

    def against_as_it_is(run: str, kind: str) -> dict[str, Any]:
        chances = [
            mcnemar(*(_right_at(set_name, run, each, ratio) for each in (AS_IT_IS, kind))).p_value for ratio in RATIOS
        ]
        return {"name": there[run] + variants[kind], "values": chances}

    one_by_one = [run for run in ("ast", "fastast-cmkd") if run in there]
    clips = "clips of all folds" if PART[set_name] == "fold" else f"clips by the majority of the {PART[set_name]}s"
    questions = [
        table("Accuracy at merge ratio", f"{over} Train at one ratio and run at another.", "accuracy",
              rows(list(there), [AS_IT_IS], accuracy)),
        table("Accuracy at merge ratio", f"{over} With one thing changed when run.", "accuracy",
              rows(one_by_one, list(variants), accuracy)),
        table("p (McNemar) at merge ratio", f"{TITLES[set_name]}, {clips}, answered rightly as it is and with one thing changed when run: how "
              "likely so uneven a division is if both are equally good.", "p",
              [against_as_it_is(run, kind) for run in one_by_one for kind in (SWITCHED, UNPROTECTED)]),
        table("Mean KL at merge ratio", f"{over} Kullback-Leibler divergence, in nats, from the answers without merging.", "kl",
              rows(["ast"], list(variants), divergence)),
    ]  # fmt: skip
    return {**provenance(names_of(set_name, there), kind="questions"), "questions": questions}


def _mean_over_parts(set_name: str, run: str, kind: str, value: Any) -> list[float]:
    """Average over folds or seeds, at each ratio."""
    parts = [read_run(f"{set_name}-{part}-{run}")[kind] for part in SETS[set_name].parts]
    return [mean(value(at_ratio(part, ratio)) for part in parts) for ratio in RATIOS]


def _right_at(set_name: str, run: str, kind: str, ratio: float) -> list[bool]:
    """Tell of each clip whether a row, run at a ratio in one way, answered it rightly."""
    by_run = {name: read_run(name)[kind] for name in names_of(set_name, [run])}
    return right_answers(
        set_name, {name: (answers, at_ratio(answers, ratio)["predictions"]) for name, answers in by_run.items()}
    )


def compare_ablations() -> dict[str, Any] | None:
    """Compare what the method could do without, on one fold."""
    names = {label: f"esc10-ablation-{label}" for label in ABLATIONS}
    if not all(places.result_file(name).exists() for name in names.values()):
        return None
    runs = {label: read_run(name) for label, name in names.items()}
    base = runs["base"]
    base_name = (
        "FastAST, ratio {merge_ratio}, CMKD, weight {distillation_weight:g}, temperature {distillation_temperature:g}"
    )
    titles = ABLATIONS_IN_WORDS | {"base": base_name.format(**base["training"])}
    rows = [
        {
            "name": titles[label],
            "training": "labels and AST" if label == "self-distillation" else "labels and CNN",
            "accuracy": [run["models"]["fastast"]["metrics"]["accuracy"]],
            "map": [run["models"]["fastast"]["metrics"]["map"]],
        }
        for label, run in runs.items()
    ]
    pairs = [
        {
            "first": titles[label],
            "second": titles["base"],
            "mean": row["accuracy"][0] - rows[0]["accuracy"][0],
            **mcnemar(*(_is_right(of_one) for of_one in (runs[label], base)))._asdict(),
        }
        for label, row in zip(runs, rows, strict=True)
        if label != "base"
    ]
    return {
        **provenance(names.values(), kind="comparison"),
        "comparison": {
            "data": "ESC-10, fold 1, stride 16",
            "part": "fold",
            "num_parts": 1,
            "num_clips": base["data"]["num_eval"],
            "baseline": titles["base"],
            "rows": rows,
            "pairs": pairs,
        },
    }


def _is_right(run: dict[str, Any]) -> list[bool]:
    """Tell of each clip of a run's part whether it was answered rightly, at the ratio that it was trained at."""
    answers = run[AS_IT_IS]
    predictions = at_ratio(answers, float(run["training"].get("merge_ratio") or 0))["predictions"]
    return [given == wanted for given, wanted in zip(predictions, answers["references"], strict=True)]


def compare_schedules(set_name: str) -> dict[str, Any] | None:
    """Compare schedules that were searched with the better of the two constants, on parts that the search did not see."""
    divergences: list[dict[str, Any]] = []
    shares: list[dict[str, Any]] = []
    pairs: list[tuple[list[float], list[float]]] = []
    minutes: list[float] = []
    names: list[str] = []
    for searched, judge in (pair for parts in SEARCHED_PARTS[set_name] for pair in (parts, parts[::-1])):
        of_pair = [f"search-{set_name}-{searched}-{speedup}x" for speedup in SEARCHED_SPEEDUPS]
        if not all(places.result_file(name).exists() for name in of_pair):
            continue
        names += of_pair
        found = {float(speedup): read_run(name) for speedup, name in zip(SEARCHED_SPEEDUPS, of_pair, strict=True)}
        by_schedule = {
            "constant ratio": [_constant(run, "ratio", speedup) for speedup, run in found.items()],
            "constant r": [_constant(run, "r", speedup) for speedup, run in found.items()],
            "tuned": [chosen_row(run)["mean_kl"] for run in found.values()],
        }
        name = f"searched on {_in_words(searched)}, judged on {_in_words(judge)}"
        divergences += [{"name": f"{name}: {schedule}", "values": values} for schedule, values in by_schedule.items()]
        better = [
            min(value for value in constants if value is not None)
            for constants in zip(by_schedule["constant ratio"], by_schedule["constant r"], strict=True)
        ]
        pairs.append((better, by_schedule["tuned"]))
        shares.append({"name": name, "values": _less(better, by_schedule["tuned"])})
        minutes += [run["tuning"]["seconds"] / 60 for run in found.values()]
    if not shares:
        return None
    if len(pairs) > 1:
        better, tuned = ([mean(values) for values in zip(*of_one, strict=True)] for of_one in zip(*pairs, strict=True))
        shares.append({"name": "both, by their mean KL", "values": _less(better, tuned)})
    columns = [f"{speedup}x" for speedup in SEARCHED_SPEEDUPS]
    clips = found[2.0]["tuning"]
    on = (
        f"{TITLES[set_name]}, AST at stride 10 that saw neither; {clips['num_clips_searched']} clips search, "
        f"{clips['num_clips_checked']} judge, or the other way round; {clips['trials']} schedules were tried."
    )
    longest = f"{on} The shortest search took {min(minutes):.1f} minutes, the longest {max(minutes):.1f}."
    return {
        **provenance(names, kind="questions", only=f"search-{set_name}"),
        "questions": [
            {"title": "Mean KL at equal work", "data": on, "format": "kl", "columns": columns, "rows": divergences},
            {"title": "Less KL than the better constant", "data": longest, "format": "share", "columns": columns, "rows": shares},
        ],
    }  # fmt: skip


def _in_words(part: str) -> str:
    """Write fold1 as fold 1."""
    return f"{part[:-1]} {part[-1]}"


def _less(better: Sequence[float], tuned: Sequence[float]) -> list[float]:
    """Give the share of the better constant's divergence that is gone, at each saving."""
    return [1 - found / constant for constant, found in zip(better, tuned, strict=True)]


def compare_ideas() -> dict[str, Any] | None:
    """Tell how other ways to choose what merges move the answers, over all folds that a model has not seen."""
    names = [f"ideas-esc10-folds{folds}" for folds in UNSEEN_FOLDS]
    if not all(places.result_file(name).exists() for name in names):
        return None
    folds = [found for name in names for found in read_run(name)["folds"].values()]
    keys = next(iter(folds[0]))
    savings = range(len(SEARCHED_SPEEDUPS))
    divergences = [
        {"name": idea, "values": [mean(fold[idea][saving] for fold in folds) for saving in savings]}
        for idea in folds[0]
    ]
    better = [
        {
            "name": idea,
            "values": [sum(fold[idea][saving] < fold[keys][saving] for fold in folds) for saving in savings],
        }
        for idea in folds[0]
        if idea != keys
    ]
    asts = "one AST" if len(names) == 1 else f"{len(names)} ASTs"
    on = f"ESC-10, {asts} at stride 10, {len(folds)} folds of 80 clips that it has not seen, one ratio for all layers."
    columns = [f"{speedup}x" for speedup in SEARCHED_SPEEDUPS]
    return {
        **provenance(names, kind="questions", only="ideas-esc10"),
        "questions": [
            {"title": "Mean KL at equal work", "data": on, "format": "kl", "columns": columns, "rows": divergences},
            {"title": f"Folds, of {len(folds)}, on which it is less than with keys", "data": on, "format": "whole",
             "columns": columns, "rows": better},
        ],
    }  # fmt: skip


def _constant(run: dict[str, Any], kind: str, speedup: float) -> float | None:
    """Give the divergence of the constant schedule that saves as much; none if no such schedule does."""
    rows = [row for row in run["tuning"]["rows"] if row["name"].split()[0] == kind]
    enough = [row for row in rows if row["mac_ratio"] >= speedup - 1e-6]
    return min(enough, key=lambda row: row["mac_ratio"])["mean_kl"] if enough else None
