"""Is a second attempt after feedback better than a second sample without? Paired by problem.

    edgewise eval --env Countdown-v0 --attempts 2 --explain --samples 8 ... --output FOLDER
    python -m edgewise.benchmarks.studies.second_attempts FOLDER

Every episode begins with a first attempt, which is an independent sample. Of the episodes of a problem
whose first attempt is wrong, the share whose second is right is compared with the share of right first
attempts among the other episodes of the problem: what another sample would have been. Problems without a
wrong first attempt say nothing, and are left out. The interval is Student's t of the mean over problems.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgewise.agents.statistics import Estimate, mean_interval
from edgewise.json_text import parse_json


class Compared(NamedTuple):
    """The shares of right seconds, and their paired difference."""

    after_feedback: float
    samples: float
    difference: Estimate
    num_problems: int  # with a wrong first attempt, and another episode


def compare(answers: Iterable[Mapping[str, Any]]) -> Compared:
    """Compare second attempts with second samples.

    Args:
        answers: Rows of answers.jsonl, of episodes of at most two attempts.

    Raises:
        ValueError: If no problem has two episodes of which one begins wrong.
    """
    episodes: dict[tuple[Any, ...], list[tuple[bool, bool]]] = {}
    for row in answers:
        if row["correct"] is None:
            continue
        is_first = row["correct"] and len(row.get("turns", [""])) == 1
        place = (row["part"], row["level"], row["problem_seed"])
        episodes.setdefault(place, []).append((is_first, row["correct"]))
    after, fresh = [], []
    for played in episodes.values():
        wrong = [right for is_first, right in played if not is_first]
        if not wrong or len(played) < 2:
            continue
        num_first = len(played) - len(wrong)
        after.append(float(np.mean(wrong)))
        fresh.append(num_first / (len(played) - 1))  # of the others, for each that began wrong
    if not after:
        raise ValueError("`answers` must have problems with a wrong first attempt, got none")
    found = mean_interval(np.subtract(after, fresh))
    return Compared(float(np.mean(after)), float(np.mean(fresh)), found, len(after))


def main(folders: list[str]) -> None:
    """Print the comparison of each folder."""
    for folder in folders:
        lines = (Path(folder) / "answers.jsonl").read_text(encoding="utf-8").splitlines()
        found = compare(parse_json(line, "answers.jsonl") for line in lines)
        print(
            f"{folder}: {found.num_problems} problems, second attempts after feedback {found.after_feedback:.3f}, "
            f"second samples {found.samples:.3f}, difference {found.difference}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
