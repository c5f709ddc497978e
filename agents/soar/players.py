"""The two protocols that a game of SOAR plays with: a teacher and a student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.posing import Posed
from edgewise.agents.soar.promotion import Floats

Weights = Mapping[str, Any]


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
