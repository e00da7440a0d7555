"""The plan of the evidence: which runs there are, what they are told, and how settings are chosen."""

from fastast_hf.experiment.files import write_json
from model_cards.evidence import plan as module
from model_cards.evidence import sets
from model_cards.evidence.plan import Search, Speed, Training, plan


def trainings(tmp_path):
    runs = plan(tmp_path / "data", tmp_path / "models")
    return {run.name: run.options for run in runs if isinstance(run, Training)}


def test_every_row_has_the_same_parts_epochs_and_number_of_candidates(tmp_path):
    named = trainings(tmp_path)
    for set_name, sounds in sets.SETS.items():
        for row, options in sets.ROWS.items():
            of_the_row = [name for name in named if name.startswith(f"{set_name}-tuning-{row}-lr")]
            assert len(of_the_row) == (0 if row in sets.TUNED_AS else {"esc10": 4, "speech": 3}[set_name])
            assert {named[name]["frequency_stride"] for name in of_the_row} <= {"16"}
            assert options["frequency_stride"] == ("16" if row == "ast-stride16" else "10")
            is_part_of_the_set = row in [*sets.FIRST_ROWS, *sets.LAST_ROWS[set_name]]
            for part in sounds.parts if is_part_of_the_set else ():
                run = named[f"{set_name}-{part}-{row}"]
                epochs = "60" if row == "fastast-cmkd-long" else sounds.options["num_train_epochs"]
                assert run["num_train_epochs"] == epochs
                assert run["time_stride"] == options["time_stride"]
    assert len(named) == 3 * (4 + 3) + 6 * 5 + 3 * 5 + len(sets.ABLATIONS) + len(module.UNSEEN_FOLDS)


def test_only_rows_named_so_merge_or_are_taught(tmp_path):
    for name, options in trainings(tmp_path).items():
        row = name if "-ablation-" not in name else "fastast-cmkd"
        assert ("merge_ratio" in options) == ("-fastast" in row or row == "fastast-cmkd")
        assert (options["distillation_weight"] != "0") == ("teacher_name_or_path" in options) == ("cmkd" in row)


def test_candidates_and_ablations_merge_as_suits_their_stride(tmp_path):
    named = trainings(tmp_path)
    for set_name, sounds in sets.SETS.items():
        ratios = {
            options.get("merge_ratio") for name, options in named.items() if name.startswith(f"{set_name}-tuning")
        }
        assert ratios == {None, sounds.merge_ratio_stride16}
        part = next(iter(sounds.parts))
        assert named[f"{set_name}-{part}-fastast"]["merge_ratio"] == sounds.merge_ratio
    assert named["esc10-ablation-base"]["merge_ratio"] == sets.SETS["esc10"].merge_ratio_stride16


def test_an_ablation_differs_from_its_base_in_what_it_is_named_for(tmp_path):
    named = trainings(tmp_path)
    base = named["esc10-ablation-base"]
    assert base["time_stride"] == "16" and base["eval_fold"] == "1"
    for label, difference in sets.ABLATIONS.items():
        if label != "self-distillation":
            assert named[f"esc10-ablation-{label}"] == base | difference


def test_self_distillation_is_taught_by_the_ast_that_learnt_the_labels(tmp_path):
    runs = {run.name: run for run in plan(tmp_path / "data", tmp_path / "models")}
    run = runs["esc10-ablation-self-distillation"]
    assert run.teacher == runs["esc10-fold1-ast-stride16"]
    assert run.options["teacher_name_or_path"] == str(tmp_path / "runs" / "esc10-fold1-ast-stride16")


def test_the_runs_of_a_part_take_over_the_teacher_that_its_first_run_has_trained(tmp_path):
    assert trainings(tmp_path)["esc10-fold2-ast-cmkd"]["teacher_name_or_path"].endswith("efficientat_mn04_as")
    trained = tmp_path / "runs" / "esc10-fold2-fastast-cmkd" / "_teacher"
    trained.mkdir(parents=True)
    named = trainings(tmp_path)
    assert named["esc10-fold2-ast-cmkd"]["teacher_name_or_path"] == str(trained)
    assert named["esc10-fold3-ast-cmkd"]["teacher_name_or_path"].endswith("efficientat_mn04_as")


def test_the_best_candidate_is_chosen_by_accuracy_then_map_then_order(results, tmp_path):
    def measure(label, accuracy, mean_average_precision):
        metrics = {"accuracy": accuracy, "map": mean_average_precision}
        write_json(results / f"esc10-tuning-ast-{label}.json", {"models": {"fastast": {"metrics": metrics}}})

    def rate(row="ast"):
        return module.chosen("esc10", row)["learning_rate"]

    def is_tuned():
        runs = plan(tmp_path / "data", tmp_path / "models")
        return next(run.is_tuned for run in runs if run.name == "esc10-fold1-ast")

    for label in ("lr6e-4", "lr5e-5", "lr1e-4"):
        measure(label, 0.8, 0.99)
    assert (rate(), is_tuned()) == ("3e-4", False)
    measure("lr3e-4", 0.9, 0.95)
    assert (rate(), is_tuned()) == ("3e-4", True)
    measure("lr1e-4", 0.9, 0.95)
    assert rate() == "3e-4"
    measure("lr6e-4", 0.9, 0.96)
    assert rate() == rate("ast-stride16") == "6e-4"
    assert rate("fastast") == "3e-4"
    measure("lr1e-4", 0.91, 0.5)
    assert rate() == "1e-4"


def test_schedules_are_searched_and_judged_on_folds_that_the_model_has_not_seen(tmp_path):
    runs = [run for run in plan(tmp_path / "data", tmp_path / "models") if isinstance(run, Search)]
    of_esc10, of_speech = ([run for run in runs if f"-{name}-" in run.name] for name in ("esc10", "speech"))
    assert len(of_esc10) == 2 * len(module.UNSEEN_FOLDS) * len(module.SEARCHED_SPEEDUPS)
    assert len(of_speech) == 2 * len(module.SEARCHED_SPEEDUPS)
    for run in of_speech:
        assert run.model.name == "speech-seed1-ast"
        assert set(run.divisions) == {"speech-half1", "speech-half2"}
    for run in of_esc10:
        searched, judged = (division.removeprefix("esc10-fold") for division in run.divisions)
        assert searched != judged
        unseen = run.model.division.removeprefix("esc10-without-folds")
        assert {searched, judged} == set(unseen)
        assert "merge_ratio" not in run.model.options


def test_speed_is_measured_for_both_sets_in_training_too(tmp_path):
    runs = [run for run in plan(tmp_path / "data", tmp_path / "models") if isinstance(run, Speed)]
    assert {(run.set_name, run.training) for run in runs} == {
        (set_name, training) for set_name in sets.SETS for training in (False, True)
    }
