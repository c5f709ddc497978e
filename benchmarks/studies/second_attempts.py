"""Is a second attempt after feedback better than a second sample without? Paired by problem.

    edgewise eval --env Countdown-v0 --attempts 2 --explain --samples 8 ... --output FOLDER
    python -m edgewise.benchmarks.studies.second_attempts FOLDER

Every episode begins with a first attempt, which is an independent sample. Each episode whose first attempt is
wrong has a second, which is compared with another sample without feedback: the mean of the first attempts of the
other episodes of its problem. Both are averaged over the episodes that began wrong, so a problem counts as
often as its first attempts are wrong; a mean of the shares of each problem would favor the samples, because
k of n episodes are right at first, and k / (n - 1) of the others. The interval is that of a ratio of sums
over problems (Cochran, 1977, "Sampling Techniques", section 6.4), with Student's t.

Guesses of an environment with turns of its own, such as Guess-v0, are compared in the same way: the second
guess with a first one. Seconds are those of the second turn; later turns count as wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
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


def compare(answers: Iterable[Mapping[str, Any]]) -> Compared:
    """Compare second attempts with second samples.

    Args:
        answers: Rows of answers.jsonl.

    Raises:
        ValueError: If no problem has two episodes of which one begins wrong.
    """
    episodes: dict[tuple[Any, ...], list[tuple[bool, bool]]] = {}
    for row in answers:
        if row["correct"] is None:
            continue
        num_turns = len(row.get("turns", [""]))
        place = (row["part"], row["level"], row["problem_seed"])
        right = (row["correct"] and num_turns == 1, row["correct"] and num_turns == 2)
        episodes.setdefault(place, []).append(right)
    counts = np.array(
        [
            (len(played), *np.sum(played, axis=0, dtype=float))
            for played in episodes.values()
            if len(played) > 1
        ]
    ).reshape(-1, 3)
    num_episodes, num_first, num_second = counts.T  # of each problem
    num_wrong = num_episodes - num_first
    if not num_wrong.any():
        raise ValueError("`answers` must have problems with a wrong first attempt, got none")
    samples = num_wrong * num_first / (num_episodes - 1)
    return Compared(
        float(num_second.sum() / num_wrong.sum()),
        float(samples.sum() / num_wrong.sum()),
        ratio_interval(num_second - samples, num_wrong),
        len(counts),
        int(num_wrong.sum()),
    )


def ratio_interval(sums: NDArray[Any], weights: NDArray[Any]) -> Estimate:
    """Estimate the sum of `sums` by that of `weights`, both of (N,) problems, with its 95 % interval."""
    ratio = sums.sum() / weights.sum()
    return mean_interval(ratio + (sums - ratio * weights) / weights.mean())


def main(folders: list[str]) -> None:
    """Print the comparison of each folder, of all its levels and of each."""
    for folder in folders:
        lines = (Path(folder) / "answers.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [parse_json(line, "answers.jsonl") for line in lines]
        print(f"{folder}: {compare(rows)}")
        levels = sorted({row["level"] for row in rows})
        for level in levels if len(levels) > 1 else ():
            print(f"  level {level}: {compare(row for row in rows if row['level'] == level)}")


if __name__ == "__main__":
    main(sys.argv[1:])
