"""The search for a merge schedule: how much each layer merges, so that the answers move least at a given amount of work.

A trial takes a pass over all clips, so that there can be few. A Gaussian process guesses from the trials that were made what
others would give, and the most promising is made next: Bayesian optimization by expected improvement.

Source: Jones, Schonlau and Welch 1998, "Efficient Global Optimization of Expensive Black-Box Functions" (Journal of Global
Optimization 13). The process is scikit-learn's. Deviations: candidates are changes of the best schedules so far, each scaled
to the work that is asked for, in place of a search over the whole space; and what a search finds is the mean of its best trials.
The very best suits the clips that it was tried on; the mean is less theirs.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel

Ratios = tuple[float, ...]
"""Merge ratios, one a layer, 0 to 0.5."""

Saving = Callable[[Ratios], float]
"""How many times less work a schedule is than no merging. It must not fall where a ratio grows."""

Divergence = Callable[[Ratios], float]
"""How far the answers of a schedule are from those without merging, at least 0."""

_MOST = 0.5
_DIGITS = 4  # of a ratio: less than a token
_RANDOM_TRIALS = 16
_CANDIDATES = 160
_AVERAGED_SHARE = 1 / 8  # of the trials, the best
_TRIALS_PER_FIT = 10
_NO_DIVERGENCE = 1e-9  # what rounding leaves between equal answers, and less
_LENGTH_SCALES = (0.05, 20.0)  # in units of the largest ratio


class Trial(NamedTuple):
    """A schedule that was tried.

    Attributes:
        merge_ratio: of each layer.
        divergence: what came of it.
    """

    merge_ratio: Ratios
    divergence: float


def fit_to_saving(shape: Sequence[float], saving: Saving, target: float) -> Ratios:
    """Scale a schedule until it saves as much as is asked for.

    Args:
        shape: what each layer merges in proportion to the others, at least 0.
        saving: see `Saving`.
        target: what the schedule is to save, at least 1.

    Returns:
        Ratios that save `target` or, by a last digit of a ratio, more. A layer that would have to merge more than half
        of its tokens merges half, and the others make up for it.

    Raises:
        ValueError: if the shape is negative or no number, or its layers cannot save so much.

    Example:
        >>> fit_to_saving([1, 1], lambda ratios: 1 / (1 - sum(ratios) / 2), target=1.25)
        (0.2, 0.2)
    """
    largest = _largest_factor(shape)
    most = saving(_scaled(shape, largest))
    if most < target:
        raise ValueError(
            f"`target` must be at most {most:.2f}, which these layers save if they merge all they can, got {target:g}. Ask "
            "for less."
        )
    low, high = 0.0, largest
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if saving(_scaled(shape, middle)) < target else (low, middle)
    return _scaled(shape, high)


def search_schedule(
    divergence: Divergence,
    saving: Saving,
    target: float,
    *,
    num_layers: int,
    trials: int = 120,
    seconds: float = math.inf,
    shapes: Sequence[Sequence[float]] = (),
    seed: int = 0,
) -> list[Trial]:
    """Try schedules that all save the same, each where the trials before promise most.

    Args:
        divergence: see `Divergence`. Called once a trial.
        saving: see `Saving`.
        target: what every schedule saves, at least 1.
        num_layers: layers.
        trials: most schedules to try, at least 1.
        seconds: try no further one after this long.
        shapes: schedules to try first, scaled to `target`: for example the best at another target, or what constant r makes.
            Those whose layers cannot save so much, since some merge nothing, are left out.
        seed: of all that is random. Without `seconds`, equal seeds try equal schedules.

    Returns:
        The trials, in the order that they were made; the first has the same ratio at every layer.

    Raises:
        ValueError: if nothing is to be tried, or no schedule saves `target`.
    """
    if trials < 1:
        raise ValueError(f"`trials` must be at least 1, got {trials}. 120 are enough for twelve layers.")
    start = perf_counter()
    random = np.random.default_rng(seed)
    guess = _Guess()
    done: list[Trial] = []
    able = (shape for shape in shapes if saving(_scaled(shape, _largest_factor(shape))) >= target)
    first = [[1.0] * num_layers, *able, *_slopes(num_layers)]
    while len(done) < trials and (not done or perf_counter() - start < seconds):
        if len(done) < len(first):
            ratios = fit_to_saving(first[len(done)], saving, target)
        elif len(done) < len(first) + _RANDOM_TRIALS:
            ratios = _change(done, random, saving, target)
        else:
            candidates = [_change(done, random, saving, target) for _ in range(_CANDIDATES)]
            ratios = candidates[guess.most_promising(done, candidates)]
        done.append(Trial(ratios, divergence(ratios)))
    return done


def best_trial(trials: Sequence[Trial]) -> Trial:
    """Give the trial with the least divergence, the first of equals."""
    return min(trials, key=lambda trial: trial.divergence)


def mean_of_best(trials: Sequence[Trial], saving: Saving, target: float) -> Ratios:
    """Average the best eighth of the trials.

    Args:
        trials: at least one, which all save `target`.
        saving: see `Saving`.
        target: what the schedule is to save, at least 1.

    Returns:
        The mean ratio of each layer, scaled to `target`; of fewer than sixteen trials the ratios of the best.
    """
    best = sorted(trials, key=lambda trial: trial.divergence)[: max(1, int(len(trials) * _AVERAGED_SHARE))]
    if len(best) == 1:
        return best[0].merge_ratio
    return fit_to_saving(np.mean([trial.merge_ratio for trial in best], axis=0).tolist(), saving, target)


def _largest_factor(shape: Sequence[float]) -> float:
    """Give the factor from which on each layer that merges at all merges half of its tokens."""
    if not all(0 <= part < math.inf for part in shape):
        raise ValueError(f"`shape` must be finite and at least 0 at each layer, got {list(shape)}. Clip it at 0.")
    return _MOST / min((part for part in shape if part > 0), default=_MOST)


def _scaled(shape: Sequence[float], factor: float) -> Ratios:
    """Multiply, round up to the last digit, and cut off at half."""
    step = 10.0**_DIGITS
    return tuple(min(round(math.ceil(factor * part * step - 1e-6) / step, _DIGITS), _MOST) for part in shape)


def _slopes(num_layers: int) -> list[list[float]]:
    """Give schedules that merge more early, more late, and mostly in every second layer."""
    falling = np.linspace(1.0, 0.2, num_layers).tolist()
    return [falling, falling[::-1], [layer % 2 + 0.1 for layer in range(num_layers)]]


def _change(trials: Sequence[Trial], random: np.random.Generator, saving: Saving, target: float) -> Ratios:
    """Change some layers of one of the best schedules, much or a little."""
    best = sorted(trials, key=lambda trial: trial.divergence)[:4]
    shape = np.array(best[random.integers(len(best))].merge_ratio)
    spread = shape.mean() * random.choice([0.06, 0.15, 0.3, 0.6])
    changed = random.random(len(shape)) < random.choice([0.2, 0.5, 1.0])
    shape = np.clip(shape + changed * random.normal(0, spread, len(shape)), 0, _MOST)
    try:
        return fit_to_saving(shape.tolist(), saving, target)
    except ValueError:  # too few layers are left that merge
        return best[0].merge_ratio


class _Guess:
    """What trials that were not made would give, guessed from those that were, in the logarithm of the divergence."""

    def __init__(self) -> None:
        self._kernel: Any = None

    def most_promising(self, trials: Sequence[Trial], candidates: Sequence[Ratios]) -> int:
        """Give the index of the candidate whose improvement on the best trial is expected to be largest."""
        scores = np.log([trial.divergence + _NO_DIVERGENCE for trial in trials])
        scores = (scores - scores.mean()) / max(scores.std(), 1e-6)
        process = self._fit(np.array([trial.merge_ratio for trial in trials]) / _MOST, scores)
        mean, deviation = process.predict(np.array(candidates) / _MOST, return_std=True)
        deviation = np.maximum(deviation, 1e-9)
        better = scores.min() - mean
        improvement = better * norm.cdf(better / deviation) + deviation * norm.pdf(better / deviation)
        return int(np.argmax(improvement))

    def _fit(self, schedules: np.ndarray, scores: np.ndarray) -> GaussianProcessRegressor:
        """Fit the process; how much each layer matters is found anew every few trials, which takes longest."""
        is_new = self._kernel is None or len(scores) % _TRIALS_PER_FIT == 0
        kernel = self._kernel or (
            Matern(np.full(schedules.shape[1], 0.5), _LENGTH_SCALES, nu=2.5) + WhiteKernel(1e-3, (1e-6, 1e-1))
        )
        process = GaussianProcessRegressor(kernel, optimizer="fmin_l_bfgs_b" if is_new else None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a layer that does not matter ends at a bound, and that is right
            process.fit(schedules, scores)
        self._kernel = process.kernel_
        return process
