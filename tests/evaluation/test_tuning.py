"""The search for a schedule, on divergences that cost nothing and whose best schedule is known."""

import math

import numpy as np
import pytest

from fastast_hf.evaluation.tuning import Trial, best_trial, fit_to_saving, mean_of_best, search_schedule

LAYERS = 5


def work_left(ratios):
    """A model whose layers work as much as tokens enter them."""
    tokens = np.concatenate([[1.0], np.cumprod(1 - np.array(ratios))])
    return tokens[:-1].sum() / len(ratios)


def saving(ratios):
    return 1 / work_left(ratios)


def naive_fit(shape, target):
    """Try factors in small steps from below, with ratios of any number of digits."""
    for factor in np.arange(0, 50, 1e-4):
        ratios = [min(factor * part, 0.5) for part in shape]
        if saving(ratios) >= target:
            return ratios
    return None


def distance_to(best):
    return lambda ratios: 1e-3 * float(np.square(np.subtract(ratios, best)).sum())


@pytest.mark.parametrize("shape", [[1] * LAYERS, [3, 0, 1, 0, 2], [0.1, 5, 0.1, 5, 0.1], [1, 0, 0, 0, 0]])
@pytest.mark.parametrize("target", [1.2, 1.6])
def test_a_shape_is_scaled_to_what_it_is_to_save(shape, target):
    ratios = fit_to_saving(shape, saving, target)
    assert ratios == pytest.approx(naive_fit(shape, target), abs=3e-4)
    assert saving(ratios) >= target
    assert all(ratio == round(ratio, 4) for ratio in ratios)


def test_a_layer_that_would_exceed_half_stays_there():
    ratios = fit_to_saving([100, 1, 1, 1, 1], saving, 2.0)
    assert ratios[0] == 0.5
    assert 0 < ratios[1] < 0.5
    assert ratios[1:] == (ratios[1],) * 4


def test_nothing_merges_where_nothing_is_to_be_saved():
    assert fit_to_saving([1, 2, 3, 4, 5], saving, 1.0) == (0.0,) * LAYERS


def test_shapes_and_targets_that_cannot_be_are_told():
    with pytest.raises(
        ValueError, match=r"`target` must be at most 1.67, which these layers save.* got 2. Ask for less"
    ):
        fit_to_saving([1, 0, 0, 0, 0], saving, 2.0)
    with pytest.raises(ValueError, match=r"`target` must be at most 1.00"):
        fit_to_saving([0] * LAYERS, saving, 2.0)
    for wrong in (-0.1, math.nan, math.inf):
        with pytest.raises(
            ValueError, match=r"`shape` must be finite and at least 0 at each layer, got \[1, .*Clip it"
        ):
            fit_to_saving([1, wrong, 1, 1, 1], saving, 2.0)


def test_every_trial_saves_the_target_and_the_first_is_the_same_at_every_layer():
    trials = search_schedule(distance_to([0.1] * LAYERS), saving, 1.5, num_layers=LAYERS, trials=30)
    assert len(trials) == 30
    assert len(set(trials[0].merge_ratio)) == 1
    for trial in trials:
        assert saving(trial.merge_ratio) == pytest.approx(1.5, rel=1e-3)
        assert all(0 <= ratio <= 0.5 for ratio in trial.merge_ratio)


def test_the_search_comes_closer_than_chance():
    best = fit_to_saving([5, 0, 2, 0, 1], saving, 1.5)
    trials = search_schedule(distance_to(best), saving, 1.5, num_layers=LAYERS, trials=60)
    random = np.random.default_rng(0)
    by_chance = min(
        distance_to(best)(fit_to_saving(random.random(LAYERS).tolist(), saving, 1.5)) for _ in range(len(trials))
    )
    assert best_trial(trials).divergence < by_chance / 4
    assert best_trial(trials).divergence < trials[0].divergence / 20


def test_equal_seeds_try_equal_schedules():
    tried = [
        search_schedule(distance_to([0.2] * LAYERS), saving, 1.5, num_layers=LAYERS, trials=30, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert tried[0] == tried[1] != tried[2]


def test_schedules_that_are_given_are_tried_first_scaled_to_the_target():
    shape = [0.4, 0.0, 0.2, 0.0, 0.0]
    trials = search_schedule(distance_to(shape), saving, 1.5, num_layers=LAYERS, trials=2, shapes=[shape])
    assert trials[1].merge_ratio == fit_to_saving(shape, saving, 1.5)


def test_a_given_schedule_whose_layers_cannot_save_so_much_is_left_out():
    """The best of a smaller saving may have layers that merge nothing."""
    able, unable = [0.4, 0.0, 0.2, 0.0, 0.1], [0.0, 0.0, 0.0, 0.4, 0.0]
    with pytest.raises(ValueError, match="`target` must be at most"):
        fit_to_saving(unable, saving, 1.5)
    distance = distance_to([0.1] * LAYERS)
    both, one = (
        search_schedule(distance, saving, 1.5, num_layers=LAYERS, trials=4, shapes=shapes)
        for shapes in ([unable, able], [able])
    )
    assert both == one


def test_the_search_ends_in_time_but_not_before_its_first_trial():
    trials = search_schedule(distance_to([0.2] * LAYERS), saving, 1.5, num_layers=LAYERS, seconds=0.0)
    assert len(trials) == 1


def test_answers_that_do_not_move_are_no_error():
    trials = search_schedule(lambda ratios: 0.0, saving, 1.5, num_layers=LAYERS, trials=25)
    assert best_trial(trials) == trials[0]


def test_no_trials_are_told():
    with pytest.raises(ValueError, match=r"`trials` must be at least 1, got 0. 120 are enough"):
        search_schedule(distance_to([0.2] * LAYERS), saving, 1.5, num_layers=LAYERS, trials=0)


def test_the_best_is_the_first_of_equals():
    trials = [Trial((0.1,), 2.0), Trial((0.2,), 1.0), Trial((0.3,), 1.0)]
    assert best_trial(trials) == trials[1]


def naive_mean(trials, target):
    """Sort, and add up layer by layer."""
    count = len(trials) // 8
    best = sorted(trials, key=lambda trial: trial.divergence)[:count]
    return naive_fit([sum(trial.merge_ratio[layer] for trial in best) / count for layer in range(LAYERS)], target)


def test_the_mean_is_of_the_best_eighth_and_saves_the_target():
    trials = search_schedule(distance_to([0.3, 0, 0.2, 0, 0.1]), saving, 1.5, num_layers=LAYERS, trials=40)
    mean = mean_of_best(trials, saving, 1.5)
    assert mean == pytest.approx(naive_mean(trials, 1.5), abs=3e-4)
    assert saving(mean) >= 1.5


def test_the_mean_of_few_trials_is_the_best():
    trials = search_schedule(distance_to([0.2] * LAYERS), saving, 1.5, num_layers=LAYERS, trials=15)
    assert mean_of_best(trials, saving, 1.5) == best_trial(trials).merge_ratio
