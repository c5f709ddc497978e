"""Statistics over tasks and seeds: interquartile mean and probability of improvement.

Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
arXiv 2108.13264: the interquartile mean drops the best and the worst quarter of all runs of all tasks;
the probability of improvement is that of a run of X being better than one of Y on the same task, ties
counted half, on average over tasks. Intervals are of a stratified bootstrap: the runs of each task are
drawn with replacement. rliable, the authors' package, draws the runs of X and of Y apart; so do we, and
pairing by seed is left to the table of effects.

Shapes: N runs of each of M tasks, scores (..., M, N); statistics keep the leading axes.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from math import nan

import numpy as np
from numpy.typing import NDArray
from scipy.stats import trim_mean

from edgewise.agents.statistics import Estimate, stratified_bootstrap

Scores = NDArray[np.float64]


def iqm(scores: Scores) -> Scores:
    """Compute the interquartile mean of all runs of all tasks.

    >>> float(iqm(np.array([[0.0, 0.2, 0.4, 1.0]])))
    0.30000000000000004
    """
    runs = scores.reshape(*scores.shape[:-2], -1)
    means: Scores = trim_mean(runs, 0.25, axis=-1)
    return means


def improvement(first: Scores, second: Scores) -> Scores:
    """Compute the probability that a run of `first` is better than one of `second`, over tasks.

    >>> float(improvement(np.array([[0.1, 0.3]]), np.array([[0.2, 0.3]])))
    0.375
    """
    greater = first[..., :, None] > second[..., None, :]
    equal = first[..., :, None] == second[..., None, :]
    wins: Scores = (greater + 0.5 * equal).mean(axis=(-3, -2, -1))
    return wins


def interval(statistic: Callable[..., Scores], *tables: Scores, seed: int = 0) -> Estimate:
    """Compute a statistic of one or several tables of scores, with its interval.

    The bounds are nan where a task has one run.
    """
    if min(table.shape[1] for table in tables) < 2:
        return Estimate(float(statistic(*tables)), nan, nan)
    ends = list(accumulate(len(table) for table in tables))

    def of_rows(*rows: Scores) -> Scores:
        parts = zip([0, *ends], ends, strict=False)
        return statistic(*(np.stack(rows[first:last], axis=-2) for first, last in parts))

    rows = [row for table in tables for row in table]
    return stratified_bootstrap(of_rows, rows, np.random.default_rng(seed))
