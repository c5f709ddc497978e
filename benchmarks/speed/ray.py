"""Ray: answers graded a second by a local cluster, beside the pool of processes and this process.

    python -m edgewise.benchmarks.speed.ray [--ray local:2] [--answers 2000]

prints a table. Answers to Countdown cost microseconds, those to the sums cost a fixed piece of work, so the
first row of each is what carrying calls costs, and the others what it brings. Seconds are wall-clock, the
second of two rounds, when all workers are up; the answers of each round are others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import tyro

from edgewise.env import unwrap
from edgewise.executor import Executor, Job
from edgewise.pool import Pool
from edgewise.ray_cluster import cluster
from edgewise.ray_pool import RayPool
from edgewise.scoring import MEMORY, SCORE, SECONDS, score

WORK = "edgewise.benchmarks.speed.ray:work"
LOOP = 200_000  # iterations of plain Python, of a slow verdict
MODULUS = 1_000_003


@dataclass(frozen=True)
class RayConfig:
    """Measure how many answers are graded a second."""

    ray: str = "local:2"
    """Cluster, as `edgewise eval --ray` takes it."""
    answers: int = 2_000
    """Answers of a round that are cheap to grade."""
    slow_answers: int = 400
    """Answers of a round that are slow to grade."""
    workers: int = 2
    """Processes of the pool."""


def work(text: str) -> bool:
    """Give a verdict that takes a fixed piece of plain Python."""
    value = int(text)
    for i in range(LOOP):
        value = (value * 31 + i) % MODULUS
    return value % 2 == 0


def answers(count: int, first: int) -> list[Job]:
    """Return answers to Countdown, half of them right, from problem seed `first` on."""
    env = unwrap(gym.make("Countdown-v0", split="test"))
    jobs: list[Job] = []
    for seed in range(first, first + count):
        problem, info = env.pose({"level": 1, "params": {}, "problem_seed": seed})
        text = env.demonstrate(problem) if seed % 2 else rf"\boxed{{{seed}}}"
        jobs.append((info["problem"], text))
    return jobs


class Here(Executor):
    """Calls in this process, one after the other."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Call a function."""
        super().__init__(0)
        self.function = function

    def map(self, jobs: Sequence[Job]) -> list[Any]:
        """Return the result of each call."""
        return [self.function(*job) for job in jobs]


@contextmanager
def executors(config: RayConfig, function: str, called: Callable[..., Any]) -> Iterator[Any]:
    """Make what is compared, by name."""
    with (
        Pool(function, num_workers=config.workers, seconds=SECONDS, memory=MEMORY) as pool,
        RayPool(function, seconds=SECONDS, memory=MEMORY, strict=True) as ray,
    ):
        yield {
            "this process": Here(called),
            f"pool of {config.workers} processes": pool,
            f"Ray at {config.ray}": ray,
        }


def rows(
    config: RayConfig, name: str, function: str, called: Callable[..., Any], rounds: list[list[Job]]
) -> Iterator[str]:
    """Yield a row for each executor, whose results must be equal."""
    with executors(config, function, called) as compared:
        expected = None
        for who, executor in compared.items():
            executor.map(rounds[0])
            start = time.perf_counter()
            found = executor.map(rounds[1])
            seconds = time.perf_counter() - start
            expected = found if expected is None else expected
            equal = "yes" if found == expected else "NO"
            yield f"| {name} | {who} | {len(found)} | {len(found) / seconds:,.0f} | {equal} |"


def main() -> None:
    """Print the table."""
    config = tyro.cli(RayConfig, prog="python -m edgewise.benchmarks.speed.ray")
    count, slow = config.answers, config.slow_answers
    cheap = [answers(count, first) for first in (0, count)]
    heavy: list[list[Job]] = [[(str(first + i),) for i in range(slow)] for first in (0, slow)]
    print("| verdicts | by | answers | answers/s | equal to this process |\n|---|---|---|---|---|")
    with cluster(config.ray):
        for row in rows(config, "Countdown", SCORE, score, cheap):
            print(row, flush=True)
        for row in rows(config, "slow", WORK, work, heavy):
            print(row, flush=True)


if __name__ == "__main__":
    main()
