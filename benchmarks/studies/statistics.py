"""Statistics over tasks and seeds: interquartile mean, probability of improvement, Holm's correction.

Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
arXiv 2108.13264: the interquartile mean drops the best and the worst quarter of all runs of all tasks;
the probability of improvement is that of a run of X being better than one of Y on the same task, ties
counted half, on average over tasks. Intervals are of a stratified bootstrap: the runs of each task are
drawn with replacement. rliable, the authors' package, draws the runs of X and of Y apart; so do we, and
pairing by seed is left to the table of effects.

Shapes: N runs of each of M tasks, scores (..., M, N); statistics keep the leading axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import nan

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
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


def paired_p_value(differences: Sequence[float]) -> float:
    """Compute the two-sided p-value of Student's t that differences of paired runs have mean 0.

    It is nan for one difference; 0 if all are the same, and 1 if all are 0.

    >>> round(paired_p_value([1.0, 2.0, 3.0]), 4)
    0.0742
    """
    size, mean = len(differences), float(np.mean(differences))
    if size < 2:
        return nan
    error = float(np.std(differences, ddof=1)) / size**0.5
    if error == 0:
        return float(mean == 0)
    return float(2 * student.sf(abs(mean) / error, size - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number, as Holm (1979): the i-th smallest of m times m - i + 1.

    None is below that of a smaller p-value, or above 1.

    >>> [round(p, 4) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected
