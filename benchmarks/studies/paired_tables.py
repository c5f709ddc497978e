"""Rules compared by the tables of scores that comparisons leave, whose runs need not be there.

    python -m edgewise.benchmarks.studies.paired_tables --task Zebra=A.csv,B.csv --task ARC-1D=C.csv,D.csv \
        --baselines 'grpo random' --levels 1 2 3

The tables of a task, as `edgewise compare --suite` and `benchmarks.studies.study` write them, are
taken together; a rule must not stand in two of them with the same seed. What counts is the mean
accuracy on some levels at the end of training, paired by seed: intervals and p are of Student's t over
the seeds that both have, since the answers to single problems are not in the tables. Over all tasks it is
the mean of the tasks' leads, with the seeds that all have. p is corrected by Holm for all comparisons on
single tasks, each pair once, and apart from them for those over all.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from edgewise.agents.statistics import Estimate, mean_interval
from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.studies.race_sheets import points
from edgewise.benchmarks.studies.statistics import holm, paired_p_value
from edgewise.files import FileError

Means = Mapping[str, Mapping[int, float]]  # of each rule, by seed
ALL = "all tasks"


@dataclass(frozen=True)
class Pairing:
    """Compare rules by the tables of scores of their runs."""

    task: Annotated[tuple[str, ...], tyro.conf.UseAppendAction]
    """A task and its tables, NAME=TABLE,TABLE; may be given several times."""
    baselines: tuple[str, ...]
    """Rules that all others are compared with."""
    levels: tuple[int, ...]
    """Levels whose mean accuracy counts."""
    rules: tuple[str, ...] = ()
    """Rules that are compared; by default all in the tables."""


@dataclass(frozen=True)
class Lead:
    """How far a rule is ahead of a baseline on a task, or on all."""

    task: str
    rule: str
    baseline: str
    num_seeds: int
    points: Estimate
    p_value: float


def read_means(paths: Sequence[Path], levels: Sequence[int]) -> dict[str, dict[int, float]]:
    """Read the mean accuracy, in points, of each run that is compared.

    Raises:
        FileError: If a run has not all of the levels, or stands there twice.
    """
    found: dict[tuple[str, int], dict[int, float]] = {}
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["phase"] == "comparison"]
        for row in rows:
            scores, level = found.setdefault((row["rule"], int(row["seed"])), {}), int(row["level"])
            if level in scores:
                raise FileError(f"{path}: {row['rule']}, seed {row['seed']}, must stand once")
            scores[level] = 100 * float(row["accuracy"])
    means: dict[str, dict[int, float]] = {}
    for (rule, seed), scores in found.items():
        missing = {*levels} - {*scores}
        if missing:
            raise FileError(f"{paths[0]}: {rule}, seed {seed}, must have level {min(missing)}")
        means.setdefault(rule, {})[seed] = float(np.mean([scores[level] for level in levels]))
    return means


def lead(task: str, tables: Sequence[Means], rule: str, baseline: str) -> Lead:
    """Compare a rule with a baseline by the seeds that all tables have of both."""
    seeds = set.intersection(*({*means[name]} for means in tables for name in (rule, baseline)))
    own = [
        float(np.mean([means[rule][seed] - means[baseline][seed] for means in tables]))
        for seed in sorted(seeds)
    ]
    return Lead(task, rule, baseline, len(own), mean_interval(own), paired_p_value(own))


def pairs_of(tables: Mapping[str, Means], baselines: Sequence[str]) -> list[tuple[str, str]]:
    """Return the rules to compare, each two once."""
    rules = list(dict.fromkeys(rule for means in tables.values() for rule in means))
    pairs: list[tuple[str, str]] = []
    for other in baselines:
        pairs += [(rule, other) for rule in rules if rule != other and (other, rule) not in pairs]
    return pairs


def leads(tables: Mapping[str, Means], baselines: Sequence[str]) -> list[list[Lead]]:
    """Return the leads on single tasks, and, of several, those over all."""
    pairs = pairs_of(tables, baselines)
    single = [
        lead(task, [means], *pair)
        for task, means in tables.items()
        for pair in pairs
        if {*pair} <= {*means}
    ]
    every = [pair for pair in pairs if all({*pair} <= {*means} for means in tables.values())]
    if len(tables) < 2:
        return [single, []]
    return [single, [lead(ALL, [*tables.values()], *pair) for pair in every]]


def lead_sheet(found: Sequence[Lead]) -> Sheet:
    """Tabulate leads with p corrected for their number."""
    header = ["task", "rule", "ahead of", "seeds", "points [95 %]", "p", "p (Holm)"]
    corrected = holm([each.p_value for each in found])
    rows = [
        [
            each.task,
            each.rule,
            each.baseline,
            str(each.num_seeds),
            points(each.points),
            f"{each.p_value:.4f}",
            f"{p_value:.4f}",
        ]
        for each, p_value in zip(found, corrected, strict=True)
    ]
    return Sheet("Leads, paired by seed", header, rows)


def mean_sheet(tables: Mapping[str, Means]) -> Sheet:
    """Tabulate the accuracy of each rule on each task."""
    rows = [
        [task, rule, str(len(own)), percent(mean_interval([*own.values()]))]
        for task, means in tables.items()
        for rule, own in means.items()
    ]
    return Sheet("Accuracy in percent", ["task", "rule", "seeds", "accuracy [95 %]"], rows)


def percent(found: Estimate) -> str:
    """Write a percentage with its interval.

    >>> percent(Estimate(51.0, 49.5, 52.5))
    '51.0 [49.5, 52.5]'
    """
    return f"{found.value:.1f} [{found.low:.1f}, {found.high:.1f}]"


def main() -> None:
    """Print the tables."""
    config = tyro.cli(Pairing)
    tables = {}
    for part in config.task:
        name, _, paths = part.partition("=")
        means = read_means([Path(path) for path in paths.split(",")], config.levels)
        tables[name] = {rule: means[rule] for rule in config.rules or means if rule in means}
    single, every = leads(tables, config.baselines)
    sheets = [mean_sheet(tables), lead_sheet(single), *([lead_sheet(every)] if every else [])]
    print("\n\n".join("\n".join(sheet.markdown()) for sheet in sheets))


if __name__ == "__main__":
    main()
