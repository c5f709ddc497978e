"""Two training runs beside each other: what differs in their settings, what they cost, how they score.

Where both recorded the score of each problem of the test, levels are compared by the problems that they
share, as `edgewise.benchmarks.evaluation.paired` compares evaluations: a bootstrap over problems, and a
permutation test that flips signs. Runs of before that are compared by the intervals of their levels, as
differences of independent proportions (Newcombe, 1998, method 10), wider than pairs allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.agents.statistics import (
    NUM_DRAWS,
    Estimate,
    Stratum,
    paired_difference,
    sign_flip_test,
    weighted_mean,
)
from edgewise.agents.training import samples, trouble, validation
from edgewise.agents.training.figures import draw_pair
from edgewise.agents.training.report import DISTANCE, OOD, budget
from edgewise.agents.training.run_reading import read_config, read_looks, read_metrics
from edgewise.agents.training.scores import read_scores
from edgewise.agents.training.sheet import Sheet, escape
from edgewise.folder import Folder

Row = Mapping[str, Any]
OWN = (
    "output",
    "resume",
    "recipe",
    "chat_date",
    "track",
    "keep_samples",
    "threads",
    "hyperparameters",
    "trl",
)
NOTE = (
    "Each is one run of one seed: intervals are over test problems, and another seed of the same "
    "settings gives other scores; `edgewise compare` repeats runs over seeds."
)
PAIRED = (
    f"Paired by problem: bootstrap over problems within levels, and a permutation test of {NUM_DRAWS:,} draws "
    "each; p is not corrected for the number of rows."
)
APART = (
    "Not paired, since a run has no scores of single problems, or they share none: differences of independent "
    "proportions, Newcombe's method 10."
)


@dataclass(frozen=True)
class Side:
    """One of the two runs."""

    name: str
    config: Row
    metrics: Sequence[Row]
    looks: Sequence[Row]
    after: Row | None  # scores at its end, None where it was not evaluated
    signs: Sequence[str]

    @classmethod
    def read(cls, folder: Folder) -> Side:
        """Read what a run has so far.

        Raises:
            FileError: If one of its files is damaged.
        """
        metrics, config = read_metrics(folder), read_config(folder)
        return cls(
            folder.path.name or str(folder.path.resolve().name),
            config,
            metrics,
            read_looks(folder),
            read_scores(folder, "after.json"),
            trouble.signs(metrics, list(samples.read(folder))),
        )


@dataclass(frozen=True)
class Change:
    """What the second run scores beyond the first, in pass@1."""

    levels: str
    num_problems: int | None  # that are shared; None where nothing is paired
    first: float
    second: float
    change: Estimate
    p_value: float | None


def compare_runs(first: Folder, second: Folder, seed: int = 0, picture: Path | None = None) -> str:
    """Return the comparison of two training runs, in Markdown.

    Args:
        first: A run of `train`, `trl` or `verl`, which may be going on.
        second: Another.
        seed: Of the draws of bootstraps and tests.
        picture: PNG file for the arms of both over steps; by default none is drawn.

    Raises:
        FileError: If a file of one is damaged.
        OSError: If the picture cannot be written.
    """
    one, two = Side.read(first), Side.read(second)
    if one.name == two.name:
        one, two = renamed(one, first), renamed(two, second)
    has_arms = all(side.metrics and side.config.get("arms") for side in (one, two))
    drawn = picture if has_arms else None
    if drawn is not None:
        draw_pair([(side.name, side.config["arms"], side.metrics) for side in (one, two)], drawn)
    names = [one.name, two.name]
    lines = [
        f"# {escape(one.name)} and {escape(two.name)}",
        "",
        *([f"![arms of both runs]({drawn.name})", ""] if drawn else []),
        "Settings that differ:",
        "",
        *differing(one, two),
        "",
        *Sheet("", ["", *names], spent(one, two)).markdown(),
        "",
        *scores(one, two, seed),
        *(line for side in (one, two) for line in warned(side)),
    ]
    return "\n".join(lines)


def renamed(side: Side, folder: Folder) -> Side:
    """Return a side that is called after its path."""
    return Side(str(folder.path), *(getattr(side, name) for name in Side.__match_args__[1:]))


def differing(one: Side, two: Side) -> list[str]:
    """Return a table of the fields of the configs that differ, a line if none does."""
    rows = []
    for name in dict.fromkeys([*one.config, *two.config]):
        values = [side.config.get(name) for side in (one, two)]
        if name not in OWN and values[0] != values[1]:
            rows.append([name, *map(str, values)])
    return Sheet("", ["setting", one.name, two.name], rows).markdown() if rows else ["None."]


def spent(one: Side, two: Side) -> list[list[str]]:
    """Return rows on what each run has done so far, and its best validation."""
    rows: list[list[str]] = [["steps done"], ["completions"], ["tokens"], ["seconds of training"]]
    for side in (one, two):
        completions, tokens, seconds = budget(side.config, side.metrics)
        rows[0].append(f"{len(side.metrics)} of {side.config.get('num_steps')}")
        for row, value in zip(rows[1:], (completions, tokens, seconds), strict=True):
            row.append(f"{value:,.0f}")
    reward, distance, best = ["reward lately"], ["arms from uniform"], ["best validation"]
    for side in (one, two):
        lately = side.metrics[-max(1, len(side.metrics) // 4) :]
        reward.append(mean_of(lately, "reward"))
        distance.append(mean_of(side.metrics, DISTANCE))
        look = validation.best_of(side.looks)
        best.append(
            "" if look is None else f"{validation.score_of(look):.3f} at step {look['step']}"
        )
    return [row for row in [*rows, reward, distance, best] if any(row[1:])]


def mean_of(rows: Sequence[Row], name: str) -> str:
    """Return the mean of a metric as text, "" if it is not known."""
    value = trouble.mean(rows, name)
    return "" if value is None else f"{value:.3f}"


def scores(one: Side, two: Side, seed: int) -> list[str]:
    """Return the table of test scores at the end of both, or why there is none."""
    lacking = [side.name for side in (one, two) if side.after is None]
    if one.after is None or two.after is None:
        return [
            f"No scores to compare: {escape(' and '.join(lacking))} not evaluated at the end.",
            "",
        ]
    changes = compare_scores(one.after, two.after, seed)
    if not changes:
        return ["No scores to compare: the runs share no level.", ""]
    rows = [
        [
            change.levels,
            "" if change.num_problems is None else str(change.num_problems),
            f"{change.first:.3f}",
            f"{change.second:.3f}",
            change.change.signed,
            "" if change.p_value is None else f"{change.p_value:.4f}",
        ]
        for change in changes
    ]
    header = ["level", "problems", one.name, two.name, "difference [95 %]", "p"]
    note = PAIRED if all(change.p_value is not None for change in changes) else APART
    ood = OOD if any("OOD" in change.levels for change in changes) else ""
    return [
        "pass@1 on test problems after training:",
        "",
        *Sheet("", header, rows).markdown(),
        "",
        f"{note} {NOTE}{ood}",
        "",
    ]


def compare_scores(one: Row, two: Row, seed: int = 0) -> list[Change]:
    """Compare the scores of two runs on each level that both have, and on the means of these.

    Args:
        one: Of the first run, as after.json has them.
        two: Of the second.
        seed: Of the draws.
    """
    others = {(row["env"], row["level"]): row for row in two["levels"]}
    pairs = [
        (row, others[row["env"], row["level"]])
        for row in one["levels"]
        if (row["env"], row["level"]) in others
    ]
    rng = np.random.default_rng(seed)
    shared = [sorted(set(a.get("problems", {})) & set(b.get("problems", {}))) for a, b in pairs]
    in_pairs = bool(pairs) and all(shared)
    groups = [
        (f"{a['env']} {a['level']}{' OOD' if a['ood'] else ''}", [i])
        for i, (a, _) in enumerate(pairs)
    ]
    for name, ood in (("mean of training levels", False), ("mean of OOD levels", True)):
        chosen = [i for i, (a, _) in enumerate(pairs) if a["ood"] == ood]
        if len(chosen) > 1:
            groups.append((name, chosen))
    if in_pairs:
        return [
            paired(name, [pairs[i] for i in at], [shared[i] for i in at], rng)
            for name, at in groups
        ]
    return [apart(name, [pairs[i] for i in at]) for name, at in groups]


def paired(
    name: str,
    pairs: Sequence[tuple[Row, Row]],
    shared: Sequence[Sequence[str]],
    rng: np.random.Generator,
) -> Change:
    """Compare levels, each with the same weight, by the problems that both runs were asked."""
    sides = [
        [
            Stratum(np.array([pair[side]["problems"][key] for key in keys]), 1 / len(pairs))
            for pair, keys in zip(pairs, shared, strict=True)
        ]
        for side in (0, 1)
    ]
    changes = [
        Stratum(b.rates - a.rates, a.weight) for a, b in zip(sides[0], sides[1], strict=True)
    ]
    first, second = map(weighted_mean, sides)
    return Change(
        name,
        sum(map(len, shared)),
        first,
        second,
        paired_difference(changes, rng),
        sign_flip_test(changes, rng),
    )


def apart(name: str, pairs: Sequence[tuple[Row, Row]]) -> Change:
    """Compare the mean of levels, each with the same weight, by the intervals of both runs.

    The lower limit lies sqrt(sum of w^2 ((p2 - l2)^2 + (u1 - p1)^2)) below the difference, and the upper
    one likewise above it.
    """
    weight = 1 / len(pairs)
    first, second = (weight * sum(pair[side]["pass_at_1"] for pair in pairs) for side in (0, 1))
    down = up = 0.0
    for a, b in pairs:
        down += (b["pass_at_1"] - b["low"]) ** 2 + (a["high"] - a["pass_at_1"]) ** 2
        up += (b["high"] - b["pass_at_1"]) ** 2 + (a["pass_at_1"] - a["low"]) ** 2
    change = second - first
    estimate = Estimate(change, change - weight * down**0.5, change + weight * up**0.5)
    return Change(name, None, first, second, estimate, None)


def warned(side: Side) -> list[str]:
    """Return the signs of trouble of a run, nothing without one."""
    if not side.signs:
        return []
    return [
        f"Signs of trouble in {escape(side.name)}:",
        "",
        *(f"- {escape(sign)}" for sign in side.signs),
        "",
    ]
