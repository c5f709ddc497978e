"""The algorithms, by the names that the command line and run folders have for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgewise.agents.algorithms.on_policy import OnPolicyConfig, State
    from edgewise.agents.algorithms.rollout import Envs
    from edgewise.agents.policies.policy import Policy


@dataclass(frozen=True)
class Algorithm:
    """An algorithm, imported when it is asked for what its file has."""

    path: str  # of its config, "module:Class"; the module also has `start` and `train`

    @property
    def config(self) -> type[OnPolicyConfig]:
        """The class of its hyperparameters."""
        config: type[OnPolicyConfig] = getattr(self.module(), self.path.partition(":")[2])
        return config

    def start(self, policy: Policy, config: Any) -> State:
        """Return the state of a run that has done no step."""
        state: State = self.module().start(policy, config)
        return state

    def train(
        self, envs: Envs, policy: Policy, config: Any, state: State
    ) -> Iterator[dict[str, float]]:
        """Train `policy` in place on the problems of `envs`, yielding the metrics of each step."""
        steps: Iterator[dict[str, float]] = self.module().train(envs, policy, config, state)
        return steps

    def module(self) -> Any:
        """Import the file of the algorithm."""
        return import_module(self.path.partition(":")[0])


ALGORITHMS = {
    "grpo": Algorithm("edgewise.agents.algorithms.grpo:GRPOConfig"),
    "rloo": Algorithm("edgewise.agents.algorithms.rloo:RLOOConfig"),
    "ppo": Algorithm("edgewise.agents.algorithms.ppo:PPOConfig"),
    "reinforce": Algorithm("edgewise.agents.algorithms.reinforce:REINFORCEConfig"),
    "reinforce++": Algorithm("edgewise.agents.algorithms.reinforce:REINFORCEPlusPlusConfig"),
}


def train(envs: Envs, policy: Policy, config: OnPolicyConfig) -> Iterator[dict[str, float]]:
    """Train `policy` in place by the algorithm of `config`, yielding the metrics of each step.

    For a loop of your own: nothing is saved but by you. `begin` makes a run with checkpoints and records.

    Example:
        >>> from edgewise.agents import GRPOConfig, Sampling, load_policy
        >>> policy = load_policy("seedling")
        >>> envs = gym.make_vec("Countdown-v0", num_envs=8, group_size=4, preset="seedling")
        >>> envs = edgewise.wrappers.vector.PromptFormat(envs, render=policy.render)
        >>> _ = envs.reset(seed=0)
        >>> config = GRPOConfig(num_steps=1, sampling=Sampling(max_tokens=8))
        >>> [metrics["step"] for metrics in train(envs, policy, config)]
        [1]

    Args:
        envs: P problems, each to G environments, P G = num_envs; reset once, with the seed of the problems.
        policy: Samples and learns.
        config: Of one of the algorithms, `GRPOConfig`, `PPOConfig` and so on.

    Raises:
        ValueError: If the groups are too small for the algorithm.
        TypeError: If `config` is of none.
    """
    for algorithm in ALGORITHMS.values():
        if type(config) is algorithm.config:
            state = algorithm.start(policy, config)
            return algorithm.train(envs, policy, config, state)
    raise TypeError(f"`config` must be that of an algorithm, as GRPOConfig, got {config!r}")
