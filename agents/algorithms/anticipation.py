"""Let slow verifiers work while the policy still samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gymnasium.vector import VectorEnv

from edgewise.agents.policies.policy import Sampler, StreamingSampler
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers.vector.prompt_format import opening_of


@contextmanager
def anticipated(
    envs: VectorEnv[Any, Any, Any], policy: Sampler, places: Mapping[int, int]
) -> Iterator[None]:
    """Pass completions to the verifiers of `envs` as they finish, while others are still sampled.

    It changes no result, only time. Nothing happens unless the policy streams and the task
    anticipates. It covers first turns and, of several ranks, a rank's own rows.

    Args:
        envs: A `ReasoningVectorEnv` under any wrappers, with its problems posed.
        policy: Samples one batch within the context.
        places: The environment of each row of the batch that is this rank's.
    """
    base = unwrap_vector(envs)
    if not isinstance(policy, StreamingSampler) or not base.env.anticipates:
        yield
        return

    def pass_on(rows: Sequence[int], texts: Sequence[str]) -> None:
        for row, text in zip(rows, texts, strict=True):
            if row in places:
                base.anticipate(places[row], opening_of(envs, places[row]) + text)

    policy.on_finished = pass_on
    try:
        yield
    finally:
        policy.on_finished = None
