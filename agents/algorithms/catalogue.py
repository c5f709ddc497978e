"""The algorithms, by the names that the command line and run folders have for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgewise.agents.algorithms.hyperparameters import OnPolicyConfig
    from edgewise.agents.algorithms.on_policy import State
    from edgewise.agents.algorithms.rollout import Envs
    from edgewise.agents.policies.policy import Policy


@dataclass(frozen=True)
class Algorithm:
    """An algorithm, imported when it is asked for what its file has."""

    path: str  # of its config, "module:Class"
    loop: str = ""  # the module that has `start` and `train`; by default that of the config

    @property
    def config(self) -> type[OnPolicyConfig]:
        """The class of its hyperparameters; of the algorithms here it needs no torch."""
        config: type[OnPolicyConfig] = resolve_name(self.path)
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
        return import_module(self.loop or self.path.partition(":")[0])


CONFIGS, LOOPS = "edgewise.agents.algorithms.hyperparameters", "edgewise.agents.algorithms"
ALGORITHMS = {
    "grpo": Algorithm(f"{CONFIGS}:GRPOConfig", f"{LOOPS}.grpo"),
    "rloo": Algorithm(f"{CONFIGS}:RLOOConfig", f"{LOOPS}.rloo"),
    "ppo": Algorithm(f"{CONFIGS}:PPOConfig", f"{LOOPS}.ppo"),
    "reinforce": Algorithm(f"{CONFIGS}:REINFORCEConfig", f"{LOOPS}.reinforce"),
    "reinforce++": Algorithm(f"{CONFIGS}:REINFORCEPlusPlusConfig", f"{LOOPS}.reinforce"),
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
