"""The tables of a comparison of rules on one bed: of entrants, of leads, of completions, of pass@k."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.agents.statistics import Estimate, mean_interval
from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.studies.headroom_report import Lead, lead_of
from edgewise.benchmarks.studies.statistics import (
    Comparison,
    Record,
    accuracies,
    area,
    by_entrant,
    of_entrant,
)

BedStart = Mapping[str, Any]  # of a bed: arms, levels


def overview(records: Sequence[Record], bed: str, start: BedStart) -> Sheet:
    """Tabulate the entrants on a bed, each on its own."""
    names = dict.fromkeys(record["schedule"] for record in records if record["bed"] == bed)
    columns = [
        "accuracy [95 %]",
        "worst arm",
        "area",
        "steps",
        "completions",
        "tokens",
        "of them for scoring",
        "seconds",
    ]
    rows = [
        ["before training", *(f"{of(start['levels']):.3f}" for of in (np.mean, min)), *6 * [""]]
    ]
    for name in names:
        runs = of_entrant(records, bed, name)
        keys = ("steps", "rollouts", "tokens", "seconds")
        means = {key: np.mean([run[key] for run in runs]) for key in keys}
        scored = np.mean([run["tokens"] - run["generated"] for run in runs])
        worst = np.mean([run["levels"] for run in runs], axis=0).min()
        rows.append(
            [
                name,
                str(mean_interval(accuracies(runs))),
                f"{worst:.3f}",
                f"{np.mean([area(run['looks']) for run in runs]):.3f}",
                f"{means['steps']:.1f}",
                f"{means['rollouts']:,.0f}",
                f"{means['tokens']:,.0f}",
                f"{scored:,.0f}",
                f"{means['seconds']:.1f}",
            ]
        )
    return Sheet("Accuracy at the budget; means over seeds", ["entrant", *columns], rows)


def lead_sheet(
    found: Sequence[Comparison], corrected: Sequence[float], speeds: Sequence[Lead], baseline: str
) -> Sheet:
    """Tabulate the leads over a baseline on one bed, and how fast its final score is reached.

    Over several beds there are no speeds, but intervals that draw the beds too, and how many beds have
    the entrant.
    """
    header = ["entrant", "points [95 %]", "p", "p (Holm)", "chance to be ahead [95 %]"]
    rows = [
        [
            each.entrant,
            each.lead.points,
            f"{each.p_value:.4f}",
            f"{p_value:.4f}",
            str(each.ahead),
        ]
        for each, p_value in zip(found, corrected, strict=True)
    ]
    if speeds:
        header += ["times fewer tokens [95 %]", "never"]
        for row, lead in zip(rows, speeds, strict=True):
            factor = lead.factor
            row += [f"{factor.value:.2f} [{factor.low:.2f}, {factor.high:.2f}]", str(lead.never)]
    else:
        header += ["points, beds drawn [95 %]", "beds"]
        for row, each in zip(rows, found, strict=True):
            row += [each.drawn.points, str(len(each.beds))]
    return Sheet(f"Ahead of {baseline}", header, rows)


def at_completions(record: Record, completions: float) -> float:
    """Return the validation accuracy when a run has made so many, on a line between two looks.

    >>> at_completions({"made": [0, 40], "looks": [(0, 0.2), (900, 0.6)]}, 10)
    0.3
    """
    scores = [score for _, score in record["looks"]]
    return float(np.interp(completions, record["made"], scores))


def completion_sheet(records: Sequence[Record], baselines: Sequence[str]) -> Sheet:
    """Tabulate what the entrants on a bed score on validation problems at equal completions."""
    completions = min(record["made"][-1] for record in records)
    found = {
        name: np.array([at_completions(run, completions) for run in runs])
        for name, runs in by_entrant(records).items()
    }
    rows = [
        [
            name,
            str(mean_interval(own)),
            *(
                "" if name == other else points(mean_interval(100 * (own - found[other])))
                for other in baselines
            ),
        ]
        for name, own in found.items()
    ]
    title = f"Accuracy on validation problems at {completions:,.0f} completions"
    header = [f"points ahead of {name} [95 %]" for name in baselines]
    return Sheet(title, ["entrant", "accuracy [95 %]", *header], rows)


def pass_sheet(records: Sequence[Record], start: BedStart) -> Sheet:
    """Tabulate pass@k before training and of the last models of those entrants that have it."""
    found = {
        name: [run["pass_at"] for run in runs if "pass_at" in run]
        for name, runs in by_entrant(records).items()
    }
    named = {name: own for name, own in found.items() if own}
    sizes = list(start["pass_at"])
    rows = [["before training", *(f"{np.mean(start['pass_at'][k]):.3f}" for k in sizes)]]
    for name, own in named.items():
        rows.append([name, *(str(mean_interval([np.mean(run[k]) for run in own])) for k in sizes)])
    title = "pass@k of the last models on the first test problems of each arm [95 %]"
    return Sheet(title, ["entrant", *(f"pass@{k}" for k in sizes)], rows)


def points(found: Estimate) -> str:
    """Write points with their interval.

    >>> points(Estimate(1.0, -0.5, 2.5))
    '+1.0 [-0.5, +2.5]'
    """
    return f"{found.value:+.1f} [{found.low:+.1f}, {found.high:+.1f}]"


def table(records: Sequence[Record]) -> str:
    """Return CSV with a row for each run and arm of the target, counted from 0."""
    text = io.StringIO()
    columns = ("bed", "schedule", "seed", "learning_rate", "steps", "rollouts", "tokens")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, "arm", "accuracy"])
    for record in records:
        own = [record[column] for column in columns]
        writer.writerows([*own, arm, f"{level:.5g}"] for arm, level in enumerate(record["levels"]))
    return text.getvalue()


def summary(records: Sequence[Record], starts: Mapping[str, BedStart], baseline: str) -> list[str]:
    """Say in a line for each entrant on each bed what it learned, and how a baseline compares."""
    lines = []
    for bed, start in starts.items():
        own = [record for record in records if record["bed"] == bed]
        for name, runs in by_entrant(own).items():
            before, after = np.mean(start["levels"]), np.mean(accuracies(runs))
            said = f"{bed}: {name} solves {before:.1%} before and {after:.1%} after "
            said += f"{runs[0]['budget']:,} tokens"
            lines.append(said if name == baseline else f"{said}; {against(name, own, baseline)}")
    return lines


def against(name: str, records: Sequence[Record], baseline: str) -> str:
    """Say how far an entrant is ahead of a baseline on one bed."""
    lead = lead_of(name, records, baseline)
    points = lead.points.value
    said = f"{abs(points):.1f} points {'ahead of' if points >= 0 else 'behind'} {baseline}"
    share = f"{1 / lead.factor.value:.0%} of its tokens"
    reached = f"reaches its final score with {share}"
    return (
        f"{said}, {reached}" if not lead.never else f"{said}, does not always reach its final score"
    )
