"""What a comparison of rules at equal generated tokens says: tables of each bed, and of all beds.

- Accuracy is that of test problems at the budget, the mean over the target's arms and seeds; that of
  the worst arm is the lowest of the means over seeds. The area is that under the curve of validation
  scores over tokens, divided by the budget: the mean height.
- A lead over a baseline is the paired difference, with a nested bootstrap over seeds and problems;
  over all beds, which are not drawn, it is the mean of their leads.
- p is Student's t of paired seeds, corrected by Holm for all comparisons of the tables of beds, and
  apart from them for those of the tables over all beds.
- The chance to be ahead is the probability that a run is better than one of the baseline, of any seed.
- Tokens to the baseline's final score are as in `headroom_report`.
"""

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
    mean_interval,
)
from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.statistics import holm, improvement, interval, paired_p_value
from edgewise.benchmarks.studies.headroom_report import Lead, lead_of

Record = Mapping[str, Any]  # of a run: bed, schedule, seed, looks, correct, ...
BedStart = Mapping[str, Any]  # of a bed: arms, levels
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


def overview(records: Sequence[Record], bed: str, start: BedStart) -> Sheet:
    """Tabulate the entrants on a bed, each on its own."""
    names = dict.fromkeys(record["schedule"] for record in records)
    columns = [
        "accuracy [95 %]",
        "worst arm",
        "area",
        "steps",
        "tokens",
        "of them for scoring",
        "seconds",
    ]
    rows = [
        ["before training", *(f"{of(start['levels']):.3f}" for of in (np.mean, min)), *5 * [""]]
    ]
    for name in names:
        runs = of_entrant(records, bed, name)
        means = {key: np.mean([run[key] for run in runs]) for key in ("steps", "tokens", "seconds")}
        scored = np.mean([run["tokens"] - run["generated"] for run in runs])
        worst = np.mean([run["levels"] for run in runs], axis=0).min()
        rows.append(
            [
                name,
                str(mean_interval(accuracies(runs))),
                f"{worst:.3f}",
                f"{np.mean([area(run['looks']) for run in runs]):.3f}",
                f"{means['steps']:.1f}",
                f"{means['tokens']:,.0f}",
                f"{scored:,.0f}",
                f"{means['seconds']:.1f}",
            ]
        )
    return Sheet("Accuracy at the budget; means over seeds", ["entrant", *columns], rows)


def lead_sheet(
    found: Sequence[Comparison], corrected: Sequence[float], speeds: Sequence[Lead], baseline: str
) -> Sheet:
    """Tabulate the leads over a baseline, and how fast its final score is reached where that is known."""
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
    return Sheet(f"Ahead of {baseline}", header, rows)


def report(
    records: Sequence[Record], starts: Mapping[str, BedStart], baselines: Sequence[str]
) -> str:
    """Write the Markdown of a comparison.

    Args:
        records: Of all runs: every entrant on every bed with the same seeds.
        starts: By bed, the model before training.
        baselines: Entrants that all others are compared with.
    """
    beds = list(starts)
    names = list(dict.fromkeys(record["schedule"] for record in records))
    places = [(bed, baseline) for bed in beds for baseline in baselines]
    on_beds = {place: all_of(records, [place[0]], names, place[1]) for place in places}
    over_all = {baseline: all_of(records, beds, names, baseline) for baseline in baselines}
    of_beds, of_all = holm_of(on_beds), holm_of(over_all)
    num_seeds = len({record["seed"] for record in records})
    lines = ["# Rules at equal generated tokens", ""]
    lines += [f"{len(names)} entrants, {num_seeds} paired seeds; beds {', '.join(beds)}."]
    if len(beds) > 1:
        lines += ["", "## All beds"]
        for name in baselines:
            lines += section(lead_sheet(over_all[name], of_all[name], [], name))
    for bed in beds:
        lines += ["", f"## {bed}", *section(overview(records, bed, starts[bed]))]
        own = [record for record in records if record["bed"] == bed]
        for name in baselines:
            found = on_beds[bed, name]
            speeds = [lead_of(each.entrant, own, name) for each in found]
            lines += section(lead_sheet(found, of_beds[bed, name], speeds, name))
    return "\n".join(lines) + "\n"


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


def section(sheet: Sheet) -> list[str]:
    """Return the lines of a table with its title."""
    return ["", f"{sheet.title}:", "", *sheet.markdown()]
