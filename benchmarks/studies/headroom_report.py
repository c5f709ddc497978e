"""What runs under different schedules say of the headroom of a bed.

Headroom is how far the best schedule ends ahead of random arms, in points of mean accuracy on the
target, and how many times fewer tokens it takes to the final score of random arms. Intervals are
Student's t over paired seeds, those of the factor on its logarithm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from edgewise.benchmarks.evaluation.intervals import CONFIDENCE, Estimate
from edgewise.benchmarks.studies.headroom_plan import RANDOM

Record = Mapping[str, Any]  # of a run: schedule, seed, looks, test, ...
LEAST_POINTS = 3.0  # that the interval of a bed's headroom lies above, if it counts
LEAST_FACTOR = 1.5  # or that of the factor in tokens


@dataclass(frozen=True)
class Headroom:
    """How far one schedule is ahead of random arms."""

    schedule: str
    points: Estimate  # of mean accuracy on the target's test problems
    factor: Estimate  # random arms' tokens to their own final score, divided by the schedule's
    never: int  # seeds in which the schedule does not come to that score

    @property
    def counts(self) -> bool:
        """Return whether rules can be told apart on the bed."""
        return self.points.low > LEAST_POINTS or self.factor.low > LEAST_FACTOR


def over_seeds(values: Sequence[float]) -> Estimate:
    """Return the mean with its interval over at least two seeds."""
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1) / np.sqrt(len(values)))
    reach = float(student.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return Estimate(mean, mean - reach, mean + reach)


def tokens_to(looks: Sequence[tuple[float, float]], score: float) -> float | None:
    """Return the tokens at which a curve first comes to `score`, on a line between two looks.

    >>> tokens_to([(0, 0.1), (100, 0.3), (200, 0.2)], 0.2)
    50.0
    >>> tokens_to([(0, 0.1), (100, 0.3)], 0.4) is None
    True
    """
    before: tuple[float, float] | None = None
    for tokens, mean in looks:
        if mean >= score:
            if before is None or mean == before[1]:
                return float(tokens)
            part = (score - before[1]) / (mean - before[1])
            return float(before[0] + part * (tokens - before[0]))
        before = (tokens, mean)
    return None


def best_of(records: Sequence[Record], count: int) -> list[str]:
    """Return the schedules, but random arms, with the best last look, the best first."""
    others = [record for record in records if record["schedule"] != RANDOM]
    ranked = sorted(others, key=lambda record: -record["looks"][-1][1])
    return [record["schedule"] for record in ranked[:count]]


def of_schedule(name: str, records: Sequence[Record]) -> Headroom:
    """Compare one schedule with random arms, seed by seed."""
    own = {record["seed"]: record for record in records if record["schedule"] == name}
    random = {record["seed"]: record for record in records if record["schedule"] == RANDOM}
    seeds = sorted(own.keys() & random.keys())
    goal = float(np.mean([random[seed]["looks"][-1][1] for seed in seeds]))
    differences, logs, never = [], [], 0
    for seed in seeds:
        differences.append(100 * (own[seed]["test"] - random[seed]["test"]))
        budget = random[seed]["looks"][-1][0]
        fast, slow = (tokens_to(runs[seed]["looks"], goal) for runs in (own, random))
        never += fast is None
        logs.append(float(np.log((slow or budget) / (fast or budget))))
    log = over_seeds(logs)
    factor = Estimate(*(float(np.exp(value)) for value in (log.value, log.low, log.high)))
    return Headroom(name, over_seeds(differences), factor, never)


def measure(records: Sequence[Record]) -> list[Headroom]:
    """Return the schedules of the final runs, the best first: by the mean of their last looks.

    Test problems choose nothing, so the first is the headroom of the bed.
    """
    names = dict.fromkeys(r["schedule"] for r in records if r["schedule"] != RANDOM)
    last = {
        name: np.mean([r["looks"][-1][1] for r in records if r["schedule"] == name])
        for name in names
    }
    return [of_schedule(name, records) for name in sorted(names, key=lambda name: -last[name])]


def verdict(found: Headroom, gain: Estimate) -> str:
    """Say in one sentence what a curriculum can gain."""
    points, factor = found.points, found.factor
    said = (
        f"a curriculum can gain at most {points.value:.1f} points [{points.low:.1f}, "
        f"{points.high:.1f}] here, and come to the score of random arms in 1/{factor.value:.1f} of "
        f"the tokens [1/{factor.low:.1f}, 1/{factor.high:.1f}], as far as these schedules go "
        f"(best: {found.schedule}; random arms gain {gain.value:.1f} [{gain.low:.1f}, "
        f"{gain.high:.1f}])"
    )
    if found.counts:
        return f"{said}: rules can be compared on this bed"
    return f"{said}: too little to compare rules on this bed"


def gain_of_random(records: Sequence[Record], card: Sequence[Record]) -> Estimate:
    """Return what random arms gain on the test problems of the target, in points."""
    start = float(np.mean([row["pass_at_1"] for row in card]))
    return over_seeds([100 * (r["test"] - start) for r in records if r["schedule"] == RANDOM])


def card_lines(records: Sequence[Record], best: str, card: Sequence[Record]) -> list[str]:
    """Return a table of the target's arms: at the start, and after training in the final runs."""
    lines = [
        f"| arm | env | level | pass@1 | pass@32 | chance | after random arms | after {best} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    after = [
        np.mean([r["levels"] for r in records if r["schedule"] == name], axis=0)
        for name in (RANDOM, best)
    ]
    for row, random, own in zip(card, *after, strict=True):
        lines.append(
            f"| {row['arm']} | {row['env']} | {row['level']} | {row['pass_at_1']:.3f} "
            f"| {row['pass_at_32']:.3f} | {row['chance']:.3f} | {random:.3f} | {own:.3f} |"
        )
    return lines


def report(
    records: Sequence[Record], screened: Sequence[Record], card: Sequence[Record], title: str
) -> str:
    """Return the Markdown of a measurement.

    Args:
        records: Of the final runs.
        screened: Of the screening.
        card: What the model scores on each arm of the target at the start.
        title: The first line.
    """
    rows = measure(records)
    lines = [f"# {title}", "", f"{verdict(rows[0], gain_of_random(records, card))}.", ""]
    lines += [
        "| schedule | points ahead of random arms [95 %] | times fewer tokens [95 %] | never |",
        "|---|---|---|---|",
    ]
    for row in rows:
        points, factor = row.points, row.factor
        lines.append(
            f"| {row.schedule} | {points.value:+.1f} [{points.low:+.1f}, {points.high:+.1f}] "
            f"| {factor.value:.2f} [{factor.low:.2f}, {factor.high:.2f}] | {row.never} |"
        )
    lines += ["", "Accuracy on test problems, pass@1 after training over seeds:", ""]
    lines += card_lines(records, rows[0].schedule, card)
    lines += ["", "Mean accuracy on the target's validation problems in the screening:", ""]
    lines += ["| schedule | start | end |", "|---|---|---|"]
    for record in sorted(screened, key=lambda record: -record["looks"][-1][1]):
        first, last = record["looks"][0][1], record["looks"][-1][1]
        lines.append(f"| {record['schedule']} | {first:.3f} | {last:.3f} |")
    return "\n".join(lines) + "\n"
