"""What runs under different schedules say of the headroom of a bed.

Headroom is how far the best schedule ends ahead of random arms, in points of mean accuracy on the
target, and how many times fewer tokens the fastest takes to the final score of random arms. The best
has the highest last looks of the final runs, on validation problems; the fastest was the best in the
screening, with a third of the tokens and a seed of its own. Intervals are Student's t over paired
seeds, those of the factor on its logarithm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise.agents.statistics import Estimate, mean_interval
from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.studies.headroom_plan import RANDOM

Record = Mapping[str, Any]  # of a run: schedule, seed, looks, test, ...
LEAST_POINTS = 3.0  # that the interval of a bed's headroom lies above, if it counts
LEAST_FACTOR = 1.5  # or that of the factor in tokens


@dataclass(frozen=True)
class Lead:
    """How far one schedule is ahead of random arms."""

    schedule: str
    points: Estimate  # of mean accuracy on the target's test problems
    factor: Estimate  # random arms' tokens to their own final score, divided by the schedule's
    never: int  # seeds in which the schedule does not come to that score


@dataclass(frozen=True)
class Headroom:
    """What a curriculum can gain on a bed."""

    best: Lead  # of which the points are meant
    fastest: Lead  # of which the factor is meant
    gain: Estimate  # of random arms on the target's test problems, in points

    @property
    def counts(self) -> bool:
        """Return whether the best schedule's lead is large enough to compare rules on the bed."""
        points, factor = self.best.points.low, self.fastest.factor.low
        return points > LEAST_POINTS or factor > LEAST_FACTOR


def tokens_to(looks: Sequence[tuple[float, float]], score: float) -> float | None:
    """Return the tokens at which a curve first comes to `score`, on a line between two looks.

    >>> tokens_to([(0, 0.25), (100, 0.75), (200, 0.5)], 0.5)
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


def lead_of(name: str, records: Sequence[Record], baseline: str = RANDOM) -> Lead:
    """Compare one schedule with random arms, or another baseline, seed by seed."""
    own = {record["seed"]: record for record in records if record["schedule"] == name}
    random = {record["seed"]: record for record in records if record["schedule"] == baseline}
    seeds = sorted(own.keys() & random.keys())
    goal = float(np.mean([random[seed]["looks"][-1][1] for seed in seeds]))
    differences, logs, never = [], [], 0
    for seed in seeds:
        differences.append(100 * (own[seed]["test"] - random[seed]["test"]))
        budget = random[seed]["looks"][-1][0]
        fast, slow = (tokens_to(runs[seed]["looks"], goal) for runs in (own, random))
        never += fast is None
        logs.append(float(np.log((slow or budget) / (fast or budget))))
    log = mean_interval(logs)
    factor = Estimate(*(float(np.exp(value)) for value in (log.value, log.low, log.high)))
    return Lead(name, mean_interval(differences), factor, never)


def leads_of(records: Sequence[Record]) -> list[Lead]:
    """Return the lead of every schedule of the final runs, those with the best last looks first."""
    names = dict.fromkeys(r["schedule"] for r in records if r["schedule"] != RANDOM)
    last = {
        name: np.mean([r["looks"][-1][1] for r in records if r["schedule"] == name])
        for name in names
    }
    return [lead_of(name, records) for name in sorted(names, key=lambda name: -last[name])]


def measure(
    records: Sequence[Record], screened: Sequence[Record], card: Sequence[Record]
) -> Headroom:
    """Return what a curriculum can gain; neither schedule is chosen on test problems."""
    leads = leads_of(records)
    (first,) = best_of(screened, 1)
    (fastest,) = [lead for lead in leads if lead.schedule == first]
    start = float(np.mean([row["pass_at_1"] for row in card]))
    gains = [100 * (r["test"] - start) for r in records if r["schedule"] == RANDOM]
    return Headroom(leads[0], fastest, mean_interval(gains))


def verdict(found: Headroom) -> str:
    """Say in one sentence what a curriculum can gain."""
    points, factor, gain = found.best.points, found.fastest.factor, found.gain
    return (
        f"a curriculum can gain at most {points.value:.1f} points [{points.low:.1f}, "
        f"{points.high:.1f}] here, and reach the score of random arms with {factor.value:.1f} times "
        f"fewer tokens [{factor.low:.1f}, {factor.high:.1f}], as far as these schedules go (best "
        f"{found.best.schedule}, fastest {found.fastest.schedule}; random arms gain {gain.value:.1f} "
        f"[{gain.low:.1f}, {gain.high:.1f}]): "
        f"{'rules can be compared' if found.counts else 'too little to compare rules'} on this bed"
    )


def card_sheet(records: Sequence[Record], best: str, card: Sequence[Record]) -> Sheet:
    """Tabulate the target's arms: at the start, and after training in the final runs."""
    random, own = (
        np.mean([r["levels"] for r in records if r["schedule"] == name], axis=0)
        for name in (RANDOM, best)
    )
    columns = ("pass_at_1", "pass_at_32", "chance")
    rows = [
        [
            *(str(row[name]) for name in ("arm", "env", "level")),
            *(f"{row[name]:.3f}" for name in columns),
            *(f"{after[place]:.3f}" for after in (random, own)),
        ]
        for place, row in enumerate(card)
    ]
    header = ["arm", "env", "level", "pass@1", "pass@32", "chance"]
    title = "Accuracy on test problems, pass@1 after training over seeds"
    return Sheet(title, [*header, "after random arms", f"after {best}"], rows)


def lead_sheet(leads: Sequence[Lead]) -> Sheet:
    """Tabulate how far every schedule of the final runs is ahead."""
    header = ["schedule", "points ahead of random arms [95 %]", "times fewer tokens [95 %]"]
    rows = [
        [
            lead.schedule,
            f"{points.value:+.1f} [{points.low:+.1f}, {points.high:+.1f}]",
            f"{factor.value:.2f} [{factor.low:.2f}, {factor.high:.2f}]",
            str(lead.never),
        ]
        for lead in leads
        for points, factor in [(lead.points, lead.factor)]
    ]
    return Sheet("At equal generated tokens", [*header, "never"], rows)


def screening_sheet(screened: Sequence[Record]) -> Sheet:
    """Tabulate the screening, the best schedule first."""
    ranked = sorted(screened, key=lambda record: -record["looks"][-1][1])
    rows = [
        [record["schedule"], *(f"{record['looks'][place][1]:.3f}" for place in (0, -1))]
        for record in ranked
    ]
    title = "Mean accuracy on the target's validation problems in the screening"
    return Sheet(title, ["schedule", "start", "end"], rows)


def report(
    records: Sequence[Record], screened: Sequence[Record], card: Sequence[Record], title: str
) -> str:
    """Write the Markdown of a measurement.

    Args:
        records: Of the final runs.
        screened: Of the screening.
        card: What the model scores on each arm of the target at the start.
        title: The first line.
    """
    leads = leads_of(records)
    sheets = (
        lead_sheet(leads),
        card_sheet(records, leads[0].schedule, card),
        screening_sheet(screened),
    )
    lines = [f"# {title}", "", f"{verdict(measure(records, screened, card))}."]
    for sheet in sheets:
        lines += ["", f"{sheet.title}:", "", *sheet.markdown()]
    return "\n".join(lines) + "\n"
