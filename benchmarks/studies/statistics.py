"""Statistics over tasks and seeds: interquartile mean, probability of improvement, Holm's correction.

Also of a comparison of rules: leads paired by seed, and the area under a curve.

Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
arXiv 2108.13264: the interquartile mean drops the best and the worst quarter of all runs of all tasks;
the probability of improvement is that of a run of X being better than one of Y on the same task, ties
counted half, on average over tasks. Intervals are of a stratified bootstrap: the runs of each task are
drawn with replacement. rliable, the authors' package, draws the runs of X and of Y apart; so do we, and
pairing by seed is left to the table of effects.

Shapes: N runs of each of M tasks, scores (..., M, N); statistics keep the leading axes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from math import nan
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from scipy.stats import trim_mean

from edgewise.agents.statistics import (
    PERCENTILES,
    Estimate,
    Floats,
    hierarchical_draws,
    hierarchical_mean,
    stratified_bootstrap,
)

Scores = NDArray[np.float64]
Record = Mapping[str, Any]  # of a run: bed, schedule, seed, looks, correct, ...
Key = TypeVar("Key")


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


@dataclass(frozen=True)
class Comparison:
    """An entrant and a baseline, on one bed or on all."""

    entrant: str
    beds: tuple[str, ...]  # that have both
    lead: Estimate  # in accuracy, over these beds
    drawn: Estimate  # the same, with an interval that draws the beds too
    p_value: float  # of paired seeds, not corrected
    ahead: Estimate  # the chance to be better than a run of the baseline


def of_entrant(records: Sequence[Record], bed: str, name: str) -> list[Record]:
    """Return the runs of an entrant on a bed, in the order of their seeds."""
    own = [record for record in records if (record["bed"], record["schedule"]) == (bed, name)]
    return sorted(own, key=lambda record: record["seed"])


def by_entrant(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return the runs of each entrant on one bed, in the order of their seeds."""
    names = dict.fromkeys((record["bed"], record["schedule"]) for record in records)
    return {name: of_entrant(records, bed, name) for bed, name in names}


def area(looks: Sequence[tuple[float, float]]) -> float:
    """Return the mean height of a curve over tokens.

    >>> area([(0, 0.0), (50, 0.4), (100, 0.4)])
    0.3
    """
    tokens, means = np.array(looks, np.float64).T
    heights = (means[1:] + means[:-1]) / 2
    return float(heights @ np.diff(tokens) / (tokens[-1] - tokens[0]))


def differences(own: Sequence[Record], other: Sequence[Record]) -> list[list[list[Floats]]]:
    """Return what the bootstrap draws from: the paired differences of problems by arm and seed."""
    num_arms = len(own[0]["correct"])
    pairs = list(zip(own, other, strict=True))
    return [
        [[np.subtract(one["correct"][arm], two["correct"][arm]) for one, two in pairs]]
        for arm in range(num_arms)
    ]


def accuracies(runs: Sequence[Record]) -> list[float]:
    """Return the mean accuracy of each run."""
    return [record["test"] for record in runs]


def compare(records: Sequence[Record], beds: Sequence[str], name: str, baseline: str) -> Comparison:
    """Compare an entrant with a baseline over those beds that have both, which have the same seeds."""
    rng = np.random.default_rng(0)
    found = {bed: [of_entrant(records, bed, each) for each in (name, baseline)] for bed in beds}
    pairs = {bed: pair for bed, pair in found.items() if all(pair)}
    levels = [differences(*pair) for pair in pairs.values()]
    draws = np.array([hierarchical_draws(each, rng, shared=True) for each in levels])
    value = float(np.mean([np.mean([hierarchical_mean(arm) for arm in each]) for each in levels]))
    places = rng.integers(len(levels), size=draws.shape)  # of the beds that are drawn each time
    of_beds = np.take_along_axis(draws, places, axis=0)
    sides = (np.array([accuracies(pair[side]) for pair in pairs.values()]) for side in (0, 1))
    own, other = sides
    return Comparison(
        name,
        tuple(pairs),
        around(value, draws.mean(axis=0)),
        around(value, of_beds.mean(axis=0)),
        paired_p_value((own - other).mean(axis=0).tolist()),
        interval(improvement, own, other),
    )


def around(value: float, draws: Floats) -> Estimate:
    """Return a value with the interval of its draws."""
    low, high = np.percentile(draws, PERCENTILES)
    return Estimate(value, float(low), float(high))


def all_of(
    records: Sequence[Record], beds: Sequence[str], names: Sequence[str], baseline: str
) -> list[Comparison]:
    """Compare all other entrants that a bed has with a baseline."""
    there = {record["schedule"] for record in records if record["bed"] in beds}
    others = [name for name in names if name != baseline and name in there]
    return [compare(records, beds, name, baseline) for name in others]


def holm_of(tables: Mapping[Key, Sequence[Comparison]]) -> dict[Key, list[float]]:
    """Return the p-values of tables, corrected for all comparisons in them."""
    corrected: Iterator[float] = iter(
        holm([each.p_value for found in tables.values() for each in found])
    )
    return {key: list(islice(corrected, len(found))) for key, found in tables.items()}
