"""What the runs say together, from runs that were written by hand."""

import json

import pytest

from fastast_hf.experiment.files import write_json
from fastast_hf.hub.results import load_results
from fastast_hf.hub.tables import results_block
from model_cards.evidence import places
from model_cards.evidence.plan import SEARCHED_SPEEDUPS
from model_cards.evidence.questions import AS_IT_IS, SWITCHED, UNPROTECTED
from model_cards.evidence.sets import ABLATIONS, RATIOS, SETS
from model_cards.evidence.summary import write_summaries
from tests.hub.results_example import EXAMPLE

CLIPS = 20
PROVENANCE = {name: EXAMPLE[name] for name in ("schema", "date", "environment")}


def answers(part, wrong, *, backwards=False):
    """Answers of which so many are wrong at each ratio, to clips in the order of their names or the other way round."""
    order = -1 if backwards else 1
    rows = [
        {
            "merge_ratio": ratio,
            "predictions": ([1] * wrong + [0] * (CLIPS - wrong))[::order],
            "metrics": {"accuracy": 1 - wrong / CLIPS, "map": 0.9},
            "agreement": {"mean_kl": ratio / 10, "top_answer": 1.0},
        }
        for ratio in RATIOS
    ]
    clips = [f"{part}-{number:02}" for number in range(CLIPS)][::order]
    return {"clips": clips, "references": [0] * CLIPS, "rows": rows}


def answers_of_teacher(part, wrong):
    """What the teacher answers."""
    return {name: value for name, value in answers(part, wrong).items() if name != "rows"} | {
        "predictions": [0] * (CLIPS - wrong) + [1] * wrong
    }


def write_run(name, wrong, *, part="fold", teacher=0.95, backwards=False, training=None):
    kinds = (AS_IT_IS, SWITCHED, UNPROTECTED)
    metrics = {"accuracy": 1 - wrong / CLIPS, "map": 0.9}
    write_json(
        places.result_file(name),
        {
            **PROVENANCE,
            "data": {"num_eval": CLIPS},
            "training": training or {},
            "models": {"fastast": {"metrics": metrics}, "teacher": {"metrics": {"accuracy": teacher, "map": 0.99}}},
            **{kind: answers(part, wrong, backwards=backwards) for kind in kinds},
            "answers_teacher": answers_of_teacher(part, round((1 - teacher) * CLIPS)),
        },
    )


def write_row(set_name, row, wrong_in_each_part, **options):
    for part, wrong in zip(SETS[set_name].parts, wrong_in_each_part, strict=True):
        write_run(f"{set_name}-{part}-{row}", wrong, part=part if set_name == "esc10" else "clip", **options)


@pytest.fixture(autouse=True)
def folder(results):
    results.mkdir()
    return results


def summary(name):
    return load_results(places.RESULTS.parent / f"{name}.json")


def test_nothing_is_summed_up_before_the_baseline_is_done():
    write_row("esc10", "fastast-cmkd", [0] * 5)
    write_summaries()
    assert not list(places.RESULTS.parent.glob("*.json"))


def test_rows_stand_on_all_folds_and_are_compared_clip_by_clip():
    write_row("esc10", "ast", [3, 2, 2, 3, 2])
    write_row("esc10", "fastast-cmkd", [1, 0, 1, 1, 0], backwards=True)
    write_run("esc10-fold1-fastast", 0)
    write_summaries()
    comparison = summary("esc10")["comparison"]
    rows = {row["name"]: row for row in comparison["rows"]}
    taught = "FastAST, ratio 0.4, CMKD"
    assert rows["AST"]["accuracy"] == pytest.approx([0.85, 0.9, 0.9, 0.85, 0.9])
    assert rows[taught]["accuracy"] == pytest.approx([0.95, 1.0, 0.95, 0.95, 1.0])
    assert rows["CNN teacher"]["accuracy"] == [0.95] * 5
    assert not [name for name in rows if name.endswith("0.4")]
    assert comparison["num_clips"] == 5 * CLIPS
    pair = next(pair for pair in comparison["pairs"] if (pair["first"], pair["second"]) == (taught, "AST"))
    assert pair["mean"] == pytest.approx(0.09)
    assert 0 < pair["low"] < pair["mean"] < pair["high"]
    assert (pair["only_first"], pair["only_second"]) == (9, 0)
    assert "FastAST, ratio 0.4, CMKD against CNN teacher" in results_block(summary("esc10"))
    pair = next(pair for pair in comparison["pairs"] if pair["second"] == "CNN teacher")
    assert (pair["only_first"], pair["only_second"]) == (5, 3)


def test_what_was_trained_is_compared_with_what_it_differs_from_in_one_thing():
    for row in ("ast", "fastast", "fastast-cmkd"):
        write_row("esc10", row, [1, 2, 1, 2, 1])
    write_summaries()
    pairs = {(pair["first"], pair["second"]) for pair in summary("esc10")["comparison"]["pairs"]}
    labels, taught = "FastAST, ratio 0.4", "FastAST, ratio 0.4, CMKD"
    merged_later = "FastAST, ratio 0.4, AST's weights"
    assert {(labels, merged_later), (taught, merged_later), (taught, labels), ("CNN teacher", "AST")} <= pairs
    assert not {pair for pair in pairs if "stride 16" in pair[1]}, "not trained yet"


def test_clips_that_are_not_the_same_are_not_compared():
    write_row("esc10", "ast", [0] * 5)
    write_row("esc10", "fastast", [0] * 5)
    write_run("esc10-fold3-fastast", 0, part="other")
    with pytest.raises(
        ValueError, match=r"`clips` must be those of AST in esc10-fold3-fastast, got others\. Run it again"
    ):
        write_summaries()


def test_models_of_one_division_are_right_where_most_of_them_are():
    write_row("speech", "ast", [4, 2, 1])
    write_row("speech", "ast-stride16", [1, 0, 3])
    write_summaries()
    comparison = summary("speech")["comparison"]
    assert (comparison["part"], comparison["num_clips"]) == ("seed", CLIPS)
    pair = next(pair for pair in comparison["pairs"] if pair["first"] == "AST, stride 16")
    assert (pair["only_first"], pair["only_second"]) == (1, 0)


def test_speeds_are_joined_by_name():
    write_row("esc10", "ast", [1] * 5)
    row = {
        **{"name": "AST", "speed_up": 1.0, "peak_memory_mib": 1393.0, "runtime": "eager", "dtype": "float32"},
        **{"batch_size": 16, "num_frames": 512},
    }
    merged = row | {"name": "FastAST, ratio 0.25", "speed_up": 3.5}
    speed = {**PROVENANCE, "command": "x", "kind": "speed", "benchmark": {"rows": [row, merged]}}
    write_json(places.result_file("speed-esc10"), speed)
    write_json(places.result_file("speed-esc10-training"), speed)
    write_summaries()
    rows = {row["name"]: row for row in summary("esc10")["comparison"]["rows"]}
    assert rows["AST"]["training_peak_mib"] == 1393.0
    merging = rows["FastAST, ratio 0.25, AST's weights"]
    assert (merging["speed_up"], merging["training_speed_up"]) == (3.5, None)
    assert {row["weights"] for row in rows.values()} == {"AST"}


def test_questions_are_answered_at_every_ratio():
    write_row("esc10", "ast", [2] * 5)
    write_row("esc10", "fastast-cmkd", [1] * 5)
    write_summaries()
    accuracy, changed, chances, divergence = summary("esc10-questions")["questions"]
    assert {row["name"]: row["values"] for row in accuracy["rows"]} == {
        "AST": pytest.approx([0.9] * len(RATIOS)),
        "FastAST, trained at 0.4, CMKD": pytest.approx([0.95] * len(RATIOS)),
    }
    assert len(changed["rows"]) == 6
    assert [row["values"] for row in chances["rows"]] == [[1.0] * len(RATIOS)] * 4, "they answer alike"
    assert divergence["rows"][0]["values"] == pytest.approx([ratio / 10 for ratio in RATIOS])


def test_what_is_changed_when_run_is_compared_clip_by_clip():
    write_row("esc10", "ast", [0] * 5)
    for part in SETS["esc10"].parts:
        file = places.result_file(f"esc10-{part}-ast")
        found = json.loads(file.read_text())
        write_json(file, found | {SWITCHED: answers(part, 2), UNPROTECTED: answers(part, 0)})
    write_summaries()
    switched, unprotected = summary("esc10-questions")["questions"][2]["rows"]
    assert switched["values"] == pytest.approx([2 / 2**10] * len(RATIOS)), "ten clips of 100, all on one side"
    assert unprotected["values"] == [1.0] * len(RATIOS)


def test_ablations_are_told_when_all_are_done():
    settings = {"merge_ratio": "0.35", "distillation_weight": 0.9, "distillation_temperature": 2.0}
    for wrong, label in enumerate(ABLATIONS):
        assert not (places.RESULTS.parent / "esc10-ablations.json").exists()
        write_run(f"esc10-ablation-{label}", wrong, training=settings)
        write_summaries()
    found = summary("esc10-ablations")
    rows, pairs = found["comparison"]["rows"], found["comparison"]["pairs"]
    assert [row["accuracy"] for row in rows] == [[1 - wrong / CLIPS] for wrong in range(len(ABLATIONS))]
    assert [(pair["only_first"], pair["only_second"]) for pair in pairs] == [(0, wrong) for wrong in range(1, 10)]
    assert {pair["second"] for pair in pairs} == {"FastAST, ratio 0.35, CMKD, weight 0.9, temperature 2"}
    assert pairs[1]["mean"] == pytest.approx(-2 / CLIPS)
    assert "| temperature 1 against FastAST, ratio 0.35, CMKD, weight 0.9, temperature 2 | -15.00 |" in results_block(
        found
    )
    assert "Interval" not in results_block(found)


def test_a_tuned_schedule_is_held_to_the_better_constant_at_its_work():
    write_searches(fold=1, tuned=0.05)
    write_summaries()
    divergences, shares = summary("esc10-schedules")["questions"]
    assert [row["values"] for row in divergences["rows"]] == [[0.4] * 3, [0.2, 0.2, None], [0.05] * 3]
    assert shares["rows"][0]["values"] == pytest.approx([0.75, 0.75, 0.875])
    assert "80 clips search, 40 judge, or the other way round; 120 schedules were tried." in shares["data"]
    assert "the longest 2.0." in shares["data"]


def test_tuned_schedules_are_held_to_constants_over_all_folds_that_judged():
    """The divergences are averaged, not the shares: a fold with little to lose weighs little."""
    write_searches(fold=1, tuned=0.05)
    write_searches(fold=2, tuned=0.15)
    write_summaries()
    _, shares = summary("esc10-schedules")["questions"]
    first, second, both = shares["rows"]
    assert (first["values"][2], second["values"][2]) == (pytest.approx(0.875), pytest.approx(0.625))
    assert both == {"name": "both, by their mean KL", "values": pytest.approx([0.5, 0.5, 0.75])}


def write_searches(fold, tuned):
    for speedup in SEARCHED_SPEEDUPS:
        rows = [
            {"name": "ratio 0.1", "mac_ratio": float(speedup), "mean_kl": 0.4},
            {"name": "ratio 0.9", "mac_ratio": 9.0, "mean_kl": 0.9},
            {"name": "r 5", "mac_ratio": float(speedup) + 0.01, "mean_kl": 0.2},
            {"name": "tuned", "mac_ratio": float(speedup), "mean_kl": tuned},
        ]
        if speedup == "4":
            del rows[2]
        counts = {"num_clips_searched": 80, "num_clips_checked": 40, "trials": 120}
        tuning = {"rows": rows, "chosen": "tuned", "seconds": 120.0, **counts}
        file = places.result_file(f"search-esc10-fold{fold}-{speedup}x")
        file.write_text(json.dumps({**PROVENANCE, "tuning": tuning}))


@pytest.mark.parametrize(("unseen", "told"), [(("12",), "one AST"), (("12", "34"), "2 ASTs")])
def test_ideas_are_averaged_and_counted_over_all_unseen_folds(monkeypatch, unseen, told):
    monkeypatch.setattr("model_cards.evidence.questions.UNSEEN_FOLDS", unseen)
    for folds in unseen:
        ideas = {fold: {"keys": [0.4] * 3, "other": [0.2 if fold == "1" else 0.6] * 3} for fold in folds}
        write_json(places.result_file(f"ideas-esc10-folds{folds}"), {**PROVENANCE, "folds": ideas})
    write_summaries()
    divergences, better = summary("esc10-ideas")["questions"]
    count = 2 * len(unseen)
    other = (0.2 + 0.6 * (count - 1)) / count
    assert [row["values"] for row in divergences["rows"]] == [pytest.approx([mean] * 3) for mean in (0.4, other)]
    assert better["rows"] == [{"name": "other", "values": [1] * 3}]
    assert better["title"] == f"Folds, of {count}, on which it is less than with keys"
    assert f"{told} at stride 10, {count} folds" in better["data"]
