"""Any environment as a taskset of verifiers, which prime-rl trains on too.

    vf-eval edgewise-verifiers --env.taskset.env Countdown-v0 --env.agent.harness.id null ...

A task's key is the name of its problem, its prompt the chat of `edgewise export`, and `validate` checks that
a worked answer earns the full reward. Episodes of several turns are refused: a taskset has one prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import gymnasium as gym
import numpy as np
import verifiers.v1 as vf

from edgewise.agents.integrations.export import chat
from edgewise.agents.integrations.named import score
from edgewise.agents.integrations.versions import VERIFIERS
from edgewise.agents.training.recipe_file import read_options
from edgewise.env import ReasoningEnv, evaluation_set, unwrap
from edgewise.judging import takes_turns
from edgewise.outcome import Outcome
from edgewise.scoring import pose

VERIFIERS.check(version("verifiers"))


class ProblemData(vf.TaskData):  # type: ignore[misc]
    """What a task is made of; it is recorded with every trace."""

    problem: str  # its name
    level: int


class ProblemTask(vf.Task[ProblemData]):  # type: ignore[misc]
    """A problem, verified by its name."""

    @property
    def key(self) -> str:
        """Return the name of the problem."""
        return str(self.data.problem)

    def outcome(self, text: str) -> Outcome:
        """Score an answer.

        Raises:
            TaskError: If the verifier fails: the rollout then has no reward, not 0.
        """
        outcome = score([self.data.problem], [text], begun=False)[0]
        if not outcome.verified:
            raise vf.TaskError(f"the answer to {self.data.problem} could not be verified")
        return outcome

    @vf.reward(weight=1.0)  # type: ignore[untyped-decorator]
    async def reward(self, trace: vf.Trace) -> float:
        """Return the reward of the environment."""
        return float(self.outcome(trace.last_reply or "").reward)

    @vf.metric  # type: ignore[untyped-decorator]
    async def correct(self, trace: vf.Trace) -> float:
        """Return 1.0 if the answer is right."""
        return float(self.outcome(trace.last_reply or "").correct or False)

    @vf.metric  # type: ignore[untyped-decorator]
    async def formatted(self, trace: vf.Trace) -> float:
        """Return 1.0 if the answer has the form that the preset asks for."""
        return float(self.outcome(trace.last_reply or "").formatted)

    async def validate(self, runtime: vf.Runtime) -> bool:
        """Return whether a worked answer earns the full reward."""
        env = pose(self.data.problem)
        return bool(self.outcome(env.demonstrate(env.problem)).correct)


class ProblemsConfig(vf.TasksetConfig):  # type: ignore[misc]
    """Which problems there are, under `--env.taskset.*`."""

    env: str = "Countdown-v0"
    """Environment id."""
    preset: str | None = None
    """Ladder of levels and prompts; by default the first."""
    split: str = "test"
    """train, validation or test; no problem is in two."""
    levels: list[int] | None = None
    """Levels; by default all that are not kept out of training."""
    num_problems: int = 100
    """Problems of each level, the first of the split; 0 for an endless stream of any level."""
    env_options: str = "{}"
    """Further keywords of the environment, JSON."""
    seed: int = 0
    """Of an endless stream."""


class ProblemTaskset(vf.Taskset[ProblemTask, ProblemsConfig]):  # type: ignore[misc]
    """The problems of an environment."""

    @property
    def bounded(self) -> bool:
        """Return whether there is an end."""
        return bool(self.config.num_problems) if self._bounded is None else self._bounded

    def load(self) -> Iterator[ProblemTask]:
        """Yield the problems, level after level, or as they are drawn.

        Raises:
            ValueError: If the environment has several turns, or refuses a keyword.
        """
        env = make_env(self.config)
        if self.config.num_problems:
            for level in env.levels:
                for options in evaluation_set(env, level, self.config.num_problems):
                    yield self.task(env, *env.pose(options))
        rng = np.random.default_rng(self.config.seed)
        while not self.config.num_problems:
            yield self.task(env, *env.pose(env.choose(rng)))

    def task(self, env: ReasoningEnv, problem: Any, info: dict[str, Any]) -> ProblemTask:
        """Return the task of a problem."""
        messages = chat(env.frame_of(problem), env.prompt(problem))
        systems = [message["content"] for message in messages if message["role"] == "system"]
        data = ProblemData(
            id=info["problem"],
            prompt=messages[-1]["content"],
            system_prompt=systems[0] if systems else None,
            problem=info["problem"],
            level=info["level"],
        )
        return ProblemTask(data, self.config.task)


def make_env(config: ProblemsConfig) -> ReasoningEnv:
    """Make the environment of a taskset."""
    options = read_options(config.env_options, [config.env])
    levels = None if config.levels is None else tuple(config.levels)
    made = gym.make(config.env, split=config.split, preset=config.preset, levels=levels, **options)
    env = unwrap(made)
    problem, _ = env.pose(env.choose(np.random.default_rng(config.seed)))
    if takes_turns(env, problem):
        raise ValueError(f"`env` must have one turn, got {config.env}, which has several")
    return env
