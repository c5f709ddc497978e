"""A level of an environment, with the problems that checks look at."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import gymnasium as gym

from edgewise.env import ReasoningEnv, unwrap
from edgewise.registration import spec_of, task_of
from edgewise.task import Task


class Level:
    """One level of a preset of a registered environment; its problems are drawn once.

    Example:
        >>> level = Level("Countdown-v0", "sec", 1)
        >>> len(level.problems(3)), level.is_generated
        (3, True)
    """

    def __init__(self, env_id: str, preset: str, number: int) -> None:
        """Take an id as `gym.make` takes it, the name of a preset and the number of a level."""
        self.env_id, self.preset, self.number = env_id, preset, number
        self.split: str = spec_of(env_id).kwargs.get("split", "train")  # where none is named
        self._envs: dict[str, ReasoningEnv] = {}
        self._drawn: dict[tuple[str, int], Any] = {}

    def __str__(self) -> str:
        """Return how messages call it."""
        return f"preset {self.preset}, level {self.number}"

    def env(self, split: str | None = None) -> ReasoningEnv:
        """Return the environment with this level alone; always the same one."""
        split = split or self.split
        if split not in self._envs:
            made = gym.make(
                self.env_id,
                preset=self.preset,
                levels=(self.number,),
                allow_ood=True,
                split=split,
                disable_env_checker=True,
            )
            self._envs[split] = unwrap(made)
        return self._envs[split]

    def problem(self, seed: int, split: str | None = None) -> Any:
        """Return the problem of a problem seed."""
        split = split or self.split
        if (split, seed) not in self._drawn:
            self._drawn[split, seed] = self.env(split).draw(self.number, seed)
        return self._drawn[split, seed]

    def problems(self, count: int, split: str | None = None) -> list[Any]:
        """Return the problems of seeds 0, 1, 2 ..., fewer where there are not so many rows."""
        rows = self.num_rows(split)
        return [
            self.problem(seed, split) for seed in range(count if rows is None else min(count, rows))
        ]

    def num_rows(self, split: str | None = None) -> int | None:
        """Return how many problems there are; None if they are generated."""
        env = self.env(split)
        return env.task.num_rows(env.split, **env.preset.levels[self.number])

    @property
    def is_generated(self) -> bool:
        """Return whether problems are generated, and not rows of a data set."""
        return self.num_rows() is None

    @cached_property
    def is_drafted(self) -> bool:
        """Return whether a draft decides the split of a problem, which is slow to finish then."""
        return type(self.env().task).draft is not Task.draft


def levels_of(env_id: str) -> list[Level]:
    """Return every level of every preset of an environment.

    Raises:
        ValueError: If there is no such environment, or it is a mixture.
    """
    task = task_of(env_id)
    if task is None:
        raise ValueError(f"`env` must be of a task, got the mixture {env_id!r}")
    return [
        Level(env_id, name, level)
        for name, preset in task.presets.items()
        for level in preset.levels
    ]
