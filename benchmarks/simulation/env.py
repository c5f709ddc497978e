"""Problems without text, for the simulated learner: a problem is its level and its seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from edgewise.task import Preset, Task
from edgewise.vector_env import ReasoningVectorEnv

RIGHT, WRONG = "1", "0"  # the actions
MAX_LEVELS = 100


@dataclass(frozen=True)
class Problem:
    """Problem number `problem_seed` of `level`."""

    level: int
    problem_seed: int


@dataclass(frozen=True)
class Simulated(Task[Problem]):
    """Whether a problem is solved is the learner's to say: the right answer is always the same.

    Levels: as the learner finds them. Splits mean nothing here.

    Example:
        >>> task = Simulated()
        >>> task.prompt(Problem(3, 17), "{level} {problem_seed}")
        '3 17'
        >>> task.verify(Problem(3, 17), "1"), task.verify(Problem(3, 17), "0")
        (True, False)
    """

    presets = {
        "plain": Preset(
            template="{level} {problem_seed}",
            levels={level: {"level": level} for level in range(1, MAX_LEVELS + 1)},
        )
    }

    def draw(
        self, rng: np.random.Generator, problem_seed: int, split: str, **params: Any
    ) -> Problem:
        """Return the problem of that name."""
        return Problem(params["level"], problem_seed)

    def generate(self, rng: np.random.Generator, *, level: int) -> Problem:
        """Draw a problem of `level`."""
        return Problem(level, rng.bit_generator.random_raw() >> 1)

    def prompt(self, problem: Problem, template: str) -> str:
        """Name the problem."""
        return template.format(level=problem.level, problem_seed=problem.problem_seed)

    def verify(self, problem: Problem, answer: str) -> bool:
        """Return whether the learner says that it is right."""
        return answer == RIGHT

    def solve(self, problem: Problem) -> str:
        """Say that it is right."""
        return RIGHT


class SimulatedVectorEnv(ReasoningVectorEnv):
    """`Simulated` in groups, with whole arrays at once in place of texts one by one.

    Observations are "level problem_seed", actions "1" for right and "0" for wrong. Everything else
    is as in `ReasoningVectorEnv`: arms, groups, options, masks and infos, and the same generator
    gives problems the same seeds, so that wrappers and `collect` see no difference.

    Example:
        >>> envs = SimulatedVectorEnv(4, group_size=2, num_arms=3)
        >>> prompts, infos = envs.reset(seed=0, options={"level": 2})
        >>> infos["level"].tolist(), prompts[0] == prompts[1]
        ([2, 2, 2, 2], True)
        >>> envs.step(["1", "0", "0", "0"])[1].tolist()
        [1.0, 0.0, 0.0, 0.0]
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        group_size: int = 1,
        num_arms: int = 9,
        rewards: tuple[float, float] = (1.0, 0.0),
    ) -> None:
        """Pose problems of `num_arms` levels, easiest first.

        Args:
            num_envs: Completions in a batch.
            group_size: Completions of each problem.
            num_arms: Levels, and arms for a curriculum; at most 100.
            rewards: Of right and of wrong.
        """
        if not 1 <= num_arms <= MAX_LEVELS:
            raise ValueError(f"`num_arms` must be in [1, {MAX_LEVELS}], got {num_arms}")
        levels = tuple(range(1, num_arms + 1))
        earned = (*rewards, rewards[1])
        super().__init__(
            num_envs, group_size=group_size, task=Simulated, levels=levels, rewards=earned
        )
        num_groups = num_envs // group_size
        self._levels = np.zeros(num_groups, np.int64)  # of the problems, (P,)
        self._seeds = np.zeros(num_groups, np.int64)
        self._names = np.full(num_groups, "", dtype=object)
        self.env.allowed = list(levels)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Pose P problems; return each prompt G times, and the names as arrays (P G,)."""
        mask, which, chosen = self.choose(seed, options)
        self._levels[which] = [group["level"] for group in chosen]
        self._seeds[which] = [group["problem_seed"] for group in chosen]
        for group, posed in zip(which.tolist(), chosen, strict=True):
            self._names[group] = f"{posed['level']} {posed['problem_seed']}"
        self._done[mask] = False
        names = np.repeat(self._names, self.group_size)
        infos: dict[str, Any] = {
            "level": np.repeat(self._levels, self.group_size),
            "problem_seed": np.repeat(self._seeds, self.group_size),
            "problem": names,
        }
        texts = np.array(self._texts, dtype=object)
        texts[mask] = names[mask]
        self._texts = texts.tolist()
        return tuple(self._texts), {**infos, **{f"_{key}": mask for key in infos}}

    def step(
        self, actions: Sequence[str | None]
    ) -> tuple[tuple[str, ...], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Score the answers: 1 for a correct one, else 0."""
        if self._done.all():
            raise ResetNeeded("call `reset` before each `step`")
        if len(actions) != self.num_envs:
            raise ValueError(f"`actions` must have {self.num_envs} texts, got {len(actions)}")
        if not set(actions) <= {RIGHT, WRONG, None}:
            raise ValueError(f"`actions` must be {RIGHT!r} or {WRONG!r}, got {set(actions)}")
        answers = np.array(actions, dtype=object)
        acting = ~self._done & (answers != None)  # noqa: E711  (of each element)
        correct = acting & (answers == RIGHT)
        right, wrong, _ = self.env.preset.rewards
        rewards = np.where(correct, right, wrong) * acting
        self._done |= acting
        self._texts = [
            "" if done else text for text, done in zip(self._texts, self._done, strict=True)
        ]
        verified = np.ones_like(acting)
        infos = {"correct": correct, "verified": verified, "formatted": acting, "answer": answers}
        infos["continues"] = np.zeros_like(acting)
        infos |= {f"_{key}": acting for key in tuple(infos)}
        return tuple(self._texts), rewards, self._done.copy(), np.zeros_like(self._done), infos
