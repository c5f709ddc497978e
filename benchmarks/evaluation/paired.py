"""Two evaluations of the same problems: is one agent better, problem by problem?

A problem is the unit: its difference is that of the mean successes over its completions. The interval is
a bootstrap that draws problems, with all their completions, within each level; the p-value is of a
permutation test that flips the signs of the differences, exact but for the draws if the two agents are
alike and were asked equally often; with other numbers of samples it is so for many problems alone.
Neither is corrected for the number of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.agents.statistics import (
    NUM_DRAWS,
    Estimate,
    Floats,
    Stratum,
    paired_difference,
    sign_flip_test,
    weighted_mean,
)
from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.evaluation.answers import EvaluationFolder
from edgewise.benchmarks.evaluation.summary import Level, read_levels
from edgewise.names import read_name

Key = tuple[str, int, int]  # part, level, problem seed


@dataclass(frozen=True)
class Difference:
    """What the second agent scores beyond the first, in pass@1."""

    part: str
    levels: str
    num_problems: int
    first: float
    second: float
    change: Estimate
    p_value: float


@dataclass(frozen=True)
class Pairs:
    """The success of both agents on the problems of one level, (N,) each."""

    part: str
    level: int
    ood: bool
    first: Floats
    second: Floats


def compare(
    first: EvaluationFolder, second: EvaluationFolder, seed: int = 0, num_draws: int = NUM_DRAWS
) -> list[Difference]:
    """Compute the differences of every level, every part and all parts, training and OOD apart.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from edgewise.benchmarks.evaluation import SUITES, ScriptAgent, checksum, evaluate, open_part
        >>> from edgewise.benchmarks.evaluation.agent import constant, oracle
        >>> questions = open_part(SUITES["sec"][0], num_problems=3).questions
        >>> with TemporaryDirectory() as path:
        ...     folders = []
        ...     for script in (constant("no number"), oracle):
        ...         config = {"asked": {"checksum": checksum(questions)}}
        ...         folders.append(EvaluationFolder.begin(Path(path) / str(len(folders)), config))
        ...         done = evaluate(folders[-1], questions, ScriptAgent(script))
        ...     first = compare(*folders)[0]
        >>> first.levels, first.num_problems, first.change.signed
        ('1 ID', 3, '+1.000 [+1.000, +1.000]')

    Args:
        first: An evaluation.
        second: Another, of which some problems are the same.
        seed: Of the draws.
        num_draws: Of the bootstrap, and of the permutation test.

    Raises:
        ValueError: If no problem is the same.
    """
    levels = paired(first, second)
    rng = np.random.default_rng(seed)
    rows = [
        difference(rng, [one], f"{one.level} {kind(one.ood)}", num_draws, one.part)
        for one in levels
    ]
    for ood in (False, True):
        chosen = [one for one in levels if one.ood == ood]
        parts = list(dict.fromkeys(one.part for one in chosen))
        for part in parts:
            of_part = [one for one in chosen if one.part == part]
            rows.append(difference(rng, of_part, kind(ood), num_draws, part))
        if len(parts) > 1:
            rows.append(difference(rng, chosen, kind(ood), num_draws, "all parts"))
    return rows


def kind(ood: bool) -> str:
    """Name the kind of a level: in or out of distribution."""
    return "OOD" if ood else "ID"


def paired(first: EvaluationFolder, second: EvaluationFolder) -> list[Pairs]:
    """Return both agents' success on the problems that both have answered in full, by level."""
    found = [successes(folder, read_levels(folder)) for folder in (first, second)]
    pairs = []
    for level in read_levels(first):
        keys = [key for key in found[0] if key[:2] == (level.part, level.level)]
        shared = [key for key in keys if key in found[1] and found[0][key][0] == found[1][key][0]]
        if shared:
            one, two = (np.array([one[key][1] for key in shared]) for one in found)
            pairs.append(Pairs(level.part, level.level, level.ood, one, two))
    if not pairs:
        raise ValueError(
            f"`folders` must be of evaluations that share problems, got {first.path} and "
            f"{second.path}, which share none that both have answered"
        )
    return pairs


def successes(
    folder: EvaluationFolder, levels: Sequence[Level]
) -> Mapping[Key, tuple[tuple[str, str], float]]:
    """Return the content of each problem that is answered in full, and its mean success."""
    contents = {
        (row["part"], row["level"], row["problem_seed"]): (
            read_name(row["name"]).key,
            row["prompt"],
        )
        for row in folder.problems()
    }
    found = {}
    for level in levels:
        for answers in level.answers:
            key = level.part, level.level, answers[0]["problem_seed"]
            found[key] = contents[key], float(np.mean([one["correct"] for one in answers]))
    return found


def difference(
    rng: np.random.Generator, levels: Sequence[Pairs], name: str, num_draws: int, part: str
) -> Difference:
    """Return the difference over some levels: all problems of a part, or all parts alike."""
    sizes = {one.part: 0 for one in levels}
    for one in levels:
        sizes[one.part] += len(one.first)
    weights = [len(one.first) / sizes[one.part] / len(sizes) for one in levels]
    first, second, change = (
        [Stratum(values, weight) for values, weight in zip(side, weights, strict=True)]
        for side in (
            [one.first for one in levels],
            [one.second for one in levels],
            [one.second - one.first for one in levels],
        )
    )
    return Difference(
        part=part,
        levels=name,
        num_problems=sum(sizes.values()),
        first=weighted_mean(first),
        second=weighted_mean(second),
        change=paired_difference(change, rng, num_draws),
        p_value=sign_flip_test(change, rng, num_draws),
    )


def markdown(rows: Sequence[Difference], first: str, second: str) -> str:
    """Format the differences as a table."""
    header = ["part", "level", "problems", first, second, "difference [95 %]", "p"]
    cells = [
        [
            row.part,
            row.levels,
            str(row.num_problems),
            f"{row.first:.3f}",
            f"{row.second:.3f}",
            row.change.signed,
            f"{row.p_value:.4f}",
        ]
        for row in rows
    ]
    note = (
        "pass@1, paired by problem: bootstrap over problems within levels, and a permutation test of "
        f"{NUM_DRAWS:,} draws each; p is not corrected for the number of rows."
    )
    return "\n".join([*Sheet("", header, cells).markdown(), "", note, ""])
