"""Statistics over tasks and seeds: interquartile mean and probability of improvement.

Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
arXiv 2108.13264: the interquartile mean drops the best and the worst quarter of all runs of all tasks;
the probability of improvement is that of a run of X being better than one of Y on the same task, ties
counted half, on average over tasks. Intervals are of a stratified bootstrap: the runs of each task are
drawn with replacement. rliable, the authors' package, draws the runs of X and of Y apart; so do we, and
pairing by seed is left to the table of effects.

Shapes: N runs of each of M tasks, scores (M, N).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import trim_mean

from edgewise.benchmarks.evaluation.intervals import Estimate

Scores = NDArray[np.float64]
NUM_RESAMPLES = 2_000
PERCENTILES = (2.5, 97.5)


def iqm(scores: Scores) -> float:
    """Return the interquartile mean of all runs of all tasks.

    >>> iqm(np.array([[0.0, 0.2, 0.4, 1.0]]))
    0.30000000000000004
    """
    return float(trim_mean(scores.ravel(), 0.25))


def improvement(first: Scores, second: Scores) -> float:
    """Return the probability that a run of `first` is better than one of `second`, over tasks.

    >>> improvement(np.array([[0.1, 0.3]]), np.array([[0.2, 0.3]]))
    0.375
    """
    greater = first[:, :, None] > second[:, None, :]
    equal = first[:, :, None] == second[:, None, :]
    return float((greater + 0.5 * equal).mean(axis=(1, 2)).mean())


def interval(statistic: Callable[..., float], *scores: Scores, seed: int = 0) -> Estimate:
    """Return a statistic of one or several tables of scores, with its interval.

    One run of each task has none: the bounds are nan.
    """
    if min(table.shape[1] for table in scores) < 2:
        return Estimate(statistic(*scores), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    values = [statistic(*(resampled(table, rng) for table in scores)) for _ in range(NUM_RESAMPLES)]
    low, high = np.percentile(values, PERCENTILES)
    return Estimate(statistic(*scores), float(low), float(high))


def resampled(scores: Scores, rng: np.random.Generator) -> Scores:
    """Return as many runs of each task, drawn with replacement."""
    runs = rng.integers(scores.shape[1], size=scores.shape)
    return np.take_along_axis(scores, runs, axis=1)
