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
from edgewise.benchmarks.statistics import holm, improvement, interval, paired_p_value

Record = Mapping[str, Any]  # of a run: bed, schedule, seed, looks, correct, ...
Key = TypeVar("Key")


@dataclass(frozen=True)
class Comparison:
    """An entrant and a baseline, on one bed or on all."""

    entrant: str
    lead: Estimate  # in accuracy
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
    """Compare an entrant with a baseline over beds, which have the same seeds."""
    rng = np.random.default_rng(0)
    pairs = [[of_entrant(records, bed, each) for each in (name, baseline)] for bed in beds]
    levels = [differences(*pair) for pair in pairs]
    draws = np.mean([hierarchical_draws(each, rng, shared=True) for each in levels], axis=0)
    value = np.mean([np.mean([hierarchical_mean(arm) for arm in each]) for each in levels])
    low, high = np.percentile(draws, PERCENTILES)
    own, other = (np.array([accuracies(pair[side]) for pair in pairs]) for side in (0, 1))
    return Comparison(
        name,
        Estimate(float(value), float(low), float(high)),
        paired_p_value((own - other).mean(axis=0).tolist()),
        interval(improvement, own, other),
    )


def all_of(
    records: Sequence[Record], beds: Sequence[str], names: Sequence[str], baseline: str
) -> list[Comparison]:
    """Compare all other entrants with a baseline."""
    return [compare(records, beds, name, baseline) for name in names if name != baseline]


def holm_of(tables: Mapping[Key, Sequence[Comparison]]) -> dict[Key, list[float]]:
    """Return the p-values of tables, corrected for all comparisons in them."""
    corrected: Iterator[float] = iter(
        holm([each.p_value for found in tables.values() for each in found])
    )
    return {key: list(islice(corrected, len(found))) for key, found in tables.items()}
