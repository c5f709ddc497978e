"""A bed: a model in training on arms that its owner chooses, and what is measured of it.

Shapes: K arms, N problems.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from edgewise.agents.algorithms.catalogue import ALGORITHMS
from edgewise.agents.training.config import TrainConfig, complete
from edgewise.agents.training.evaluation import asking
from edgewise.agents.training.run import make_hyperparameters
from edgewise.agents.training.run_policy import make_policy
from edgewise.agents.training.scores import Verdicts
from edgewise.benchmarks.studies.headroom_plan import RANDOM, HeadroomConfig, Run
from edgewise.env import evaluation_set, unwrap
from edgewise.fields import build
from edgewise.interrupts import Stopped, asked
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers import Subset, vector

K = 32  # of pass@k
NUM_PASS_K = 25  # problems of each arm that are answered so often


class Bed:
    """A model in training on the arms of its environments, from the start of a run."""

    def __init__(self, config: HeadroomConfig, run: Run) -> None:
        """Load the model and make the environments.

        Raises:
            ValueError: If any part of `config` is refused.
        """
        torch.set_num_threads(config.threads)
        self.config, self.run = config, run
        self.setup = train_config(config, run).setup
        self.policy = make_policy(self.setup.model)
        envs = self.setup.envs()
        base = unwrap_vector(envs)
        self.members, self.arms = base.env.members, base.arms
        self.rule = Subset(tuple(range(len(self.arms))))
        framed = vector.PromptFormat(envs, render=self.policy.render)
        self.envs = vector.Curriculum(framed, self.rule)
        self.sampling = self.setup.sampling.sampling(self.members)
        self.hyperparameters = make_hyperparameters(self.setup.algorithm, self.sampling)
        self.algorithm = ALGORITHMS[self.setup.algorithm.name]
        self.state = self.algorithm.start(self.policy, self.hyperparameters)
        self.envs.reset(seed=run.seed)

    def steps(self, count: int | None = None) -> Iterator[float]:
        """Train on the arms of `rule`, and yield the tokens that each step generated."""
        done = 0
        trained: Any = self.algorithm.train(
            self.envs, self.policy, self.hyperparameters, self.state
        )
        with closing(trained) as steps:
            for metrics in steps:
                yield metrics["num_tokens"] + metrics["num_extra_tokens"]
                done += 1
                if done == count:
                    return

    def score(self, split: str) -> list[float]:
        """Return the accuracy on each arm of the target, each problem answered once."""
        size = self.config.test_problems if split == "test" else self.config.validation_problems
        wanted = self.config.target or range(len(self.arms))
        return [float(self.answers(arm, split, size, 1).correct.mean()) for arm in wanted]

    def answers(self, arm: int, split: str, size: int, num_samples: int) -> Verdicts:
        """Answer the first problems of an arm, each `num_samples` times."""
        env_id, options, level = self.place(arm)
        protocol = self.members[self.arms[arm].get("env", 0)].preset.protocol
        sampling = replace(self.sampling, temperature=protocol.temperature)
        asker = asking(
            self.policy, env_id, sampling, split=split, render=self.policy.render, **options
        )
        problems = problems_of(env_id, json.dumps(options), split, level, size)
        return asker(1_000 + arm)(problems, num_samples)

    def place(self, arm: int) -> tuple[str, dict[str, Any], int]:
        """Return the environment of an arm, its keywords, and the level."""
        env_id = self.setup.problems.ids[self.arms[arm].get("env", 0)]
        return env_id, self.setup.problems.options(), self.arms[arm]["level"]

    def card(self) -> list[dict[str, Any]]:
        """Return what the model scores on test problems of each arm of the target, and chance.

        Chance is the share of problems to which the right answer of the next one is right.
        """
        rows = []
        for arm in self.config.target or range(len(self.arms)):
            env_id, options, level = self.place(arm)
            size = self.config.test_problems
            once = self.answers(arm, "test", size, 1).correct
            solved = self.answers(arm, "test", min(size, NUM_PASS_K), K).pass_at(K)
            row = {"arm": arm, "env": env_id, "level": level, "pass_at_1": float(once.mean())}
            luck = chance(env_id, json.dumps(options), level, size)
            rows.append({**row, "pass_at_32": float(np.mean(solved)), "chance": luck})
        return rows

    @contextmanager
    def copied(self) -> Iterator[None]:
        """Undo at the end whatever training the block does."""
        weights = [parameter.detach().clone() for parameter in self.policy.parameters()]
        states = deepcopy((self.state.state_dict(), self.envs.state_dict()))
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, weight in zip(self.policy.parameters(), weights, strict=True):
                    parameter.copy_(weight)
            self.state.load_state_dict(states[0])
            self.envs.load_state_dict(states[1])

    def best_arm(self) -> int:
        """Return the arm after some steps of which the target's validation accuracy is best."""
        means = []
        for arm in range(len(self.arms)):
            if asked():
                raise Stopped
            with self.copied():
                self.rule.arms = (arm,)
                for _ in self.steps(self.config.probe_steps):
                    pass
                means.append(mean(self.score("validation")))
        return means.index(max(means))


@cache
def problems_of(
    env_id: str, options: str, split: str, level: int, count: int
) -> list[dict[str, Any]]:
    """Return the first problems of a level; `options` are keywords of the environment, JSON."""
    env = gym.make(env_id, split=split, allow_ood=True, **json.loads(options))
    return evaluation_set(env, level, count)


def chance(env_id: str, options: str, level: int, count: int) -> float:
    """Return the share of the first test problems that the right answer of the next one solves."""
    env = unwrap(gym.make(env_id, split="test", allow_ood=True, **json.loads(options)))
    problems = [env.pose(place)[0] for place in problems_of(env_id, options, "test", level, count)]
    others = [*problems[1:], problems[0]]
    pairs = zip(problems, others, strict=True)
    return mean(
        [float(env.task.verify(one, env.task.solve(other)) is True) for one, other in pairs]
    )


def mean(values: list[float]) -> float:
    """Return the mean of at least one value."""
    return sum(values) / len(values)


def train_config(config: HeadroomConfig, run: Run) -> TrainConfig:
    """Return what `edgewise train` would be given."""
    given = {
        name: getattr(config, name)
        for name in (
            "env",
            "agent",
            "preset",
            "levels",
            "env_options",
            "algorithm",
            "num_problems",
            "group_size",
            "threads",
        )
    }
    own = {
        "num_steps": config.num_tokens,  # more than there can be
        "curriculum": RANDOM,
        "seed": run.seed,
        "learning_rate": run.learning_rate,
        "evaluate": False,
    }
    return complete(build(TrainConfig, {**given, **own}))
