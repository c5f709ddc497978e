"""The algorithms, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from edgewise.agents.algorithms import grpo, ppo, reinforce, rloo
from edgewise.agents.algorithms.rollout import Envs, Rollout
from edgewise.agents.policies.base import Policy


class State(Protocol):
    """What an algorithm changes beside the policy."""

    step: int
    rollout: Rollout | None
    abs_advantages: Tensor | None

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers and lists."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""


@dataclass(frozen=True)
class Algorithm:
    """What the file of an algorithm has; a config says which `min_group_size` it needs."""

    config: type[Any]
    start: Callable[[Policy, Any], State]
    train: Callable[[Envs, Policy, Any, Any], Iterator[dict[str, float]]]


ALGORITHMS = {
    "grpo": Algorithm(grpo.GRPOConfig, grpo.start, grpo.train),
    "rloo": Algorithm(rloo.RLOOConfig, rloo.start, rloo.train),
    "ppo": Algorithm(ppo.PPOConfig, ppo.start, ppo.train),
    "reinforce": Algorithm(reinforce.REINFORCEConfig, reinforce.start, reinforce.train),
    "reinforce++": Algorithm(reinforce.REINFORCEPlusPlusConfig, reinforce.start, reinforce.train),
}
