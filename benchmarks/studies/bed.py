"""A bed: a model in training under a rule or on chosen arms, and what is measured of it.

Shapes: K arms, N problems.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgewise.agents.algorithms.catalogue import ALGORITHMS
from edgewise.agents.training.config import TrainConfig, complete
from edgewise.agents.training.evaluation import asking
from edgewise.agents.training.parts import make_hyperparameters
from edgewise.agents.training.run import make_envs
from edgewise.agents.training.run_policy import make_policy
from edgewise.agents.training.scores import Verdicts
from edgewise.benchmarks.studies.headroom_plan import HeadroomConfig
from edgewise.env import evaluation_set, unwrap
from edgewise.fields import build
from edgewise.interrupts import Stopped, asked
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers import Subset

K = 32  # of pass@k
NUM_PASS_K = 25  # problems of each arm that are answered so often
CHOSEN = "subset:arms=[0]"  # the rule whose arms `Bed.pose` chooses
OF_TRAINING = (  # flags that are those of `edgewise train`
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


class Bed:
    """A model in training under a rule, or on arms that its owner chooses, from the start of a run."""

    def __init__(
        self,
        config: HeadroomConfig,
        seed: int,
        learning_rate: float | None = None,
        curriculum: str = CHOSEN,
        num_steps: int = 1,
        allocation: str = "none",
    ) -> None:
        """Load the model and make the environments, as a training run does.

        Args:
            config: The model, its environments and how it trains.
            seed: Of problems, arms and sampled tokens.
            learning_rate: Of AdamW; None for the model's own.
            curriculum: The rule with its arguments; by default arms are those of `pose`.
            num_steps: The length of the run for a rule that needs it.
            allocation: What sizes groups, with its arguments.

        Raises:
            ValueError: If any part of `config`, the rule or the allocation is refused.
        """
        torch.set_num_threads(config.threads)
        self.config = config
        setup = train_config(config, seed, learning_rate, curriculum, allocation).setup
        self.setup = replace(setup, curriculum=replace(setup.curriculum, num_steps=num_steps))
        self.policy = make_policy(self.setup.model)
        self.envs = make_envs(self.setup, self.policy)
        base = unwrap_vector(self.envs)
        self.members, self.arms = base.env.members, base.arms
        self.sampling = self.setup.sampling.sampling(self.members)
        self.hyperparameters = make_hyperparameters(self.setup.algorithm, self.sampling)
        self.algorithm = ALGORITHMS[self.setup.algorithm.name]
        self.state = self.algorithm.start(self.policy, self.hyperparameters)
        self.envs.reset(seed=seed)
        if curriculum == CHOSEN:
            self.pose(tuple(range(len(self.arms))))

    def pose(self, arms: tuple[int, ...]) -> None:
        """Draw from some of the arms from now on, each alike."""
        rule = self.envs.lesson.rule
        assert isinstance(rule, Subset)
        rule.arms = arms

    def steps(self, count: int | None = None) -> Iterator[dict[str, float]]:
        """Train, and yield the metrics of each step."""
        done = 0
        trained: Any = self.algorithm.train(
            self.envs, self.policy, self.hyperparameters, self.state
        )
        with closing(trained) as steps:
            for metrics in steps:
                yield metrics
                done += 1
                if done == count:
                    return

    def score(self, split: str) -> list[float]:
        """Return the accuracy on each arm of the target, each problem answered once."""
        return [float(row.mean()) for row in self.outcomes(split)]

    def outcomes(self, split: str) -> list[NDArray[np.float64]]:
        """Return 1.0 for each solved problem of each arm of the target, else 0.0, (N,) of each."""
        size = self.config.test_problems if split == "test" else self.config.validation_problems
        return [found.correct[:, 0] for found in self.answers(split, size, 1)]

    @property
    def target(self) -> Sequence[int]:
        """Return the arms that are scored."""
        return self.config.target or range(len(self.arms))

    def answers(self, split: str, size: int, num_samples: int) -> list[Verdicts]:
        """Answer the first problems of each arm of the target, each `num_samples` times.

        Those of one environment are answered at once, in the batches of `asking`.
        """
        found: dict[int, Verdicts] = {}
        for place, member in enumerate(self.members):
            arms = [arm for arm in self.target if self.arms[arm].get("env", 0) == place]
            if not arms:
                continue
            env_id, options, _ = self.place(arms[0])
            sampling = replace(self.sampling, temperature=member.preset.protocol.temperature)
            asker = asking(
                self.policy, env_id, sampling, split=split, render=self.policy.render, **options
            )
            levels = [self.place(arm)[2] for arm in arms]
            rows = [
                problems_of(env_id, json.dumps(options), split, level, size) for level in levels
            ]
            answered = asker(1_000 + place)(
                [problem for row in rows for problem in row], num_samples
            )
            found |= zip(arms, answered.parts([len(row) for row in rows]), strict=True)
        return [found[arm] for arm in self.target]

    def place(self, arm: int) -> tuple[str, dict[str, Any], int]:
        """Return the environment of an arm, its keywords, and the level."""
        env_id = self.setup.problems.ids[self.arms[arm].get("env", 0)]
        return env_id, self.setup.problems.options(), self.arms[arm]["level"]

    def card(self) -> list[dict[str, Any]]:
        """Return what the model scores on test problems of each arm of the target, and chance.

        Chance is the share of problems to which the right answer of the next one is right.
        """
        size = self.config.test_problems
        once = self.answers("test", size, 1)
        often = self.answers("test", min(size, NUM_PASS_K), K)
        rows = []
        for arm, first, solved in zip(self.target, once, often, strict=True):
            env_id, options, level = self.place(arm)
            row = {
                "arm": arm,
                "env": env_id,
                "level": level,
                "pass_at_1": float(first.correct.mean()),
                "pass_at_32": float(np.mean(solved.pass_at(K))),
            }
            rows.append({**row, "chance": chance(env_id, json.dumps(options), level, size)})
        return rows

    def weights(self) -> list[Tensor]:
        """Return a copy of the weights that are trained."""
        return [parameter.detach().clone() for parameter in self.policy.parameters()]

    def load(self, weights: Sequence[Tensor]) -> None:
        """Restore a state that `weights` returned."""
        with torch.no_grad():
            for parameter, weight in zip(self.policy.parameters(), weights, strict=True):
                parameter.copy_(weight)

    @contextmanager
    def copied(self) -> Iterator[None]:
        """Undo at the end whatever training the block does."""
        weights = self.weights()
        states = deepcopy((self.state.state_dict(), self.envs.state_dict()))
        try:
            yield
        finally:
            self.load(weights)
            self.state.load_state_dict(states[0])
            self.envs.load_state_dict(states[1])

    def best_arm(self) -> int:
        """Return the arm that raises the target's validation accuracy most in a few steps of training."""
        means = []
        for arm in range(len(self.arms)):
            if asked():
                raise Stopped
            with self.copied():
                self.pose((arm,))
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


def generated(metrics: Mapping[str, float]) -> float:
    """Return the tokens that a step generated, those of rejected groups included."""
    return metrics["num_tokens"] + metrics["num_extra_tokens"]


def train_config(
    config: HeadroomConfig,
    seed: int,
    learning_rate: float | None,
    curriculum: str,
    allocation: str,
) -> TrainConfig:
    """Return what `edgewise train` would be given."""
    given = {name: getattr(config, name) for name in OF_TRAINING}
    own = {
        "num_steps": config.num_tokens,  # more than there can be
        "curriculum": curriculum,
        "allocation": allocation,
        "seed": seed,
        "learning_rate": learning_rate,
        "evaluate": False,
    }
    return complete(build(TrainConfig, {**given, **own}))
