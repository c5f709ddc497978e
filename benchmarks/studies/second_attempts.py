"""Is a second attempt after feedback better than a second sample without? Paired by problem.

    edgewise eval --env Countdown-v0 --attempts 2 --explain --samples 8 ... --output FOLDER
    python -m edgewise.benchmarks.studies.second_attempts FOLDER
    python -m edgewise.benchmarks.studies.second_attempts FOLDER --against OTHER

Every episode begins with a first attempt, which is an independent sample. Each episode whose first attempt is
wrong has a second, which is compared with another sample without feedback: the mean of the first attempts of the
other episodes of its problem. Both are averaged over the episodes that began wrong, so a problem counts as
often as its first attempts are wrong; a mean of the shares of each problem would favor the samples, because
k of n episodes are right at first, and k / (n - 1) of the others. The interval is that of a ratio of sums
over problems (Cochran, 1977, "Sampling Techniques", section 6.4), with Student's t.

With `--against` the samples are the first attempts at the same problems of another evaluation, such as that of
the model before it was trained on second attempts, which may have cost it first ones.

Guesses of an environment with turns of its own, such as Guess-v0, are compared in the same way: the second
guess with a first one. Seconds are those of the second turn; later turns count as wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tyro
from numpy.typing import NDArray

from edgewise.agents.statistics import Estimate, mean_interval
from edgewise.json_text import parse_json


class Compared(NamedTuple):
    """The shares of right seconds, and their paired difference."""

    after_feedback: float
    samples: float
    difference: Estimate
    num_problems: int  # with another episode
    num_wrong: int  # first attempts

    def __str__(self) -> str:
        """State them in a line."""
        return (
            f"{self.num_problems} problems, {self.num_wrong} wrong first attempts, second attempts after "
            f"feedback {self.after_feedback:.3f}, second samples {self.samples:.3f}, difference {self.difference.signed}"
        )


Rows = Iterable[Mapping[str, Any]]  # of answers.jsonl
Counts = Mapping[tuple[int, int], tuple[int, int, int]]  # by level and seed of the problem


def counted(answers: Rows) -> Counts:
    """Count the verified episodes of each problem, those right at first, and those right at second."""
    found: dict[tuple[int, int], tuple[int, int, int]] = {}
    for row in answers:
        if row["correct"] is None:
            continue
        num_turns, place = len(row.get("turns", [""])), (row["level"], row["problem_seed"])
        episodes, first, second = found.get(place, (0, 0, 0))
        first += row["correct"] and num_turns == 1
        second += row["correct"] and num_turns == 2
        found[place] = (episodes + 1, first, second)
    return found


def compare(answers: Rows, against: Rows | None = None) -> Compared:
    """Compare second attempts with second samples.

    Args:
        answers: Of the episodes of one environment.
        against: Of other episodes of its problems, whose first attempts are the samples; by default the
            other episodes of `answers`.

    Raises:
        ValueError: If no problem with a wrong first attempt has another sample.
    """
    played, others = counted(answers), None if against is None else counted(against)
    rows = []
    for place, (episodes, first, second) in played.items():
        made, right = (episodes - 1, first) if others is None else others.get(place, (0, 0, 0))[:2]
        if made:
            rows.append((episodes - first, second, (episodes - first) * right / made))
    num_wrong, num_second, samples = np.array(rows, dtype=float).reshape(-1, 3).T
    if not num_wrong.any():
        raise ValueError("`answers` must have problems with a wrong first attempt, got none")
    return Compared(
        float(num_second.sum() / num_wrong.sum()),
        float(samples.sum() / num_wrong.sum()),
        ratio_interval(num_second - samples, num_wrong),
        len(rows),
        int(num_wrong.sum()),
    )


def ratio_interval(sums: NDArray[Any], weights: NDArray[Any]) -> Estimate:
    """Estimate the sum of `sums` by that of `weights`, both of (N,) problems, with its 95 % interval."""
    ratio = sums.sum() / weights.sum()
    return mean_interval(ratio + (sums - ratio * weights) / weights.mean())


@dataclass(frozen=True)
class Study:
    """Evaluations whose second attempts are compared."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of evaluations."""
    against: Path | None = None
    """Folder of another evaluation of the same problems, whose first attempts are the samples."""


def main(study: Study) -> None:
    """Print the comparison of each folder, of all its levels and of each."""
    others = None if study.against is None else read(study.against)
    for folder in study.folders:
        rows = read(folder)
        print(f"{folder}: {compare(rows, others)}")
        levels = sorted({row["level"] for row in rows})
        for level in levels if len(levels) > 1 else ():
            own = (row for row in rows if row["level"] == level)
            print(f"  level {level}: {compare(own, others)}")


def read(folder: Path) -> list[Mapping[str, Any]]:
    """Read the answers in a folder."""
    lines = (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    return [parse_json(line, "answers.jsonl") for line in lines]


if __name__ == "__main__":
    main(tyro.cli(Study))
