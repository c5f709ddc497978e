r"""Answer equivalence: how often it is right, and how many answers a second it judges.

    python -m edgewise.benchmarks.equivalence --data ../shared/data

Right: the labelled pairs in `answer_equivalence`, of which two annotators agree, beside Math-Verify's
own verdict on them. Speed: the gold answers of `--problems` test problems of each level of MATH, each
against itself in another spelling (`\dfrac`, `\left(`, spaces) and against the answer of the next
problem; no pair twice, so that no cache helps.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import tyro

import edgewise
from edgewise.equivalence import compare, equivalent_many, shared_pool
from edgewise.files import read_jsonl

PAIRS = Path("answer_equivalence") / "labelled_pairs_half.jsonl.gz"
AGREED = ("agree", "label_right")  # the reviews of pairs whose label is certain
RESPELLED = {r"\frac": r"\dfrac", "(": r"\left( ", ")": r" \right)", "+": " + ", ",": ", "}


@dataclass(frozen=True)
class EquivalenceCommand:
    """Measure answer equivalence."""

    data: Path
    """Folder of the labelled pairs and of MATH."""
    problems: int = 400
    """Problems of each level of MATH."""


def labelled_pairs(data: Path) -> list[dict[str, Any]]:
    """Return the pairs whose label is certain."""
    rows = read_jsonl(data / PAIRS, ("review",), growing=False)
    return [row for row in rows if row["review"] in AGREED]


def accuracy_lines(data: Path) -> list[str]:
    """Return how many labelled pairs are judged right, and every one that is not."""
    rows = labelled_pairs(data)
    found = equivalent_many([row["gold"] for row in rows], [row["pred"] for row in rows])
    wrong = [row for row, verdict in zip(rows, found, strict=True) if verdict != row["label"]]
    alone = sum(row["math_verify_0_9"] == row["label"] for row in rows)
    lost = sum(row["math_verify_0_9"] == row["label"] for row in wrong)
    right = len(rows) - len(wrong)
    return [
        f"labelled pairs   {right} of {len(rows)} right, {right / len(rows):.1%}",
        f"Math-Verify      {alone} of {len(rows)} right, {alone / len(rows):.1%}",
        f"right there only {lost}",
        *(f"wrong            {row['id']}: {row['gold']!r}, {row['pred']!r}" for row in wrong),
    ]


def ordinary_pairs(data: Path, size: int) -> list[tuple[str, str]]:
    """Return gold answers of MATH, each with an equal answer and with another problem's."""
    env: Any = gym.make("MATH-v0", split="test", data=str(data)).unwrapped
    golds = [
        env.task.solve(env.pose(problem)[0])
        for level in env.preset.levels
        for problem in edgewise.evaluation_set(env, level, size)
    ]
    return [
        pair
        for gold, other in zip(golds, golds[1:] + golds[:1], strict=True)
        for pair in ((gold, respelled(gold)), (gold, other))
    ]


def respelled(answer: str) -> str:
    """Return an answer as another hand would write it."""
    for old, new in RESPELLED.items():
        answer = answer.replace(old, new)
    return answer


def speed_lines(data: Path, size: int) -> list[str]:
    """Return answers per second of the clock."""
    pairs = list(dict.fromkeys(ordinary_pairs(data, size)))
    golds, answers = [list(side) for side in zip(*pairs, strict=True)]
    equivalent_many(["x^2+x"], ["x(x+1)"])  # starts the workers
    doubtful = sum(compare(gold, answer) is None for gold, answer in pairs)
    start = time.perf_counter()
    verdicts = equivalent_many(golds, answers)
    seconds = time.perf_counter() - start
    return [
        f"ordinary answers {len(pairs)}, of which {verdicts.count(True)} equal, "
        f"{doubtful} judged by a worker",
        f"speed            {len(pairs) / seconds:,.0f} answers per second of the clock, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
    ]


def main() -> None:
    """Print what was measured."""
    command = tyro.cli(EquivalenceCommand)
    try:
        for line in accuracy_lines(command.data) + speed_lines(command.data, command.problems):
            print(line, flush=True)
    finally:
        shared_pool().close()


if __name__ == "__main__":
    main()
