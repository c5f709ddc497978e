"""The two protocols that a game of SOAR plays with, a teacher and a student, and its inner loop, which trains students."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.posing import Posed
from edgewise.agents.soar.promotion import Floats
from edgewise.pool import WorkerError

Weights = Mapping[str, Any]
CRASHES = (ArithmeticError, MemoryError, RuntimeError)  # of a student; a loss that is not finite is


class Teacher(Protocol):
    r"""Writes problems, and learns from what they earned; `PolicyTeacher` is one.

    Example:
        >>> from edgewise.agents.soar.posing import FORMATS, gather_problems
        >>> class Writer:
        ...     def write(self, count):
        ...         form = FORMATS["compact"]
        ...         return gather_problems(lambda n: [r"1+1?\boxed{2}"] * n, form, count, count)
        ...     def learn(self, rewards):
        ...         return {}
        >>> Writer().write(2).pairs[0].answer
        '2'
    """

    def write(self, count: int) -> Posed:
        """Return `count` problems; TooFewProblems if that takes too many attempts."""

    def learn(self, rewards: Floats) -> dict[str, float]:
        """Learn from the rewards, (g,), of the g equal parts of what it wrote last."""

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers and lists."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""


class Student(Protocol):
    """Learns from problems, and answers; `PolicyStudent` is one.

    Example:
        >>> class Learner:
        ...     skill = 0.0
        ...     def snapshot(self):
        ...         return {"skill": self.skill}
        ...     def restore(self, weights):
        ...         self.skill = weights["skill"]
        ...     def train(self, problems, num_steps, seed):
        ...         self.skill += 0.1
        ...     def accuracy(self, problems):
        ...         return self.skill
        >>> student = Learner()
        >>> student.train([], num_steps=10, seed=0)
        >>> student.accuracy([])
        0.1
    """

    def snapshot(self) -> Weights:
        """Return a copy of the weights as they are now, in memory."""

    def restore(self, weights: Weights) -> None:
        """Take up weights that `snapshot` returned."""

    def train(self, problems: Sequence[Pair], num_steps: int, seed: int) -> None:
        """Learn from `problems` for some steps."""

    def accuracy(self, problems: Sequence[Pair]) -> float:
        """Return the share of `problems` whose greedy answer is right."""

    def success(self, problems: Sequence[Pair], num_samples: int, seed: int) -> Floats:
        """Return the share of `num_samples` sampled answers that are right, (N,), of each problem."""


@runtime_checkable
class Cohort(Student, Protocol):
    """A student of which several can be at work together; `PolicyCohort` is one."""

    def train_all(
        self,
        baseline: Weights,
        datasets: Sequence[Sequence[Pair]],
        num_steps: int,
        seeds: Sequence[int],
    ) -> list[Weights | None] | None:
        """Train a student on each data set, all from `baseline`; None if they must take turns."""

    def accuracies(self, weights: Sequence[Weights], problems: Sequence[Pair]) -> list[float]:
        """Return the greedy accuracy of each student on the same problems."""


def train_each(
    student: Student,
    baseline: Weights,
    datasets: Sequence[Sequence[Pair]],
    asked: Sequence[Pair],
    num_steps: int,
    seeds: Sequence[Sequence[int]],
) -> Iterator[tuple[list[float], list[Weights | None]]]:
    """Train students on each data set, for each of its seeds, all together if they can be.

    Yields:
        Their accuracies on `asked`, NaN if one crashed, and their weights, a data set after the other.
    """
    flat = [seed for row in seeds for seed in row]
    posed = [dataset for dataset, row in zip(datasets, seeds, strict=True) for _ in row]
    trained = None
    if isinstance(student, Cohort):
        trained = student.train_all(baseline, posed, num_steps, flat)
    if not isinstance(student, Cohort) or trained is None:
        for dataset, row in zip(datasets, seeds, strict=True):
            yield train_students(student, baseline, dataset, asked, num_steps, row)
        return
    right = iter(student.accuracies([own for own in trained if own is not None], asked))
    accuracies = [np.nan if own is None else next(right) for own in trained]
    for places in np.split(np.arange(len(flat)), np.cumsum([len(row) for row in seeds])[:-1]):
        yield [accuracies[place] for place in places], [trained[place] for place in places]


def train_students(
    student: Student,
    baseline: Weights,
    dataset: Sequence[Pair],
    asked: Sequence[Pair],
    num_steps: int,
    seeds: Sequence[int],
) -> tuple[list[float], list[Weights | None]]:
    """Train a student for each seed; return its accuracy on `asked`, NaN if it crashed, and its weights.

    All start from `baseline`, whatever happened to the one before.
    """
    accuracies: list[float] = []
    trained: list[Weights | None] = []
    weights: Weights | None
    for seed in seeds:
        student.restore(baseline)
        try:
            student.train(dataset, num_steps, seed)
            accuracy, weights = student.accuracy(asked), student.snapshot()
        except WorkerError:  # it is not the student that cannot go on
            raise
        except CRASHES:
            accuracy, weights = np.nan, None
        accuracies.append(accuracy)
        trained.append(weights)
    return accuracies, trained
