"""Statistics of a comparison of rules: leads paired by seed, the area under a curve, Holm's correction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from edgewise.agents.statistics import (
    PERCENTILES,
    Estimate,
    Floats,
    hierarchical_draws,
    hierarchical_mean,
)
from edgewise.benchmarks.studies.statistics import holm, improvement, interval, paired_p_value

Record = Mapping[str, Any]  # of a run: bed, schedule, seed, looks, correct, ...
Key = TypeVar("Key")


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
