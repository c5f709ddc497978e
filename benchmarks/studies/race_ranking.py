"""How well simulated learners predict the ranking of entrants over the beds of a comparison.

    edgewise compare --plan PLAN --output RACE
    edgewise compare --agent simulated --curricula NAMES --output SIMULATED
    python -m edgewise.benchmarks.studies.race_ranking RACE SIMULATED

Without SIMULATED it prints the NAMES. Entrants are ranked by their test accuracy at the budget, the
mean over beds and seeds, of those that every bed has, and on simulated learners by their final accuracy on the training arms, the
mean over worlds and seeds. The interval of Spearman's correlation is of a bootstrap that draws the
seeds of both; reliability is the correlation of the rankings by two halves of the beds' seeds.

Shapes: E entrants, S seeds.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from edgewise.agents.statistics import PERCENTILES, Estimate
from edgewise.benchmarks.studies.race_plan import SETTINGS
from edgewise.benchmarks.studies.race_report import records_of
from edgewise.benchmarks.studies.statistics import Record
from edgewise.files import read_json

Scores = NDArray[np.float64]
NUM_DRAWS = 2000
FILTER = re.compile(r"filter=([a-z-]+)(?::filter_rounds=(\d+))?")


def simulated_name(entrant: Mapping[str, str]) -> str | None:
    """Return the curriculum of `edgewise compare --agent simulated` for an entrant, or None.

    >>> simulated_name({"curriculum": "sec", "algorithm": "grpo:filter=rps:filter_rounds=2"})
    'sec+rps:rounds=2'
    """
    if "allocation" in entrant:  # which simulated learners do not have
        return None
    found = FILTER.search(entrant["algorithm"])
    if found is None:
        return str(entrant["curriculum"])
    rounds = f":rounds={found[2]}" if found[2] else ""
    return f"{entrant['curriculum']}+{found[1]}{rounds}"


def spearman(first: Scores, second: Scores) -> Scores:
    """Compute the rank correlation of two scores of the same entrants, (..., E) each.

    >>> spearman(np.array([0.1, 0.2, 0.3]), np.array([5.0, 9.0, 7.0])).item()
    0.5
    """
    ranks = (rankdata(scores, axis=-1) for scores in (first, second))
    one, two = (each - each.mean(axis=-1, keepdims=True) for each in ranks)
    found: Scores = (one * two).sum(axis=-1) / np.sqrt(
        (one**2).sum(axis=-1) * (two**2).sum(axis=-1)
    )
    return found


def correlation(real: Scores, simulated: Scores, rng: np.random.Generator) -> Estimate:
    """Correlate the means over seeds of two tables, (E, S) each with its own S, with an interval."""
    draws = [
        [
            table[:, rng.integers(table.shape[1], size=table.shape[1])].mean(axis=1)
            for table in (real, simulated)
        ]
        for _ in range(NUM_DRAWS)
    ]
    low, high = np.percentile(spearman(*np.swapaxes(draws, 0, 1)), PERCENTILES)
    value = spearman(real.mean(axis=1), simulated.mean(axis=1))
    return Estimate(float(value), float(low), float(high))


def reliability(real: Scores, rng: np.random.Generator) -> float:
    """Correlate the rankings by two halves of the seeds of a table, (E, S), the mean over splits."""
    half, means = real.shape[1] // 2, []
    for _ in range(NUM_DRAWS // 10):
        order = rng.permutation(real.shape[1])
        means.append([real[:, part].mean(axis=1) for part in (order[:half], order[half:])])
    return float(spearman(*np.swapaxes(means, 0, 1)).mean())


def real_table(records: Sequence[Record], bed: str | None, names: Sequence[str]) -> Scores:
    """Return the test accuracies of entrants by seed, (E, S), on one bed or in the mean of all."""
    seeds = sorted({record["seed"] for record in records})
    found = np.zeros((len(names), len(seeds), 2))
    for record in records:
        if record["schedule"] in names and bed in (None, record["bed"]):
            place = names.index(record["schedule"]), seeds.index(record["seed"])
            found[place] += (record["test"], 1)
    table: Scores = found[..., 0] / found[..., 1]
    return table


def simulated_table(cells: Path, curricula: Sequence[str]) -> Scores:
    """Return the final accuracies of curricula by seed, (E, S), the mean over worlds.

    Raises:
        ValueError: If a curriculum is not among the cells.
    """
    with cells.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    seeds = sorted({int(row["seed"]) for row in rows})
    missing = {*curricula} - {row["curriculum"] for row in rows}
    if missing:
        raise ValueError(f"{cells}: must have the curriculum {min(missing)}; compare with it too")
    return np.array(
        [
            [
                np.mean(
                    [
                        float(row["final_id"])
                        for row in rows
                        if (row["curriculum"], int(row["seed"])) == (name, seed)
                    ]
                )
                for seed in seeds
            ]
            for name in curricula
        ]
    )


def common(records: Sequence[Record], bed: str | None, names: Sequence[str]) -> list[str]:
    """Return those of `names` that ran on a bed, or on all."""
    of_beds: dict[str, set[str]] = {}
    for record in records:
        if bed in (None, record["bed"]):
            of_beds.setdefault(record["bed"], set()).add(record["schedule"])
    return [name for name in names if all(name in there for there in of_beds.values())]


def main(arguments: Sequence[str]) -> None:
    """Print the names of the curricula, or how well the simulation ranks them."""
    folder = Path(arguments[0])
    records, settings = records_of(folder), read_json(folder / SETTINGS)
    entrants = dict.fromkeys(record["schedule"] for record in records)
    pairs = {name: simulated_name(settings[f"entrant {name}"]) for name in entrants}
    names = [name for name, simulated in pairs.items() if simulated is not None]
    if len(arguments) < 2:
        print(",".join(str(pairs[name]) for name in names))
        return
    print("Spearman's correlation with simulated learners [95 %]")
    for bed in (None, *dict.fromkeys(record["bed"] for record in records)):
        there = common(records, bed, names)
        curricula = [str(pairs[name]) for name in there]
        simulated = simulated_table(Path(arguments[1]) / "cells.csv", curricula)
        real, rng = real_table(records, bed, there), np.random.default_rng(0)
        found = correlation(real, simulated, rng)
        print(
            f"{bed or 'all beds'}, {len(there)} entrants: {found.value:+.2f} [{found.low:+.2f}, "
            f"{found.high:+.2f}], reliability of the beds' own ranking {reliability(real, rng):+.2f}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
