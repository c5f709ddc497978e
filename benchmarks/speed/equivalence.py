r"""Grading of answers: how often it is right, what it reads, and how many answers a second it judges.

    python -m edgewise.benchmarks.speed.equivalence --data ../shared/data

Right: the labelled pairs in `answer_equivalence`, of which two annotators agree, beside Math-Verify's
verdict on them. Golds: the share of gold answers of each data set that have a reading, and a list of
the others, which are graded as texts. Speed: the gold answers of `--problems` test problems of each
level of MATH, each against itself in another spelling (`\dfrac`, `\left(`, spaces) and against the
answer of the next problem; no pair twice, so that no cache helps; Math-Verify in the same run.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import gymnasium as gym
import tyro

import edgewise
from edgewise.env import unwrap
from edgewise.files import read_jsonl
from edgewise.grading import equivalent_many, graded_by
from edgewise.grading.grade import compare, shared_pool
from edgewise.problem_set import ProblemSet

PAIRS = Path("answer_equivalence") / "labelled_pairs_half.jsonl.gz"
AGREED = ("agree", "label_right")  # the reviews of pairs whose label is certain
RESPELLED = {r"\frac": r"\dfrac", "(": r"\left( ", ")": r" \right)", "+": " + "}
COMMA = re.compile(r",(?!\}|[0-9]{3}(?![0-9]))")  # that groups no digits
DATASETS = {
    "MATH-v0": ("train", "test"),
    "MATH500-v0": ("test",),
    "AIME24-v0": ("test",),
    "AMC-v0": ("test",),
    "GSM8K-v0": ("train", "test"),
    "OlympiadBench-v0": ("test",),
    "MinervaMath-v0": ("test",),
    "HARP-v0": ("test",),
}
PROCESSES = 2
SHOWN = 80  # characters of a text
FEW = 200  # pairs that Math-Verify is timed on


@dataclass(frozen=True)
class EquivalenceCommand:
    """Measure the grading of answers."""

    data: Path
    """Folder of the labelled pairs and of the data sets."""
    problems: int = 400
    """Problems of each level of MATH."""


def labelled_pairs(data: Path) -> list[dict[str, Any]]:
    """Return the pairs whose label is certain."""
    rows = read_jsonl(data / PAIRS, ("review",), growing=False)
    return [row for row in rows if row["review"] in AGREED]


def accuracy_lines(data: Path) -> list[str]:
    """Count the labelled pairs that are graded right, and collect the others."""
    lines = []
    rows = labelled_pairs(data)
    found = equivalent_many([row["gold"] for row in rows], [row["pred"] for row in rows])
    for mode in ("compare", "extract_and_compare"):
        part = [
            (row, verdict) for row, verdict in zip(rows, found, strict=True) if row["mode"] == mode
        ]
        right = sum(verdict == row["label"] for row, verdict in part)
        alone = sum(row["math_verify_0_9"] == row["label"] for row, _ in part)
        accepted = sum(verdict is True and not row["label"] for row, verdict in part)
        lines += [
            f"labelled pairs   {mode}: {right} of {len(part)} right, {right / len(part):.1%}; "
            f"{accepted} wrong ones accepted; Math-Verify {alone}, {alone / len(part):.1%}"
        ]
    wrong = [row for row, verdict in zip(rows, found, strict=True) if verdict != row["label"]]
    return [
        *lines,
        *(
            f"wrong            {row['id']}: {ascii(row['gold'])[:SHOWN]}, {ascii(row['pred'])[:SHOWN]}"
            for row in wrong
        ),
    ]


def gold_lines(data: Path) -> list[str]:
    """Return the share of gold answers with a reading, and the others, for each data set there is."""
    lines = []
    for name, splits in DATASETS.items():
        try:
            golds = gold_answers(name, splits, data)
        except FileNotFoundError:
            lines.append(f"golds            {name}: no file")
            continue
        others = [gold for gold in golds if graded_by(gold) == "text"]
        share = 1 - len(others) / len(golds)
        lines.append(f"golds            {name}: {len(golds)}, {share:.2%} have a reading")
        lines += [f"as text          {gold!r}" for gold in dict.fromkeys(others)]
    return lines


def gold_answers(name: str, splits: Sequence[str], data: Path) -> list[str]:
    """Return the gold answers of some splits of a data set."""
    golds = []
    for split in splits:
        env = unwrap(gym.make(name, split=split, data=str(data), allow_ood=True))
        assert isinstance(env.task, ProblemSet)
        for params in env.preset.levels.values():
            golds += [problem.answer for problem in env.task.rows(split, **params)]
    return golds


def ordinary_pairs(data: Path, size: int) -> list[tuple[str, str]]:
    """Return gold answers of MATH, each with an equal answer and with another problem's."""
    env = unwrap(gym.make("MATH-v0", split="test", data=str(data)))
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
    return COMMA.sub(", ", answer)


def speed_lines(data: Path, size: int) -> list[str]:
    """Return answers per second of the clock, in one process and in two."""
    pairs = list(dict.fromkeys(ordinary_pairs(data, size)))
    halves = [pairs[i::PROCESSES] for i in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        list(pool.map(timed, [pairs[:1]] * PROCESSES))  # imports
        start = time.perf_counter()
        list(pool.map(timed, halves))
        seconds = time.perf_counter() - start
    compare("x+1", "1+x")
    verdicts, times = timed(pairs)
    times.sort()
    load = os.getloadavg()[0]
    return [
        f"ordinary answers {len(pairs)}, of which {verdicts.count(True)} equal, "
        f"{verdicts.count(None)} left to a worker",
        f"speed            {len(pairs) / seconds:,.0f} answers per second of the clock in {PROCESSES} "
        f"processes, {len(pairs) / sum(times):,.0f} of the processor in one; {os.cpu_count()} cores, "
        f"load {load:.1f}",
        f"one answer       median {1000 * times[len(times) // 2]:.2f} ms, 99 in 100 within "
        f"{1000 * times[int(0.99 * len(times))]:.2f} ms, the longest {1000 * times[-1]:.0f} ms",
        *math_verify_lines(pairs[:FEW]),
    ]


def timed(pairs: Sequence[tuple[str, str]]) -> tuple[list[bool | None], list[float]]:
    """Return the verdicts on some pairs, and the CPU-seconds of each."""
    verdicts, times = [], []
    for gold, answer in pairs:
        start = time.process_time()
        verdicts.append(compare(gold, answer))
        times.append(time.process_time() - start)
    return verdicts, times


def math_verify_lines(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return the speed of Math-Verify on some pairs, if it is installed."""
    try:
        from math_verify import parse, verify
    except ImportError:
        return ["Math-Verify      is not installed: pip install math-verify"]
    start = time.process_time()
    for gold, answer in pairs:
        sides = [parse(f"${text}$", parsing_timeout=None) for text in (gold, answer)]
        verify(*sides, timeout_seconds=None)
    seconds = time.process_time() - start
    return [f"Math-Verify      {len(pairs) / seconds:,.0f} answers per second of the processor"]


def main() -> None:
    """Print what was measured."""
    command = tyro.cli(EquivalenceCommand)
    try:
        for lines in (accuracy_lines, gold_lines):
            print("\n".join(lines(command.data)), flush=True)
        print("\n".join(speed_lines(command.data, command.problems)), flush=True)
    finally:
        shared_pool().close()


if __name__ == "__main__":
    main()
