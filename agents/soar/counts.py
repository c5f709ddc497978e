"""How many completions a game samples, scores and learns from; by arithmetic, exact but for chance.

What chance decides is an argument: the share of the teacher's completions that are well formed, and
after which outer steps a student is promoted. Completions that no gradient comes from, since all of a
group earn the same, are left out where a game learns: there are at most as many as counted.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil

from edgewise.agents.soar.presets import Game, SOARConfig, StudentConfig, TeacherConfig


@dataclass(frozen=True)
class Completed:
    """Completions of all outer steps together."""

    sampled: int
    scored: int  # without a gradient; twice where the reference and the learner itself score them
    learned: int  # with a gradient, at most


@dataclass(frozen=True)
class Counts:
    """What a game computes."""

    teacher: Completed
    students: Completed
    asked: int  # greedy answers to hard problems: of the baselines, the students and those promoted

    @property
    def sampled(self) -> int:
        """Return the completions that are sampled in all."""
        return self.teacher.sampled + self.students.sampled + self.asked


def count_game(
    game: Game, num_hard: int, accepted_ratio: float = 1.0, promotions: Collection[int] = ()
) -> Counts:
    """Count what a game computes.

    Args:
        game: Its sizes.
        num_hard: Hard training problems that there are.
        accepted_ratio: Share of the teacher's completions that are well formed.
        promotions: Outer steps after which a student is promoted, from 1.
    """
    soar, student = game.soar, game.student
    written = soar.num_datasets * soar.dataset_size * soar.num_steps
    attempts = ceil(written / accepted_ratio)
    teacher = Completed(attempts, written * passes(game.teacher), written)
    if soar.reward == "learnability":
        return Counts(teacher, Completed(written * soar.num_samples, 0, 0), 0)
    trained = soar.num_datasets * soar.num_students
    steps = sum(inner_steps(soar, step, promotions) for step in range(1, soar.num_steps + 1))
    answered = trained * steps * student.num_problems * student.group_size
    students = Completed(answered, answered * passes(student), answered)
    asked = soar.num_steps * (1 + trained) * min(soar.num_hard, num_hard)
    asked += num_hard * sum(step <= soar.num_steps for step in promotions)
    return Counts(teacher, students, asked)


def passes(config: TeacherConfig | StudentConfig) -> int:
    """Return how often a completion is scored without a gradient."""
    return (config.kl_coef > 0) + (config.importance_cap is not None)


def inner_steps(soar: SOARConfig, step: int, promotions: Collection[int]) -> int:
    """Return the steps of a student in an outer step, from 1."""
    before = sum(promoted < step for promoted in promotions)
    return min(soar.inner_steps + soar.more_steps * before, soar.max_inner_steps)
