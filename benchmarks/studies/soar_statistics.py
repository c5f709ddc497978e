r"""What written problems are worth: fresh students, and intervals nested teacher, student, problem.

arXiv 2601.18778 trains fresh students of the base model on written and hard problems (PQ), or asks the
promoted student itself (PS), and reports pass@k of 32 answers to each held-out hard problem. What the table
reads, the records of students and the last checkpoints of games, is checked.

Where the paper leaves a choice:
    - Its rule of when to test, `settled_step`, looks at the last phase, where the hard problems are,
      and the tests of the 200 steps that follow are averaged; ours are `test_every` steps apart.
      Without `test_every` a student is tested after its last step.
    - With "mixed" the union of written and hard problems is drawn without replacement.
    - Intervals are of a bootstrap that draws teachers, then students of each, then problems of each,
      with replacement; a level that has one member adds no spread.

Shapes: T teachers, S students of each, P problems, C tests of a student.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.agents.algorithms.config import check_value
from edgewise.agents.soar.game import seed_of
from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.policies import Phase, PolicyStudent
from edgewise.agents.soar.presets import FreshPlan
from edgewise.agents.soar.promotion import Floats
from edgewise.agents.soar.run import game_state
from edgewise.agents.statistics import (
    PERCENTILES,
    Estimate,
    hierarchical_bootstrap,
    hierarchical_draws,
    hierarchical_mean,
    pass_at_k,
)
from edgewise.agents.training.checkpoint import ALGORITHM, check, read_tensors
from edgewise.agents.training.record_fields import (
    FiniteNumbers,
    Natural,
    Text,
    are,
    check_fields,
    is_count,
)
from edgewise.agents.training.run_folder import RunFolder
from edgewise.benchmarks.studies.published import SOAR_METHODS
from edgewise.errors import shown, unknown
from edgewise.files import FileError

NAME = {"method": Text, "run": Text, "teacher": Natural, "student": Natural}


MIXINGS = ("curriculum", "mixed")
KS = (1, 4, 8, 16, 32)
SPAN = 200  # steps after the rule's choice
Tests = Sequence[Sequence[int]]  # (C, P) right answers
Counts = Mapping[int, Mapping[int, Tests]]  # by teacher and student


def phases(written: Sequence[Pair], hard: Sequence[Pair], plan: FreshPlan) -> list[Phase]:
    """Build the training phases of a fresh student; without written problems, hard ones alone.

    Raises:
        ValueError: If there is no such way to mix.
    """
    if plan.mixing not in MIXINGS:
        raise ValueError(f"`mixing` must be one of {MIXINGS}, got {plan.mixing!r}")
    if not written:
        return [(hard, plan.num_steps)]
    if plan.mixing == "mixed":
        return [([*written, *hard], plan.num_steps)]
    first = min(plan.written_steps, plan.num_steps)
    return [(written, first), (hard, plan.num_steps - first)]


def train_fresh(
    student: PolicyStudent,
    base: Mapping[str, Any],
    parts: Sequence[Phase],
    test: Callable[[], list[int]],
    seed: int,
    test_every: int | None = None,
) -> list[list[int]]:
    """Train a fresh student on the phases, and return its tests, (C, P).

    Args:
        student: Is left with the weights after the last step.
        base: Weights of the untrained student.
        parts: What it trains on, and for how long.
        test: Returns the right answers to each problem, of the student as it is.
        seed: Of the training.
        test_every: Steps between tests, of which those after the paper's rule's choice are
            returned; None for one after the last step.
    """
    rewards: list[float] = []
    tests: dict[int, list[int]] = {}

    def told(metrics: Mapping[str, float]) -> None:
        rewards.append(metrics["reward"])
        if test_every is not None and len(rewards) % test_every == 0:
            tests[len(rewards)] = test()

    student.restore(base)
    student.train_in_turn(parts, seed, told)
    begun = sum(num_steps for _, num_steps in parts[:-1])
    first = begun + 1 + settled_step(rewards[begun:])
    return [found for step, found in tests.items() if first <= step < first + SPAN] or [test()]


def count_right(
    student: PolicyStudent, problems: Sequence[Pair], num_samples: int, seed: int
) -> list[int]:
    """Count the correct answers among `num_samples` to each problem."""
    answers = student.answers(problems, num_samples, student.config.temperature, seed_of(seed, 1))
    return [int(count) for count in answers.sum(axis=1)]


def nested_interval(counts: Counts, num_samples: int, k: int, rng: np.random.Generator) -> Estimate:
    """Compute the mean pass@k with its 95 % interval.

    Args:
        counts: Right answers, by teacher, student, test and problem.
        num_samples: Answers to each problem.
        k: At most `num_samples`.
        rng: Of the bootstrap.
    """
    return hierarchical_bootstrap([solved(counts, num_samples, k)], rng, shared=False)


def nested_difference(
    counts: Counts, baseline: Counts, num_samples: int, k: int, rng: np.random.Generator
) -> Estimate:
    """Compute the mean pass@k minus that of a baseline, with its 95 % interval.

    The two are drawn on their own, although they are asked the same problems: the interval is too
    wide rather than too narrow.

    Args:
        counts: Right answers, by teacher, student, test and problem.
        baseline: The same of the baseline.
        num_samples: Answers to each problem.
        k: At most `num_samples`.
        rng: Of the bootstrap.
    """
    ours, theirs = (solved(found, num_samples, k) for found in (counts, baseline))
    draws = hierarchical_draws([ours], rng, shared=False)
    draws -= hierarchical_draws([theirs], rng, shared=False)
    low, high = np.percentile(draws, PERCENTILES)
    return Estimate(hierarchical_mean(ours) - hierarchical_mean(theirs), float(low), float(high))


def solved(counts: Counts, num_samples: int, k: int) -> list[list[Floats]]:
    """Return pass@k of each problem, on average over tests, by teacher and student, (P,) each."""
    return [
        [
            np.mean([[pass_at_k(num_samples, n, k) for n in test] for test in tests], axis=0)
            for tests in students.values()
        ]
        for students in counts.values()
    ]


def settled_step(rewards: Sequence[float], window: int = 25, share: float = 0.15) -> int:
    """Return the step, from 0, after which the paper begins to test.

    That is the first step, at or after the steepest, at which the slope of the moving average of
    the training rewards, centred and `window` steps long, is below `share` of the largest slope; the
    last step if there is none. Dividing by the range of the rewards changes nothing of that.
    """
    if len(rewards) < window + 1:
        return len(rewards) - 1
    averages = np.convolve(rewards, np.full(window, 1 / window), mode="valid")
    slopes = np.diff(averages)
    steepest = int(slopes.argmax())
    flat = np.flatnonzero(slopes[steepest:] < share * slopes[steepest])
    if not len(flat) or slopes[steepest] <= 0:
        return len(rewards) - 1
    return steepest + int(flat[0]) + window // 2


Record = dict[str, Any]  # what one student knows


def check_record(
    record: Record, sizes: Mapping[str, Any], num_samples: int, num_problems: int
) -> None:
    """Check the record of a student.

    Args:
        record: What a line says.
        sizes: Of the table; a record of others is refused elsewhere.
        num_samples: Answers to each test problem.
        num_problems: Of the test.

    Raises:
        ValueError: If a field is missing or of another type, or it is of another test.
    """
    check_fields(record, {**NAME, "correct": Any, "num_samples": Natural, "size": Natural | None})
    if record["method"] not in SOAR_METHODS:
        raise ValueError(unknown("method", record["method"], SOAR_METHODS))
    if "vendi" in record:
        check_value("vendi", record["vendi"], FiniteNumbers)
        if len(record["vendi"]) != 2 or min(record["vendi"]) < 0:
            raise ValueError(
                f"`vendi` must be a mean and a deviation, got {shown(record['vendi'])}"
            )
    if record.get("sizes") != sizes:
        return
    if record["num_samples"] != num_samples:
        raise ValueError(f"`num_samples` must be {num_samples}, got {record['num_samples']}")
    tests = record["correct"]
    for test in tests if are(lambda test: are(is_count, test), tests) and tests else [[]]:
        if len(test) != num_problems or max(test) > num_samples:
            raise ValueError(
                f"`correct` must have right answers, at most {num_samples}, to each of "
                f"{num_problems} problems in each test, got {shown(tests)}"
            )


def of_each_student(records: Iterable[Record]) -> list[Record]:
    """Return the first record of each student, in their order."""
    found: dict[tuple[Any, ...], Record] = {}
    for record in records:
        found.setdefault(tuple(record[name] for name in NAME), record)
    return list(found.values())


def last_checkpoint(path: Path) -> Path:
    """Return the newest checkpoint of a game.

    Raises:
        FileError: If there is none, or it is damaged: another one would be of another teacher.
    """
    folder = RunFolder.open(path, "runs")
    found = folder.checkpoints()
    if not found:
        raise FileError(f"{path / 'checkpoints'}: must have a checkpoint, got none")
    check(found[-1], run=folder.run)
    return found[-1]


def last_state(path: Path) -> dict[str, Any]:
    """Return the state of a game in its newest checkpoint.

    Raises:
        FileError: If there is none, or it is damaged.
    """
    file = last_checkpoint(path) / ALGORITHM
    return game_state(read_tensors(file), file)


def best_of(path: Path) -> list[Pair]:
    """Return D_best of a run; nothing if no student was promoted, which makes PQ Hard-Only."""
    return [Pair(**pair) for pair in last_state(path)["best"]]
