"""What a rule poses over a whole run, as rows in order, for trainers that read a file from its start.

Their data loader must not shuffle. A rule that learns from outcomes cannot be laid out beforehand.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from edgewise.agents.integrations.export import LAYOUTS
from edgewise.agents.training.profile_file import Measured
from edgewise.names import read_name
from edgewise.row_order import RowOrder
from edgewise.scoring import posed
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers.lessons.kinds import ArmLesson
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Floats, Ints


class Placed(NamedTuple):
    """A problem and its place in a schedule."""

    step: int  # from 0
    arm: int  # in range(K)
    name: str


class Source(ABC):
    """Problems by arm."""

    arms: list[dict[str, Any]]  # what each of the K arms is

    def begin(self, arms: Ints) -> None:  # noqa: B027
        """Do what a run does before its first step, with the arms that it draws when it is seeded."""

    @abstractmethod
    def draw(self, arms: Ints) -> list[str]:
        """Return the name of a problem of each of `arms`, (P,)."""


class LevelSource(Source):
    """Problems of the arms of vector environments, as a run with the same seed is posed them."""

    def __init__(self, envs: gym.vector.VectorEnv[Any, Any, Any], seed: int) -> None:
        """Take environments with groups of one."""
        self.envs, self.seed, self.arms = envs, seed, unwrap_vector(envs).arms

    def begin(self, arms: Ints) -> None:
        """Seed the environments; the problems that are posed meanwhile are not used."""
        self.envs.reset(seed=self.seed, options=self.options(arms))

    def draw(self, arms: Ints) -> list[str]:
        """Pose a problem of each arm."""
        _, infos = self.envs.reset(options=self.options(arms))
        names: list[str] = infos["problem"].tolist()
        return names

    def options(self, arms: Ints) -> dict[str, Any]:
        """Return the options of `reset` for a problem of each arm."""
        return {"groups": [self.arms[arm] for arm in arms.tolist()]}


class ProfileSource(Source):
    """Problems of a profile; arms are parts of equal size by error rate, the easiest first."""

    def __init__(self, problems: Sequence[Measured], num_arms: int, seed: int) -> None:
        """Divide the problems; equally hard ones in the order in which they are given.

        Raises:
            ValueError: If there are fewer problems than arms.
        """
        if len(problems) < num_arms:
            raise ValueError(f"`num_levels` must be at most {len(problems)}, got {num_arms}")
        order = np.argsort([-problem.pass_rate for problem in problems], kind="stable")
        parts = np.array_split(order, num_arms)
        self.parts: list[list[Measured]] = [[problems[place] for place in part] for part in parts]
        rates = [[problem.pass_rate for problem in part] for part in self.parts]
        self.arms = [
            {"num_problems": len(part), "pass_rates": [min(part), max(part)]} for part in rates
        ]
        self.order, self.rng = RowOrder(), np.random.default_rng(seed)

    def draw(self, arms: Ints) -> list[str]:
        """Take the next problem of each arm, epoch after epoch, each in an order of its own."""
        return [self.next(arm) for arm in arms.tolist()]

    def next(self, arm: int) -> str:
        """Take the next problem of `arm`."""
        part = self.parts[arm]
        place = self.order.next(self.rng, str(arm), len(part))
        return part[place].name


def lay_out(
    rule: Rule, source: Source, steps: range, num_problems: int, seed: int, even: bool = False
) -> Iterator[Placed]:
    """Yield what `rule` poses in `steps`, P problems a step.

    Args:
        rule: One that does not learn; it is started anew.
        source: Of the problems.
        steps: Those laid out, without gaps; the rule has passed those before.
        num_problems: P.
        seed: Of the draws of arms.
        even: Whether, in place of draws, the first t steps have for every t as many problems of each
            arm as is expected of draws, but for less than two.
    """
    lesson, shares = ArmLesson(rule, len(source.arms), (num_problems, 1)), Shares(len(source.arms))
    lesson.seed(seed)
    every = np.ones(num_problems, np.bool_)
    source.begin(lesson.draw(every)[0])
    for step in range(steps.stop):
        lesson.forget()
        drawn = lesson.draw(every)[0]
        arms = shares.take(rule.probabilities(), num_problems) if even else drawn
        names = source.draw(arms)
        rule.update(arms, np.zeros(num_problems))
        if step in steps:
            for arm, name in zip(arms.tolist(), names, strict=True):
                yield Placed(step, arm, name)


class Shares:
    """Counts of arms that follow what is expected of them."""

    def __init__(self, num_arms: int) -> None:
        """Begin with nothing."""
        self.owed = np.zeros(num_arms)  # expected less taken, above -1 and below 1 between steps

    def take(self, chances: Floats, size: int) -> Ints:
        """Return `size` arms, ascending, with the counts nearest to what is owed by then."""
        self.owed += size * chances
        counts = np.maximum(np.floor(self.owed + 1e-9), 0).astype(np.int64)
        left = size - int(counts.sum())
        counts[np.argsort(counts - self.owed, kind="stable")[:left]] += 1
        self.owed -= counts
        arms: Ints = np.repeat(np.arange(len(chances)), counts)
        return arms


def row_of(placed: Placed, layout: str) -> dict[str, Any]:
    """Return a row of a layout of `edgewise export`, with the step and the arm."""
    env, problem = posed(placed.name)
    name = read_name(placed.name)
    info = {"problem": placed.name, "level": name.level, "problem_seed": name.problem_seed}
    return {**LAYOUTS[layout](env, problem, info), "step": placed.step, "arm": placed.arm}
